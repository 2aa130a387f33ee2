"""The sample pages of docs/protocols.md, as they stand there: they notice a dead connection and come back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.daemon import Daemon
from tests.support.stock import javascript
from tests.support.wait import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.stock import StockClient

PAGE = (Path(__file__).parents[2] / "docs" / "protocols.md").read_text(encoding="utf-8")
SAMPLES = re.findall(r"```html\n<script>\n(.*?)</script>\n```", PAGE, re.DOTALL)

QUICK = {"sse.heartbeat_interval": "500ms", "websocket.ping_interval": "500ms"}


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    """One instance whose heartbeats come often."""
    with Daemon("1", QUICK) as daemon:
        yield daemon


@pytest.mark.parametrize(
    ("route", "complaint", "word"),
    [
        ("/websocket/222", "no answer", "message"),
        ("/events?", "no heartbeat", "message"),
        ("/connection/uni_sse", "no ping", "broadcast"),
    ],
)
def test_a_page_notices_a_dead_connection(
    daemon: Daemon, tmp_path: Path, route: str, complaint: str, word: str
) -> None:
    """It stays while there are heartbeats, and connects anew when they stay away without any error."""
    (sample,) = (sample for sample in SAMPLES if route in sample)
    script = tmp_path / "page.js"
    script.write_text(sample.replace("SILENCE = 60000;", "SILENCE = 2000;"), encoding="utf-8")
    with javascript("page.mjs", f"http://127.0.0.1:{daemon.public}", str(script)) as page:
        _is_reached(daemon, page, word, "one")
        quiet_until = daemon.metric("pushd_uptime_seconds") + 4
        wait_for(lambda: daemon.metric("pushd_uptime_seconds") > quiet_until, "time without messages")
        assert 1 == daemon.metric("pushd_connections_opened_total")
        daemon.freeze()
        assert complaint == page.expect("warn")["text"]
        daemon.kill()
        daemon.start()
        daemon.wait_ready()
        _is_reached(daemon, page, word, "two")


def _is_reached(daemon: Daemon, page: StockClient, word: str, text: str) -> None:
    """Hold that the page is connected and is given what is published."""
    wait_for(lambda: daemon.metric("pushd_connections"), "the page's connection", 60.0)
    assert 200 == daemon.post("/api/broadcast", {"data": text})[0]
    page.expect("log", text=f"{word} {text}")
