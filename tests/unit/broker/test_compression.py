"""pushd.broker.compression."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib

import pytest

from pushd.broker.compression import BombError, UnreadableError, decompress, of_encoding, of_header


def raw_deflate(data: bytes) -> bytes:
    """Compress without any header."""
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


class _Stream(io.BytesIO):
    """A file that cannot be wound back, as Java's ZipOutputStream writes one: sizes follow the data."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise OSError


def zipped(data: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Make an archive like Spring's."""
    file = _Stream()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("zipped", data)
    return file.getvalue()


_COMPRESSED = [
    ("gzip", gzip.compress),
    ("x-gzip", gzip.compress),
    ("gzip", zlib.compress),  # kombu's application/x-gzip
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
    ("zlib", zlib.compress),
    ("zip", zipped),
    ("bzip2", bz2.compress),
    ("x-bz2", bz2.compress),
    ("lzma", lambda data: lzma.compress(data, lzma.FORMAT_ALONE)),
    ("x-lzma", lzma.compress),
    ("xz", lzma.compress),
]


@pytest.mark.parametrize(("name", "compress"), _COMPRESSED)
def test_undone(name: str, compress: object) -> None:
    """Each compression is undone, to the very bound and no further."""
    for data in (b"x" * 1000, b""):
        compressed = compress(data)  # type: ignore[operator]
        assert data == decompress(name, compressed, len(data))
    with pytest.raises(BombError):
        decompress(name, compress(b"x" * 1000), 999)  # type: ignore[operator]


@pytest.mark.parametrize(("name", "compress"), _COMPRESSED)
def test_cut_off(name: str, compress: object) -> None:
    """A body that ends within the compressed data is not given in part."""
    compressed = compress(bytes(range(256)) * 10)  # type: ignore[operator]
    with pytest.raises(UnreadableError):
        decompress(name, compressed[:40], 10_000)


@pytest.mark.parametrize("name", ["gzip", "deflate", "zip", "bz2", "lzma"])
@pytest.mark.parametrize("body", [b"", b"x", b"\xff" * 100, b"PK\x03\x04" + bytes(26)])
def test_not_compressed(name: str, body: bytes) -> None:
    """What is in no such format is unreadable."""
    with pytest.raises(UnreadableError):
        decompress(name, body, 10_000)


def test_an_archive_that_is_not_deflated() -> None:
    """Spring writes none."""
    with pytest.raises(UnreadableError):
        decompress("zip", zipped(b"x", zipfile.ZIP_STORED), 100)


@pytest.mark.parametrize("name", ["zstd", "br"])
def test_known_but_not_here(name: str) -> None:
    """The standard library undoes no such compression."""
    with pytest.raises(UnreadableError):
        decompress(name, b"x", 100)


def test_a_bomb_is_given_up_at_the_bound() -> None:
    """Ten megabytes in some kilobytes are never in memory: output ends one byte beyond the bound."""
    bomb = gzip.compress(bytes(10_000_000))
    assert len(bomb) < 20_000
    with pytest.raises(BombError):
        decompress("gzip", bomb, 1000)


def test_members() -> None:
    """Several compressed streams are one body, within one bound; padding is none, and sixteen are allowed."""
    member = gzip.compress(b"abc")
    assert b"abcabc" == decompress("gzip", member * 2 + bytes(10), 6)
    with pytest.raises(BombError):
        decompress("gzip", member * 2, 5)
    assert 16 * 3 == len(decompress("gzip", member * 16, 100))
    with pytest.raises(UnreadableError):
        decompress("gzip", member * 17, 100)
    with pytest.raises(UnreadableError):
        decompress("gzip", member + b"rubbish", 100)


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("", ([], "")),
        ("utf-8", ([], "utf-8")),
        ("identity", ([], "")),
        ("7bit", ([], "")),
        ("gzip", (["gzip"], "")),
        ("gzip:utf-8", (["gzip"], "utf-8")),
        ("zip:gzip:utf-8", (["zip", "gzip"], "utf-8")),
        ("gzip , utf-8", (["gzip"], "utf-8")),
        ("identity, utf-8", ([], "utf-8")),
        ("gzip, identity", (["gzip"], "")),
        ("iso_8859-1:1987", ([], "iso_8859-1:1987")),
        ("gzip:iso_8859-1:1987", (["gzip"], "iso_8859-1:1987")),
    ],
)
def test_content_encodings(encoding: str, expected: tuple[list[str], str]) -> None:
    """Compressions and a charset stand side by side."""
    assert expected == of_encoding(encoding)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("application/x-gzip", ["x-gzip"]), ("Application/X-BZ2", ["x-bz2"]), ("text/plain", []), (1, [])],
)
def test_headers(value: object, expected: list[str]) -> None:
    """Kombu names a media type."""
    assert expected == of_header(value)
