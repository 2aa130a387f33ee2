"""The dashboard."""

from __future__ import annotations

from pushd.admin.dashboard import Dashboard
from pushd.admin.exchange import Ask


def test_the_page() -> None:
    """A page locked to its own script, which asks only its own host."""
    answer = Dashboard().answer(Ask())
    assert b'fetch("/api/status"' in answer.body
    assert "script-src 'sha256-" in answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
