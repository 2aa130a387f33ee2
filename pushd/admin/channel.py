"""One connection of the admin port: twisted.web's reader of requests, which answers what it cannot read.

By itself it sends a bare status line or nothing at all. That holds for a line that ends with LF alone (RFC
9112 section 2.2), for a line that is too long and for a head that never ends.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from twisted.web.http import HTTPChannel

from pushd.admin.exchange import refuse

__all__ = ["AdminChannel"]


class AdminChannel(HTTPChannel):
    """A connection."""

    # A browser on this machine may send 16 KB of cookies that other servers at localhost have set.
    MAX_LENGTH = 16384 + 256
    totalHeadersSize = 4 * 16384

    _refused = False

    def dataReceived(self, data: bytes) -> None:
        """Take bytes; in an unfinished line no line feed may stand, as the line would have ended there."""
        if self._refused:
            return
        super().dataReceived(data)
        if self.line_mode and not self.paused and b"\n" in self._buffer:
            self._refuse(400, "a line must end with CR LF")

    def lineReceived(self, line: bytes) -> None:
        """Take a line of a head, without its end."""
        if b"\n" in line:
            self._refuse(400, "a line must end with CR LF")
        elif self._receivedHeaderSize + len(line) > self.totalHeadersSize:
            self._refuse(431, f"a request's head must not exceed {self.totalHeadersSize} bytes")
        else:
            super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: ARG002  # what it says is the peer's
        """Refuse a line that is too long."""
        self._refuse(431, f"a line of a request's head must not exceed {self.MAX_LENGTH} bytes")

    def timeoutConnection(self) -> None:
        """End a connection that is idle; answer first if it is in the middle of a request."""
        if self._buffer or self._receivedHeaderSize:
            self._answer(408, "the request was not complete in time")
        super().timeoutConnection()

    def _respondToBadRequestAndDisconnect(self) -> None:
        """Refuse what twisted.web cannot read."""
        self._refuse(400, "the request is not HTTP/1.1 in the form of RFC 9112")

    def _refuse(self, status: int, message: str) -> None:
        self._answer(status, message)
        self.loseConnection()

    def _answer(self, status: int, message: str) -> None:
        """Send an error in the form of all others, and take nothing more."""
        answer = refuse(status, message, connection="close")
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"Content-Length: {len(answer.body)}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        self._refused = True
        self.clearLineBuffer()
        transport: Any = self.transport
        transport.write("\r\n".join([*lines, "", ""]).encode() + answer.body)
