"""Reads the properties of a message that pika cannot read, or whose body is too large. Pure.

A content header (AMQP 0-9-1 section 2.3.5.2) holds properties of fixed types and a table of headers that a
publisher fills as it likes. pika gives up on a date beyond the year 9999, a number that is none, or very deep
nesting. This decoder reads what it can: a value that pushd has no use for becomes ``None``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct, error
from typing import Any

__all__ = ["ContentHeader", "body_size", "read"]

_PROPERTIES = (
    ("content_type", "short string"),
    ("content_encoding", "short string"),
    ("headers", "table"),
    ("delivery_mode", "octet"),
    ("priority", "octet"),
    ("correlation_id", "short string"),
    ("reply_to", "short string"),
    ("expiration", "short string"),
    ("message_id", "short string"),
    ("timestamp", "timestamp"),
    ("type", "short string"),
    ("user_id", "short string"),
    ("app_id", "short string"),
    ("cluster_id", "short string"),
)
"""The properties of the class ``basic`` by their flags, the highest bit first (section 1.8.1)."""

_NUMBERS = {code: Struct(f">{letter}") for code, letter in zip(b"bBsuIilLfdT", "bBhHiIqqfdQ", strict=True)}
"""Numbers in a table by their type, as RabbitMQ writes them."""

_LENGTH = Struct(">L")
_FLAGS = Struct(">H")
_SIZE = Struct(">Q")
_DECIMAL_BYTES = 5

_SIZE_AT = 11
"""Index of the body's size in a frame: it follows the frame's head of 7 bytes, the class and the weight."""

_FLAGS_AT = _SIZE_AT + 8


@dataclass(slots=True)
class ContentHeader:
    """The properties of a message, under pika's names.

    Attributes:
        too_large: True if the body is larger than the bound and was not kept.
    """

    content_type: object = None
    content_encoding: object = None
    headers: object = None
    delivery_mode: object = None
    priority: object = None
    correlation_id: object = None
    reply_to: object = None
    expiration: object = None
    message_id: object = None
    timestamp: object = None
    type: object = None
    user_id: object = None
    app_id: object = None
    cluster_id: object = None
    too_large: bool = False


class _UnknownTypeError(Exception):
    """A table holds a type whose length is unknown."""


def body_size(frame: bytes, start: int = 0) -> int:
    """Return the size in bytes of the body that a header frame announces."""
    size: int = _SIZE.unpack_from(frame, start + _SIZE_AT)[0]
    return size


def read(frame: bytes, *, too_large: bool = False) -> ContentHeader:
    """Read a whole header frame.

    Raises:
        ValueError: It ends within a property.
    """
    found = ContentHeader(too_large=too_large)
    cursor = _Cursor(frame[:-1], _FLAGS_AT)
    try:
        flags = cursor.number(_FLAGS)
        for bit, (name, kind) in enumerate(_PROPERTIES):
            if flags >> 15 - bit & 1:
                setattr(found, name, _READ[kind](cursor))
    except error:
        raise ValueError("a content header ends within a property") from None
    return found


class _Cursor:
    """A place in a frame that moves on with what is read. All readers raise ``struct.error`` at the end.

    Args:
        data: The frame up to the end of what may be read.
        at: Where to begin.
    """

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data = data
        self._at = at

    @property
    def rest(self) -> int:
        """Bytes that are left."""
        return len(self._data) - self._at

    def number(self, of: Struct) -> Any:
        """Read one number."""
        (value,) = of.unpack_from(self._data, self._at)
        self._at += of.size
        return value

    def take(self, size: int) -> bytes:
        """Read so many bytes."""
        if size > self.rest:
            raise error
        self._at += size
        return self._data[self._at - size : self._at]

    def octet(self) -> int:
        """Read a byte."""
        return self.take(1)[0]

    def timestamp(self) -> int:
        """Read seconds since the Unix epoch."""
        return int(self.number(_SIZE))

    def short_string(self) -> object:
        """Read a string of up to 255 bytes; bytes where it is not UTF-8."""
        return _text(self.take(self.octet()))

    def long_bytes(self) -> bytes:
        """Read bytes with a length of four bytes in front: a long string, a table or an array."""
        return self.take(self.number(_LENGTH))

    def table(self) -> dict[object, object]:
        """Read a table, up to the first field whose type and therefore length is unknown."""
        fields = _Cursor(self.long_bytes())
        found: dict[object, object] = {}
        try:
            while fields.rest:
                name = fields.short_string()
                found[name] = fields.value()
        except (_UnknownTypeError, error):
            pass  # what stands before it was read, and the table's own length leads to what stands after it
        return found

    def value(self) -> object:
        """Read a value; a table gives ``None``, and so does what pushd has no use for."""
        code = self.octet()
        if code in _NUMBERS:
            return self.number(_NUMBERS[code])
        read_it = _VALUES.get(code)
        if read_it is None:
            raise _UnknownTypeError
        return read_it(self)

    def array(self) -> list[object]:
        """Read an array: the header ``channels`` may be one. Arrays within it are not looked into."""
        items = _Cursor(self.long_bytes())
        found: list[object] = []
        while items.rest:
            if items.octet() != _LONG_STRING:
                return [*found, None]  # an item that is no string: no list of names
            found.append(_text(items.long_bytes()))
        return found


_LONG_STRING = ord("S")


def _text(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _skipped(cursor: _Cursor) -> None:
    cursor.long_bytes()


_VALUES: dict[int, Callable[[_Cursor], object]] = {
    ord("t"): lambda cursor: bool(cursor.octet()),
    ord("S"): lambda cursor: _text(cursor.long_bytes()),
    ord("x"): _Cursor.long_bytes,
    ord("A"): _Cursor.array,
    ord("F"): _skipped,
    ord("D"): lambda cursor: cursor.take(_DECIMAL_BYTES) and None,
    ord("V"): lambda _: None,
}
"""Values of a table that are no numbers, by their type."""

_READ: dict[str, Callable[[_Cursor], object]] = {
    "octet": _Cursor.octet,
    "short string": _Cursor.short_string,
    "table": _Cursor.table,
    "timestamp": _Cursor.timestamp,
}
