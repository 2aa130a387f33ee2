"""pushd.broker.amqp.header."""

from __future__ import annotations

from decimal import Decimal
from struct import pack

import pytest
from hypothesis import given
from hypothesis.strategies import binary
from pika.frame import Header
from pika.spec import BasicProperties

from pushd.broker.amqp.header import ContentHeader, body_size, read

_NAMES = [name for name in ContentHeader.__slots__ if name != "too_large"]


def header(table: bytes, *, after: bytes = b"") -> bytes:
    """Make a frame whose properties are a table of headers, and a message identifier if ``after`` has one."""
    flags = 1 << 13 | (1 << 7 if after else 0)
    payload = pack(">HHQHL", 60, 0, 5, flags, len(table)) + table + after
    return pack(">BHL", 2, 1, len(payload)) + payload + b"\xce"


def field(name: bytes, value: bytes) -> bytes:
    """Make a field of a table."""
    return bytes([len(name)]) + name + value


def text(value: bytes) -> bytes:
    """Make a long string."""
    return b"S" + pack(">L", len(value)) + value


def test_everything_that_pika_writes() -> None:
    """All properties are read as pika reads them, but for headers that pushd has no use for."""
    values = {name: name for name in _NAMES} | {"delivery_mode": 2, "priority": 3, "timestamp": 1 << 40}
    kept = {"t": True, "s": "é", "i": -5, "l": 1 << 40, "none": None, "list": ["a", "b"], "empty": []}
    lost = {"table": {"a": 1}, "decimal": Decimal("1.5"), "mixed": ["a", 1], "deep": [["a"]]}
    values["headers"] = kept | lost
    frame = Header(1, 7, BasicProperties(**values)).marshal()
    found = read(frame)
    assert values["headers"].keys() == found.headers.keys()  # type: ignore[attr-defined]
    read_headers = kept | {"table": None, "decimal": None, "mixed": ["a", None], "deep": [None]}
    assert read_headers == found.headers
    assert {name: getattr(found, name) for name in _NAMES} == values | {"headers": read_headers}
    assert (7, False) == (body_size(frame), found.too_large)


def test_nothing() -> None:
    """A message without properties has none."""
    assert ContentHeader(too_large=True) == read(Header(1, 0, BasicProperties()).marshal(), too_large=True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"T" + pack(">Q", 1 << 60), 1 << 60),
        (b"T" + pack(">q", -1), (1 << 64) - 1),
        (b"b\xff", -1),
        (b"B\xff", 255),
        (b"s" + pack(">h", -2), -2),
        (b"u" + pack(">H", 65535), 65535),
        (b"i" + pack(">L", 5), 5),
        (b"f" + pack(">f", 0.5), 0.5),
        (b"d" + pack(">d", float("inf")), float("inf")),
        (b"x\0\0\0\1\xff", b"\xff"),
        (text(b"\xff"), b"\xff"),
        (b"D" + bytes(5), None),
        (b"V", None),
    ],
)
def test_values(value: bytes, expected: object) -> None:
    """Each type has its length, so that what follows is found."""
    found = read(header(field(b"a", value) + field(b"channels", text(b"x")), after=b"\2id"))
    assert ({"a": expected, "channels": "x"}, "id") == (found.headers, found.message_id)


@pytest.mark.parametrize("rest", [field(b"b", b"?12345"), field(b"b", b"S\0\0\1\0x"), b"\xff", b"\1b"])
def test_a_field_that_cannot_be_read(rest: bytes) -> None:
    """The fields before it are read, and the properties behind the table."""
    found = read(header(field(b"a", b"t\1") + rest, after=b"\2id"))
    assert {"a": True} == {name: value for name, value in found.headers.items() if name == "a"}  # type: ignore[attr-defined]
    assert "id" == found.message_id


def test_a_name_that_is_no_text() -> None:
    """It is a name all the same."""
    assert {b"\xff": True} == read(header(field(b"\xff", b"t\1"))).headers


def test_very_deep_nesting() -> None:
    """It is skipped, at no depth of ours."""
    value = b"V"
    for _ in range(5000):
        value = b"A" + pack(">L", len(value)) + value
    table = field(b"a", value) + field(b"b", b"F" + pack(">L", len(value)) + value) + field(b"c", b"t\1")
    assert {"a": [None], "b": None, "c": True} == read(header(table)).headers


@given(binary(max_size=60))
def test_any_bytes(payload: bytes) -> None:
    """They are properties or none, and nothing else goes wrong."""
    frame = pack(">BHL", 2, 1, len(payload)) + payload + b"\xce"
    try:
        assert isinstance(read(frame), ContentHeader)
    except ValueError as error:
        assert "ends within" in str(error)  # noqa: PT017  # either outcome is right
