"""``/``: the dashboard, a page that shows ``/api/status`` and refreshes it."""

from __future__ import annotations

from pushd import page
from pushd.admin.exchange import Answer, Ask

__all__ = ["Dashboard"]


class Dashboard:
    """The page, read once."""

    methods = ("GET", "HEAD")

    def __init__(self) -> None:
        shipped = page.load("pushd.admin", "dashboard.html")
        self._answer = Answer(200, shipped.body, dict(shipped.headers))

    def answer(self, _: Ask) -> Answer:
        """Give it."""
        return self._answer
