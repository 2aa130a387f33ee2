"""An audited client of the raw route: bodies as they were published, and heartbeats of its own.

Bodies carry no position, so a lost connection excuses what was published meanwhile; while it
is connected nothing may be missing, twice or out of order.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from websockets.exceptions import ConnectionClosed

from pushd.audit.client import Backoff, Client, FinalError
from pushd.audit.websocket import open_socket

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

__all__ = ["RawClient"]

_FINAL_CODES = frozenset({1002, 1003, 1007, 1008, 1009, 1010})


class RawClient(Client):
    """One client of ``/websocket/<channel>``.

    Args:
        url: For example ``ws://host:86/websocket/222``.
        heartbeat: Seconds between heartbeats; the next one is due only after the answer to the last.

    Attributes:
        answers: The answers to its heartbeats, word for word, and how often each came.
        owed: Heartbeats not answered yet on this connection.
    """

    def __init__(self, url: str, backoff: Backoff, *, heartbeat: float = 25.0) -> None:
        super().__init__(url, backoff)
        self.answers: Counter[str] = Counter()
        self.owed = 0
        self._heartbeat = heartbeat

    async def converse(self) -> float | None:
        """Hold one connection, see :meth:`Client.converse`."""
        async with open_socket(self.url) as socket:
            if self.connects:
                self.ledger.interrupted()
            self.owed = 0
            self.subscribed()
            beating = asyncio.create_task(self._beat(socket))
            try:
                while True:
                    self._received(await socket.recv())
            except ConnectionClosed:
                self._closed(socket.close_code or 1006)
            finally:
                beating.cancel()
        return None

    def _received(self, body: str | bytes) -> None:
        if not self.take(body) and isinstance(body, str) and self.owed:
            self.owed -= 1
            self.answers[body] += 1

    def _closed(self, code: int) -> None:
        self.ends[str(code)] += 1
        if code in _FINAL_CODES or 4500 <= code <= 4999:
            raise FinalError(f"close code {code}")

    async def _beat(self, socket: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            while not self.owed:
                self.owed += 1
                await socket.send("heartbeat")
                await asyncio.sleep(self._heartbeat)
            self.ends["heartbeat unanswered"] += 1
            await socket.close()
