"""Undoes the compression of a body, within a bound. Pure.

Publishers name a compression in two places: Spring's post-processors in ``content_encoding``, before the
charset (``gzip:UTF-8``), kombu in a header ``compression`` (``application/x-gzip``). A body of some kilobytes
can become gigabytes. A decompressor is therefore asked for one byte more than the bound, and never for all.
"""

from __future__ import annotations

import bz2
import lzma
import re
import zlib
from collections.abc import Callable
from struct import unpack_from
from typing import Protocol

__all__ = ["NOT_HERE", "BombError", "UnreadableError", "decompress", "of_encoding", "of_header"]


class BombError(Exception):
    """A body would become larger than the bound."""


class UnreadableError(Exception):
    """A body is not in the format that was named, or ends within it."""


class _Decompressor(Protocol):
    """The interface that :mod:`zlib`, :mod:`bz2` and :mod:`lzma` share."""

    @property
    def eof(self) -> bool:
        """True once the end of the compressed stream was reached."""

    @property
    def unused_data(self) -> bytes:
        """Bytes behind that end."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Return at most ``max_length`` bytes of output."""


_MEMBERS = 16
"""Compressed streams in one body: the rest of the body is copied for each of them."""

_LZMA_MEMORY = 128 * 1024 * 1024
"""Bytes that a decoder of lzma may use: the highest level of compression needs 65 MB."""

_FORMATS = {
    "gzip": "zlib",
    "x-gzip": "zlib",
    "deflate": "zlib",
    "x-deflate": "zlib",
    "zlib": "zlib",
    "x-zlib": "zlib",
    "zip": "zip",
    "bzip2": "bz2",
    "x-bzip2": "bz2",
    "bz2": "bz2",
    "x-bz2": "bz2",
    "lzma": "lzma",
    "x-lzma": "lzma",
    "xz": "lzma",
    "x-xz": "lzma",
    "zstd": "",
    "x-zstd": "",
    "br": "",
    "brotli": "",
    "x-brotli": "",
    "compress": "",
    "x-compress": "",
    "snappy": "",
    "lz4": "",
}
"""Formats of compressions by name; ``""`` for a format that Python's standard library cannot undo."""

_UNENCODED = frozenset({"identity", "7bit", "8bit", "binary", "none"})
"""Values that say of a body that it is not encoded (RFC 2045 section 6.2, RFC 9110 section 8.4.1)."""

NOT_HERE = "gzip, deflate, zlib, zip, bzip2, lzma and xz can be decompressed here"
"""The advice for a publisher that uses another compression."""

_PARTS = re.compile(r"[:,;]")

_ZIP = b"PK\x03\x04"
_ZIP_DEFLATED = 8


def of_encoding(content_encoding: str) -> tuple[list[str], str]:
    """Split a ``content_encoding`` in compressions, in the order in which to undo them, and the charset.

    Spring puts the compression that it applied last first.

    Args:
        content_encoding: In lower case: ``gzip:utf-8``, ``gzip, utf-8``, ``identity`` or a charset alone.

    Returns:
        Names of compressions, and ``""`` for a charset that is not named.
    """
    if content_encoding in _UNENCODED:
        return [], ""
    if content_encoding in _FORMATS:
        return [content_encoding], ""
    if not _PARTS.search(content_encoding):
        return [], content_encoding
    parts = [part.strip() for part in _PARTS.split(content_encoding)]
    compressions = [part for part in parts if part in _FORMATS]
    rest = [part for part in parts if part and part not in _FORMATS and part not in _UNENCODED]
    # Some charsets have a colon in their name: iso_8859-1:1987.
    return compressions, ":".join(rest)


def of_header(value: object) -> list[str]:
    """Return the compression that kombu names in the header ``compression``; nothing for anything else."""
    if not isinstance(value, str):
        return []
    name = value.strip().lower().removeprefix("application/")
    return [name] if name in _FORMATS else []


def decompress(name: str, body: bytes, max_bytes: int) -> bytes:
    """Undo one compression.

    Args:
        name: A name that :func:`of_encoding` or :func:`of_header` returned.
        body: What was compressed.
        max_bytes: The largest result.

    Raises:
        BombError: The result is larger.
        UnreadableError: The body is not in this format, or the format is unknown here.
    """
    undo = _UNDO.get(_FORMATS[name])
    if undo is None:
        raise UnreadableError
    try:
        return undo(body, max_bytes)
    except (zlib.error, lzma.LZMAError, EOFError, OSError) as error:
        raise UnreadableError from error


def _zlib(body: bytes, max_bytes: int) -> bytes:
    """Undo gzip (RFC 1952), zlib (RFC 1950) or raw deflate (RFC 1951): publishers mix up their names."""
    try:
        return _members(lambda: zlib.decompressobj(zlib.MAX_WBITS | 32), body, max_bytes)
    except zlib.error:
        return _whole(zlib.decompressobj(-zlib.MAX_WBITS), body, max_bytes)


def _zip(body: bytes, max_bytes: int) -> bytes:
    """Undo the first entry of an archive. Spring writes no other entry."""
    if not body.startswith(_ZIP) or len(body) < 30:
        raise UnreadableError
    method, name, extra = unpack_from("<H", body, 8)[0], *unpack_from("<HH", body, 26)
    if method != _ZIP_DEFLATED:
        raise UnreadableError
    return _whole(zlib.decompressobj(-zlib.MAX_WBITS), body[30 + name + extra :], max_bytes)


def _bz2(body: bytes, max_bytes: int) -> bytes:
    return _members(bz2.BZ2Decompressor, body, max_bytes)


def _lzma(body: bytes, max_bytes: int) -> bytes:
    return _members(lambda: lzma.LZMADecompressor(memlimit=_LZMA_MEMORY), body, max_bytes)


def _members(make: Callable[[], _Decompressor], body: bytes, max_bytes: int) -> bytes:
    """Undo compressed streams that stand one after the other, as gzip and bzip2 allow."""
    pieces: list[bytes] = []
    for _ in range(_MEMBERS):
        decompressor = make()
        pieces.append(_whole(decompressor, body, max_bytes))
        max_bytes -= len(pieces[-1])
        body = decompressor.unused_data
        if not body.strip(b"\0"):  # some writers pad
            return b"".join(pieces)
    raise UnreadableError


def _whole(decompressor: _Decompressor, body: bytes, max_bytes: int) -> bytes:
    data = decompressor.decompress(body, max_bytes + 1)
    if len(data) > max_bytes:
        raise BombError
    if not decompressor.eof:
        raise UnreadableError
    return data


_UNDO: dict[str, Callable[[bytes, int], bytes]] = {"zlib": _zlib, "zip": _zip, "bz2": _bz2, "lzma": _lzma}
