"""Permessage-deflate (RFC 7692) for many: what is deflated is deflated once, and fits every client.

A message is deflated by itself, without what was said before, and in one window that every client which
agreed has room for. So a frame depends on its message alone, and no connection keeps any state between
messages, in either direction.
"""

from __future__ import annotations

import zlib

from pushd.encoding import frame

__all__ = ["WINDOW_BITS", "CorruptError", "Deflating", "ExcessError", "inflate"]

WINDOW_BITS = 12
"""Base-2 logarithm of the window we deflate in. A smaller one suits more clients and costs less to set up;
documents of some kilobytes lose nothing by it."""

_MEMORY = 5
"""Of zlib's levels of memory the one that suits this window."""

_LARGEST = 256 * 1024
"""Bytes from which on a message goes plain: deflating it would take all others' time, about 3 ms at this
size and for each protocol."""

_RSV1 = 0x40
"""Marks the first frame of a deflated message (RFC 7692 section 6)."""

_TAIL = b"\x00\x00\xff\xff"
"""The end of a flush, which is not sent (RFC 7692 section 7.2.1)."""


_RESTS = (b"", _TAIL, b"\x00" + _TAIL)
"""What may follow a block that says it is the last: nothing but an empty one (RFC 7692 section 7.2.3.4)."""


class CorruptError(ValueError):
    """What was to be inflated was never deflated."""


class ExcessError(ValueError):
    """Inflated it would be larger than allowed."""


class Deflating:
    """Makes frames as :func:`pushd.encoding.frame` does, deflated where that pays.

    Args:
        least: Bytes from which on a message is deflated.
    """

    def __init__(self, least: int) -> None:
        self._least = least

    def __call__(self, opcode: int, payload: bytes) -> bytes:
        """Give a whole frame; it is plain, which is always allowed, if the other would not be smaller."""
        if self._least <= len(payload) < _LARGEST:
            deflated = _deflate(payload)
            if len(deflated) < len(payload):
                return frame(_RSV1 | opcode, deflated)
        return frame(opcode, payload)


def _deflate(payload: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-WINDOW_BITS, memLevel=_MEMORY)
    return (deflater.compress(payload) + deflater.flush(zlib.Z_SYNC_FLUSH)).removesuffix(_TAIL)


def inflate(payload: bytes, most: int) -> bytes:
    """Undo what a client did to a whole message (RFC 7692 section 7.2.2), in any window.

    Args:
        payload: Of all frames of the message.
        most: Bytes that the result may have; no more than one above is ever made.

    Raises:
        CorruptError: It cannot be undone.
        ExcessError: The result would have more.
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = inflater.decompress(payload + _TAIL, most + 1)
    except zlib.error as error:
        raise CorruptError("not deflated") from error
    if len(inflated) > most:
        raise ExcessError("too much")
    if inflater.unused_data not in _RESTS:
        raise CorruptError("more follows what was said to be the last block")
    return inflated
