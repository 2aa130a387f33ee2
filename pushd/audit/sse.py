"""An audited client of ``/events``, with the manners of a browser's ``EventSource``.

It comes back with ``Last-Event-ID`` after the delay the server asked for. Where ``EventSource``
gives up (any status but 200), it does what a careful page does: makes a new one, with the
position in the query, after a back-off.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from pushd.audit.client import HANDSHAKE_TIMEOUT, Backoff, Client, FinalError
from pushd.audit.eventstream import Event, EventStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["SseClient"]


_NO_MESSAGES = frozenset({"heartbeat", "position"})
"""Events of the protocol itself."""


class SseClient(Client):
    """One client of ``/events``.

    Args:
        url: For example ``http://host:86/events?channel=222``.

    Attributes:
        position: The last event id, ``epoch:offset``, or ``""``.
    """

    def __init__(self, url: str, backoff: Backoff) -> None:
        super().__init__(url, backoff)
        self.position = ""
        self._parts = urlsplit(url)
        self._renew = False

    async def converse(self) -> float | None:
        """Hold one connection, see :meth:`Client.converse`."""
        async with asyncio.timeout(HANDSHAKE_TIMEOUT):
            secure = self._parts.scheme == "https"
            port = self._parts.port or (443 if secure else 80)
            reader, writer = await asyncio.open_connection(self._parts.hostname, port, ssl=secure or None)
        try:
            writer.write(self._request())
            async with asyncio.timeout(HANDSHAKE_TIMEOUT):
                chunked = self._accept(await reader.readuntil(b"\r\n\r\n"))
            self.subscribed()
            return await self._listen(reader, chunked=chunked)
        finally:
            writer.close()

    def _request(self) -> bytes:
        parts, target = self._parts, f"{self._parts.path}?{self._parts.query}"
        lines = ["Host: " + parts.netloc, "Accept: text/event-stream", "Cache-Control: no-cache"]
        if self._renew:
            target += f"&last_event_id={quote(self.position)}"
        elif self.position:
            lines.append("Last-Event-ID: " + self.position)
        return "\r\n".join([f"GET {target} HTTP/1.1", *lines, "", ""]).encode()

    def _accept(self, head: bytes) -> bool:
        """Judge the response's head; tell whether its body comes in chunks."""
        status, *fields = head.decode("latin-1").lower().split("\r\n")
        code = status.split()[1]
        if code == "204" or (code[0] == "4" and code not in ("408", "429")):
            raise FinalError(f"HTTP {code}")
        if code != "200":
            self._renew = bool(self.position)
            raise ConnectionRefusedError(f"HTTP {code}")
        return any(field.replace(" ", "") == "transfer-encoding:chunked" for field in fields)

    async def _listen(self, reader: asyncio.StreamReader, *, chunked: bool) -> float | None:
        stream = EventStream(last_id=self.position)
        try:
            async for data in _body(reader, chunked=chunked):
                for event in stream.feed(data):
                    self._take_event(event)
                self.position = stream.last_id
            self.ends["end of stream"] += 1
        except (OSError, EOFError) as error:
            self.ends[type(error).__name__] += 1
        return stream.retry

    def _take_event(self, event: Event) -> None:
        if event.name == "reset":
            self.ledger.reset()
        elif event.name not in _NO_MESSAGES:
            self.take(event.data)


async def _body(reader: asyncio.StreamReader, *, chunked: bool) -> AsyncIterator[bytes]:
    """Give a response's body as it comes (RFC 9112 section 7.1)."""
    if not chunked:
        while data := await reader.read(65536):
            yield data
        return
    while size := int(await reader.readuntil(b"\r\n"), 16):
        yield (await reader.readexactly(size + 2))[:-2]
