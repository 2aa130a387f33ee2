"""The head of an HTTP/1.1 request, from bytes to a value, strictly (RFC 9112), without any I/O.

A line ends with CR LF and with nothing else. Control characters are refused everywhere: a parser that
breaks lines at them would see headers that no proxy has seen. Bytes above 0x7F are opaque (RFC 9110
section 5.5). They pass in headers that pushd does not interpret, such as a cookie or a browser's name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote_to_bytes

from pushd.client.http import HttpError

__all__ = ["HeadLimits", "Request", "parse", "take_head"]

_END = b"\r\n\r\n"
_EMPTY_LINES = re.compile(rb"(?:\r\n)*")
_LINE_ENDS = frozenset({b"\r", b"\n"})
_MAX_EMPTY_LINES = 16
"""Empty lines that may stand before a request line (RFC 9112 section 2.2 asks for one at least)."""

_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SUSPECT = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|(?<!\r)\n|\r(?!\n|\Z)")
"""A control character, or a line break that is not CR LF."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VERSION = re.compile(r"HTTP/([0-9])\.([0-9])")
_TARGET = re.compile(r"/[!\"$-~]*")
_ABSOLUTE = re.compile(r"https?://[^/?#]+(/[^#]*|\?[^#]*)?", re.IGNORECASE)
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::[0-9]*)?")
_LISTS = frozenset(
    {
        "accept", "connection", "expect", "sec-websocket-extensions", "sec-websocket-protocol", "upgrade",
        "x-forwarded-for",
    }
)  # fmt: skip
"""Headers that may stand in several lines, which then count as one list (RFC 9110 section 5.3)."""

_SINGLE = frozenset(
    {
        "host", "origin", "content-length", "transfer-encoding", "last-event-id", "authorization",
        "sec-websocket-key", "sec-websocket-version",
    }
)  # fmt: skip
"""Headers of which a second one contradicts the first."""

_INTERPRETED = _LISTS | _SINGLE | {"access-control-request-method"}
"""Headers whose value decides something in pushd: printable ASCII only."""


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """Sizes of a head in bytes.

    Attributes:
        request_line: A request line. A longer one is answered with 414.
        header: The value of one header, and half of all header lines together. More is answered with 431.
    """

    request_line: int = 131072
    header: int = 16384


@dataclass(frozen=True, slots=True)
class Request:
    """A request as far as it matters here.

    Attributes:
        path: Still percent-encoded; ``*`` when ``OPTIONS`` asks about the server itself.
        query: The same, without its question mark.
        headers: By name in lower case.
        upgrades: Whether it asks for a WebSocket (RFC 6455 section 4.2.1).
        body: What came with it; the edge fills it in.
        awaits_continue: True if the client sends its body only after ``100 Continue`` (RFC 9110
            section 10.1.1).
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str] = field(default_factory=dict)
    upgrades: bool = False
    body: bytes = b""
    awaits_continue: bool = False

    def header(self, name: str) -> str:
        """Give a header's value, or ``""``."""
        return self.headers.get(name, "")

    def tokens(self, name: str) -> list[str]:
        """Give the members of a header that is a list, in lower case."""
        return _tokens(self.header(name))

    @property
    def subprotocols(self) -> list[str]:
        """The subprotocols that the client offers, the preferred first; their case matters."""
        offers = self.header("sec-websocket-protocol").split(",")
        return [offer.strip(" \t") for offer in offers if offer.strip(" \t")]

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


_DEFAULT_LIMITS = HeadLimits()


def take_head(data: bytes, start: int, limits: HeadLimits = _DEFAULT_LIMITS) -> int:
    """Find where the head ends.

    Args:
        data: All bytes that have come.
        start: Number of bytes that an earlier call has looked at.
        limits: Sizes that the head must not exceed.

    Returns:
        The head's length with the empty lines before it, or 0 while the head is incomplete.

    Raises:
        HttpError: The bytes are not the beginning of a request.
    """
    begin = _begin(data)
    end = data.find(_END, max(begin, start - 3))
    length = end + len(_END) if end >= 0 else 0
    # The byte before tells whether a line feed follows a carriage return.
    whole = length and not start and _is_clean(data[:length])
    if not whole and (suspect := _SUSPECT.search(data, max(0, start - 1), length or len(data))):
        line_break = suspect[0] in {b"\r", b"\n"}
        raise HttpError(400, "a line must end with CR LF" if line_break else _NO_CONTROLS)
    _check_sizes(data, begin, length, limits)
    return length


def _is_clean(head: bytes) -> bool:
    """Return True if a whole head has no control character and no line break but CR LF.

    It says the same as ``_SUSPECT`` for a quarter of the time, which each handshake pays for.
    """
    breaks = head.count(b"\r\n")
    return breaks == head.count(b"\n") == head.count(b"\r") and not _CONTROLS.search(head)


_NO_CONTROLS = "control characters are not allowed in a request's head"


def _begin(data: bytes) -> int:
    """Return where the request line begins, after empty lines."""
    if data[:1] not in _LINE_ENDS:  # nearly all requests
        return 0
    empty = _EMPTY_LINES.match(data)
    assert empty
    if empty.end() > 2 * _MAX_EMPTY_LINES:
        raise HttpError(400, f"at most {_MAX_EMPTY_LINES} empty lines may precede a request line")
    return empty.end()


def _check_sizes(data: bytes, begin: int, length: int, limits: HeadLimits) -> None:
    """Refuse a head that is too long, as soon as that is known."""
    line_end = data.find(b"\r\n", begin)
    size = (line_end if line_end >= 0 else len(data)) - begin
    if size > limits.request_line:
        raise HttpError(414, f"a request line must not exceed {limits.request_line} bytes")
    if line_end >= 0 and (length or len(data)) - line_end > 2 * limits.header:
        raise HttpError(431, f"the headers together must not exceed {2 * limits.header} bytes")


def parse(data: bytes, limits: HeadLimits = _DEFAULT_LIMITS) -> Request:
    """Read a complete head that :func:`take_head` has found.

    Raises:
        HttpError: It is not a request of HTTP/1.1 or 1.0.
    """
    lines = data[_begin(data) : -len(_END)].decode("latin-1").split("\r\n")
    method, target, modern = _request_line(lines[0])
    headers = _headers(lines[1:], limits, check_values=len(data) > limits.header or not data.isascii())
    if modern and "host" not in headers:
        raise HttpError(400, "a Host header is needed")
    if "host" in headers and not _HOST.fullmatch(headers["host"]):
        raise HttpError(400, "bad Host header")
    path, _, query = target.partition("?")
    waits = modern and "expect" in headers and _awaits_continue(headers["expect"])
    return Request(method, path, query, headers, modern and _upgrades(headers), awaits_continue=waits)


def _upgrades(headers: Mapping[str, str]) -> bool:
    """Tell for a request of HTTP/1.1; in an older one ``Upgrade`` means nothing (RFC 9110 section 7.8)."""
    return "websocket" in _tokens(headers.get("upgrade", "")) and "upgrade" in _tokens(
        headers.get("connection", "")
    )


def _awaits_continue(expectation: str) -> bool:
    """Read ``Expect`` of HTTP/1.1; an older client cannot expect anything (RFC 9110 section 10.1.1)."""
    members = [token for token in _tokens(expectation) if token]
    if any(member != "100-continue" for member in members):
        raise HttpError(417, "the only expectation that can be met is 100-continue")
    return bool(members)


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
    return words[0], _target(words[0], words[1]), version[2] != "0"


def _target(method: str, text: str) -> str:
    """Return path and query of a target, or ``*`` for ``OPTIONS`` about the server.

    A target may name the host as well (RFC 9112 section 3.2.2). ``OPTIONS`` with a host and no path is the
    form that ``*`` takes through a proxy (section 3.2.4).
    """
    absolute = _ABSOLUTE.fullmatch(text)
    target = absolute[1] or "" if absolute else text
    if method == "OPTIONS" and (target == "*" or (absolute and not target)):
        return "*"
    if absolute and not target.startswith("/"):
        target = f"/{target}"
    if not _TARGET.fullmatch(target):
        raise HttpError(400, "bad request target")
    return target


def _headers(lines: Sequence[str], limits: HeadLimits, *, check_values: bool) -> dict[str, str]:
    """Read header lines (RFC 9112 section 5); a line that begins with a blank has no name, and is refused.

    Args:
        lines: The lines.
        limits: Sizes that a value must not exceed.
        check_values: False if the head as a whole shows that each value is ASCII and short enough.
    """
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name):
            raise HttpError(400, "bad header")
        key, value = name.lower(), value.strip(" \t")
        if check_values:
            _check_value(key, value, limits)
        if key not in headers:
            headers[key] = value
        elif key in _LISTS:
            headers[key] += f", {value}"
        elif key in _SINGLE:
            raise HttpError(400, "a header must not be repeated")
    return headers


def _check_value(key: str, value: str, limits: HeadLimits) -> None:
    if len(value) > limits.header:
        raise HttpError(431, f"a header's value must not exceed {limits.header} bytes")
    if key in _INTERPRETED and not value.isascii():
        raise HttpError(400, f"only printable ASCII is allowed in the header {key}")
