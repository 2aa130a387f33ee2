"""The head of an HTTP/1.1 request, from bytes to a value, strictly (RFC 9112), without any I/O.

Only printable ASCII gets through: Autobahn, which reads the same bytes after us, ends a header at control
bytes where proxies see none, so that a client could forge what only a proxy may say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote_to_bytes

from pushd.client.http import HttpError

__all__ = ["LONGEST", "Request", "is_suspect", "parse", "take_head"]

LONGEST = 16384
"""Bytes of a head."""

_END = b"\r\n\r\n"
_FORBIDDEN = re.compile(rb"[^\t\r\n\x20-\x7e]")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VERSION = re.compile(r"HTTP/([0-9])\.([0-9])")
_ABSOLUTE = re.compile(r"https?://[^/?#]+(/[^#]*)?", re.IGNORECASE)
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::[0-9]*)?")
_LISTS = frozenset(
    {
        "connection", "upgrade", "x-forwarded-for", "sec-websocket-protocol", "sec-websocket-extensions",
        "accept",
    }
)  # fmt: skip
"""Headers that may stand in several lines, which then count as one list (RFC 9110 section 5.3)."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as far as it matters here.

    Attributes:
        path: Still percent-encoded.
        query: The same, without its question mark.
        headers: By name in lower case.
        upgrades: Whether it asks for a WebSocket (RFC 6455 section 4.2.1).
        body: What came with it; the edge fills it in.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str] = field(default_factory=dict)
    upgrades: bool = False
    body: bytes = b""

    def header(self, name: str) -> str:
        """Give a header's value, or ``""``."""
        return self.headers.get(name, "")

    def tokens(self, name: str) -> list[str]:
        """Give the members of a header that is a list, in lower case."""
        return _tokens(self.header(name))

    @property
    def length(self) -> int:
        """Bytes of body that follow the head.

        Raises:
            HttpError: They cannot be told.
        """
        if "transfer-encoding" in self.headers:
            raise HttpError(411, "a body needs a Content-Length")
        digits = self.headers.get("content-length", "0")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 15):
            raise HttpError(400, "bad Content-Length")
        return int(digits)

    def parameters(self) -> Mapping[str, Sequence[str]]:
        """Decode the query.

        Raises:
            HttpError: It is not UTF-8, or has more than 1000 fields.
        """
        if not self.query:
            return {}
        try:
            return parse_qs(self.query, keep_blank_values=True, errors="strict", max_num_fields=1000)
        except ValueError as error:
            raise HttpError(400, "the query cannot be read") from error

    def below(self, prefix: str) -> str:
        """Decode what follows ``prefix`` in the path.

        Raises:
            HttpError: It is more than one segment, or not UTF-8.
        """
        segment = self.path.removeprefix(prefix)
        if "/" in segment:
            raise HttpError(404, "nothing is here")
        try:
            return unquote_to_bytes(segment).decode()
        except UnicodeDecodeError as error:
            raise HttpError(400, "the path is not UTF-8") from error


def is_suspect(data: bytes, start: int, end: int) -> bool:
    """Whether bytes that no head of ours may have stand in this part of ``data``."""
    return _FORBIDDEN.search(data, start, end) is not None


def take_head(data: bytes, start: int) -> int:
    """Find where the head ends.

    Args:
        data: What has come.
        start: How much of it was looked at before.

    Returns:
        How many bytes it has, or 0 when it is not complete.

    Raises:
        HttpError: It never will be one.
    """
    end = data.find(_END, max(0, start - 3), LONGEST)
    length = end + len(_END) if end >= 0 else 0
    if is_suspect(data, start, length or min(len(data), LONGEST)):
        raise HttpError(400, "only printable ASCII is allowed in a request's head")
    if not length and len(data) >= LONGEST:
        raise HttpError(431, f"a request's head must not exceed {LONGEST} bytes")
    return length


def parse(data: bytes) -> Request:
    """Read a complete head, in which no byte is suspect.

    Raises:
        HttpError: It is not one of HTTP/1.1 or 1.0.
    """
    lines = data[: -len(_END)].decode("ascii").split("\r\n")
    if any("\r" in line or "\n" in line for line in lines):
        raise HttpError(400, "a line must end with CR LF")
    method, target, modern = _request_line(lines[0])
    headers = _headers(lines[1:])
    if modern and "host" not in headers:
        raise HttpError(400, "a Host header is needed")
    if "host" in headers and not _HOST.fullmatch(headers["host"]):
        raise HttpError(400, "bad Host header")
    path, _, query = target.partition("?")
    return Request(method, path, query, headers, modern and _upgrades(headers))


def _upgrades(headers: Mapping[str, str]) -> bool:
    """Tell for a request of HTTP/1.1; in an older one ``Upgrade`` means nothing (RFC 9110 section 7.8)."""
    return "websocket" in _tokens(headers.get("upgrade", "")) and "upgrade" in _tokens(
        headers.get("connection", "")
    )


def _tokens(text: str) -> list[str]:
    return [token.strip() for token in text.lower().split(",")]


def _request_line(line: str) -> tuple[str, str, bool]:
    """Split a request line (RFC 9112 section 3) into method, target, and whether it is HTTP/1.1."""
    words = line.split(" ")
    version = _VERSION.fullmatch(words[-1])
    if len(words) != 3 or not version or not _TOKEN.fullmatch(words[0]):
        raise HttpError(400, "bad request line")
    if version[1] != "1":
        raise HttpError(505, "HTTP/1.1 is spoken here")
    return words[0], _target(words[1]), version[2] != "0"


def _target(text: str) -> str:
    """Give path and query of a target, which may name the host as well (RFC 9112 section 3.2.2)."""
    absolute = _ABSOLUTE.fullmatch(text)
    target = absolute[1] or "/" if absolute else text
    if not target.startswith("/") or "#" in target:
        raise HttpError(400, "bad request target")
    return target


def _headers(lines: Sequence[str]) -> dict[str, str]:
    """Read header lines (RFC 9112 section 5); a line that begins with a blank has no name, and is refused."""
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name):
            raise HttpError(400, "bad header")
        key, value = name.lower(), value.strip(" \t")
        if key not in headers:
            headers[key] = value
        elif key in _LISTS:
            headers[key] += f", {value}"
        elif key in _SINGLE:
            raise HttpError(400, "a header must not be repeated")
    return headers


_SINGLE = frozenset(
    {
        "host", "origin", "content-length", "transfer-encoding", "last-event-id", "authorization",
        "sec-websocket-key", "sec-websocket-version",
    }
)  # fmt: skip
"""Headers of which a second one contradicts the first."""
