"""pushd.broker.batch."""

from __future__ import annotations

from struct import pack

import pytest
from hypothesis import given
from hypothesis.strategies import binary, lists

from pushd.broker.batch import MalformedError, is_batch, split


@given(lists(binary(max_size=20), min_size=1, max_size=10))
def test_every_part_comes_back(parts: list[bytes]) -> None:
    """Whatever stands in them."""
    assert parts == split(b"".join(pack(">i", len(part)) + part for part in parts))


@given(binary(max_size=40))
def test_any_bytes(body: bytes) -> None:
    """They are a batch as a whole, or none."""
    try:
        parts = split(body)
    except MalformedError:
        return
    assert body == b"".join(pack(">i", len(part)) + part for part in parts)


@pytest.mark.parametrize(
    "body", [b"", b"\0", b"\0\0\0\1", b"\0\0\0\2x", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0\0\0"]
)
def test_malformed(body: bytes) -> None:
    """A length that leads beyond the end, a negative one, a rest, or nothing at all."""
    with pytest.raises(MalformedError):
        split(body)


def test_a_bound() -> None:
    """There may be so many parts and no more."""
    assert 3 == len(split(bytes(12), 3))
    with pytest.raises(MalformedError):
        split(bytes(16), 3)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"springBatchFormat": "lengthHeader4"}, True),
        ({"springBatchFormat": b"lengthHeader4"}, False),
        ({}, False),
        (None, False),
        ([], False),
    ],
)
def test_announced(headers: object, expected: bool) -> None:
    """Only Spring's own words announce a batch."""
    assert expected == is_batch(headers)
