from __future__ import annotations

import os
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushd.deflate import WINDOW_BITS, CorruptError, Deflating, ExcessError, inflate
from pushd.encoding import BINARY, TEXT, frame

TAIL = b"\x00\x00\xff\xff"
DOCUMENT = b'{"symbol":"PUSHD","price":1.25,"volume":12345}' * 40


def deflated(payload: bytes, *, window: int = zlib.MAX_WBITS) -> bytes:
    """Deflate a message as a client does."""
    deflater = zlib.compressobj(wbits=-window)
    return (deflater.compress(payload) + deflater.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


def opened(data: bytes) -> tuple[int, bytes]:
    """Take one of our frames of medium length apart, with nothing but zlib and the RFCs."""
    size = int.from_bytes(data[2:4], "big") if data[1] == 126 else data[1]
    payload = data[4:] if data[1] == 126 else data[2:]
    assert size == len(payload)
    if data[0] & 0x40:
        assert not payload.endswith(TAIL)
        # Byte by byte: zlib looks as far back as it wants to in what it made in the same call.
        inflater = zlib.decompressobj(-WINDOW_BITS)
        payload = b"".join(inflater.decompress(bytes([byte])) for byte in payload + TAIL)
    return data[0], payload


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_frame_is_deflated(opcode: int) -> None:
    """It is marked, smaller, and can be inflated by itself, in our window."""
    data = Deflating(100)(opcode, DOCUMENT)
    assert (0xC0 | opcode, DOCUMENT) == opened(data)
    assert len(data) < len(DOCUMENT) // 10


def test_a_frame_can_be_inflated_in_a_small_window() -> None:
    """What was said further back than 4 KB is not referred to."""
    payload = os.urandom(3000).hex().encode() * 2
    assert (0xC1, payload) == opened(Deflating(100)(TEXT, payload))


def test_a_frame_does_not_depend_on_those_before() -> None:
    """So that anybody can be given any of them."""
    framing = Deflating(100)
    assert framing(TEXT, DOCUMENT) == framing(TEXT, DOCUMENT)


@pytest.mark.parametrize(
    "payload",
    [b"", b"x" * 99, os.urandom(1000), b"x" * 256 * 1024],
    ids=["empty", "small", "not to be deflated", "large"],
)
def test_a_frame_is_plain_where_deflating_does_not_pay(payload: bytes) -> None:
    """It would save nothing, or take too long."""
    assert frame(BINARY, payload) == Deflating(100)(BINARY, payload)


@pytest.mark.parametrize("size", [100, 256 * 1024 - 1])
def test_a_frame_at_a_bound_is_deflated(size: int) -> None:
    """From the smallest to the largest."""
    assert 0xC1 == Deflating(100)(TEXT, b"x" * size)[0]


@given(st.binary(max_size=300), st.integers(9, 15))
def test_what_clients_deflate_is_inflated(payload: bytes, window: int) -> None:
    """Whatever window they choose."""
    assert payload == inflate(deflated(payload, window=window), 300)


@pytest.mark.parametrize(
    "payload",
    [
        "f2 48 cd c9 c9 07 00",
        "00 05 00 fa ff 48 65 6c 6c 6f 00",
        "f3 48 cd c9 c9 07 00 00",
        "f3 48 cd c9 c9 07 00",
        "f2 48 05 00 00 00 ff ff ca c9 c9 07 00",
    ],
    ids=["fixed codes", "not compressed", "last block", "last block, no padding", "two blocks"],
)
def test_the_examples_of_the_rfc(payload: str) -> None:
    """All its ways to say the same (RFC 7692 section 7.2.3)."""
    assert b"Hello" == inflate(bytes.fromhex(payload), 5)


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff\xff\xff\xff",
        bytes.fromhex("000500faee48656c6c6f00"),
        bytes.fromhex("f348cdc9c90700f248cdc9c90700"),
    ],
    ids=["never deflated", "damaged", "more after the last block"],
)
def test_what_cannot_be_inflated(payload: bytes) -> None:
    """It is said, and nothing is left out silently."""
    with pytest.raises(CorruptError):
        inflate(payload, 10_000)


def test_a_message_at_the_limit_is_inflated() -> None:
    """And one byte more is too much."""
    assert b"x" * 1000 == inflate(deflated(b"x" * 1000), 1000)
    with pytest.raises(ExcessError):
        inflate(deflated(b"x" * 1001), 1000)


def test_a_bomb_costs_no_more_than_a_message() -> None:
    """What 64 KB could become is never made."""
    bomb = deflated(b"\x00" * 64_000_000)
    assert len(bomb) < 65536
    tracemalloc.start()
    try:
        with pytest.raises(ExcessError):
            inflate(bomb, 65536)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 400_000
