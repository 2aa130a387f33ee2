"""Splits what Spring's ``BatchingRabbitTemplate`` sends: several messages in one body. Pure.

The header ``springBatchFormat = lengthHeader4`` says so. The body repeats a length and a message of that
length. A length has four bytes, the most significant first.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct

__all__ = ["MAX_PARTS", "MalformedError", "is_batch", "split"]

MAX_PARTS = 10_000
"""Messages of one delivery: each takes a record in memory, and all of them are made in one reactor turn."""

_HEADER = "springBatchFormat"
_FORMAT = "lengthHeader4"

_length = Struct(">i").unpack_from
_LENGTH = 4


class MalformedError(Exception):
    """A body is not what its header says, or has too many parts."""


def is_batch(headers: object) -> bool:
    """Return True if the headers of a message announce a batch."""
    return isinstance(headers, Mapping) and headers.get(_HEADER) == _FORMAT


def split(body: bytes, max_parts: int = MAX_PARTS) -> list[bytes]:
    """Return the messages of a batch, at least one.

    Raises:
        MalformedError: A length is wrong, there is no message, or there are too many.
    """
    parts: list[bytes] = []
    at, end = 0, len(body)
    while at < end:
        start = at + _LENGTH
        if start > end or len(parts) == max_parts:
            raise MalformedError
        (length,) = _length(body, at)
        at = start + length
        if length < 0 or at > end:
            raise MalformedError
        parts.append(body[start:at])
    if not parts:
        raise MalformedError
    return parts
