from __future__ import annotations

import pytest

from pushd.control.http import is_header, is_request, is_tls


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"GET / HTTP/1.1", True),
        (b"broadcast /text HTTP/1.1", True),
        (b"x\tHTTP/3", True),
        (b"HTTP/1.1", True),
        (b"a b c http/1.0 \t\r", True),
        (b"a\xff HTTP/1.1", True),
        (b"broadcast HTTP/1.1 is old", False),
        (b"broadcast xHTTP/1.1", False),
        (b"broadcast HTTP/", False),
        (b"", False),
    ],
)
def test_request_lines(line: bytes, expected: bool) -> None:
    """The end tells: a page cannot choose it."""
    assert expected == is_request(line)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"Host: x", True),
        (b"host:", True),
        (b"X-A_b.c~1:\xff", True),
        (b"HTTP/1.1 200 OK", True),
        (b"broadcast a: b", False),
        (b": x", False),
        ("Höst: x".encode(), False),
        (b"", False),
    ],
)
def test_field_lines(line: bytes, expected: bool) -> None:
    """A token and a colon; a status line begins a message, too."""
    assert expected == is_header(line)


def test_tls() -> None:
    """The record of a handshake comes first."""
    assert [True, False, False] == [is_tls(b"\x16\x03"), is_tls(b""), is_tls(b"help")]
