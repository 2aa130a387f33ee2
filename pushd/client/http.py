"""Answers in HTTP/1.1: short, final, and in our own words only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus

__all__ = ["CONTINUE", "Header", "HttpError", "Response", "head", "render"]

Header = tuple[str, str]

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
"""The interim answer that asks for a body (RFC 9110 section 15.2.1)."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer with a body that is known as a whole.

    Attributes:
        headers: Besides ``Date``, ``Content-Length`` and ``Connection``.
    """

    status: int
    headers: Sequence[Header] = ()
    body: bytes = b""


class HttpError(Exception):
    """A request is answered with an error.

    Args:
        status: 4xx or 5xx.
        text: One line for a person; must not quote the peer.
        headers: What the status asks for, such as ``Allow``.
    """

    def __init__(self, status: int, text: str, *headers: Header) -> None:
        super().__init__(status, text)
        self.status = status
        self.text = text
        self.headers = headers

    @property
    def response(self) -> Response:
        """What is sent."""
        kind = ("Content-Type", "text/plain; charset=utf-8")
        return Response(
            self.status, (kind, ("Cache-Control", "no-store"), *self.headers), f"{self.text}\n".encode()
        )


def head(status: int, headers: Iterable[Header], now: float) -> bytes:
    """Give the head of an answer after which the connection ends.

    Args:
        now: Seconds since the Unix epoch (RFC 9110 section 6.6.1 asks for a ``Date``).
    """
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        f"Date: {formatdate(now, usegmt=True)}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def render(response: Response, now: float, *, body: bool = True) -> bytes:
    """Give an answer as a whole.

    Args:
        now: See :func:`head`.
        body: Not with an answer to ``HEAD``, which is told the length of what it does not get.
    """
    connection = (
        "Connection",
        "upgrade, close" if response.status == HTTPStatus.UPGRADE_REQUIRED else "close",
    )
    length = ("Content-Length", str(len(response.body)))
    answer = head(response.status, (*response.headers, length, connection), now)
    return answer + response.body if body else answer
