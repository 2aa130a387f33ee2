"""Audited clients in a thread of their own, so that a test can stop and kill things in plain code."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Self, TypeVar

from pushd.audit.client import Backoff, Client
from pushd.audit.crowd import Crowd
from tests.support.wait import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pushd.audit.ledger import Report

__all__ = ["QUICK", "Audience"]

T = TypeVar("T")

QUICK = Backoff(least=0.2, most=1.0)
"""Full jitter, as shipped clients have it, over delays that a test can afford."""


class Audience:
    """Runs clients; a context manager that connects them and, in the end, takes them away.

    Leaving the block raises whatever a client could not understand.
    """

    def __init__(self, clients: Iterable[Client]) -> None:
        self._crowd = Crowd(clients)
        self.clients = self._crowd.clients
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ask(self._crowd.start)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            asyncio.run_coroutine_threadsafe(self._crowd.stop(), self._loop).result(30)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
            self._loop.close()

    def wait_online(self, timeout: float = 30.0) -> None:
        """Return once every client is connected and subscribed."""
        self.wait(lambda client: client.online, "clients online", timeout)

    def wait_taken(self, published: Mapping[str, int], timeout: float = 30.0) -> None:
        """Return once every client has taken the last message of each series."""
        self.wait(
            lambda client: client.ledger.report().last.items() >= published.items(),
            f"clients have {dict(published)}",
            timeout,
        )

    def wait(self, test: Callable[[Client], bool], what: str, timeout: float = 30.0) -> None:
        """Return once ``test`` holds for every client."""

        def late() -> list[Client]:
            return [client for client in self.clients if not test(client)]

        try:
            wait_for(lambda: not self._ask(late), what, timeout)
        except AssertionError as error:
            rest = self._ask(late)
            about = [(c.url, c.online, dict(c.ends), c.final, c.ledger.report().last) for c in rest[:5]]
            raise AssertionError(
                f"{error}; {len(rest)} of {len(self.clients)} are not there: {about}"
            ) from None

    def reports(self, published: Mapping[str, int] | None = None) -> list[Report]:
        """Give every client's account."""
        return self._ask(lambda: self._crowd.reports(published))

    def _ask(self, question: Callable[[], T]) -> T:
        """Have the loop's thread answer: nothing changes while it looks."""

        async def answer() -> T:
            return question()

        return asyncio.run_coroutine_threadsafe(answer(), self._loop).result(30)
