"""From bytes to lines, with telnet's commands taken out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushd.control.lines import LineReader, LineTooLongError


def lines(reader: LineReader) -> list[bytes]:
    """Give every whole line."""
    return list(iter(reader.next, None))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"a", []),
        (b"a\n", [b"a"]),
        (b"a\r\nb\n\n c \n", [b"a", b"b", b"", b" c "]),
        (b"a\r\0b\r\0", [b"a", b"b"]),
        (b"a\rb\0c\n", [b"a\rb\0c"]),
    ],
)
def test_line_ends(data: bytes, expected: list[bytes]) -> None:
    """LF, CR LF and CR NUL end a line; CR or NUL alone belong to it."""
    reader = LineReader(100)
    assert b"" == reader.feed(data)
    assert expected == lines(reader)


@pytest.mark.parametrize(
    ("data", "expected", "answer"),
    [
        (b"\xff\xfb\x18a\n", b"a", b"\xff\xfe\x18"),
        (b"a\xff\xfd\x06b\n", b"ab", b"\xff\xfc\x06"),
        (b"\xff\xfd\n\xff\xfb\xffa\n", b"a", b"\xff\xfc\n\xff\xfe\xff"),
        (b"\xff\xfc\x01\xff\xfe\x01a\n", b"a", b""),
        (b"\xff\xf4\xff\xf1a\n", b"a", b""),
        (b"\xff\xfa\x18\x00xterm\n\xff\xff\xff\xf0a\n", b"a", b""),
        (b"\xff\xff\n", b"\xff", b""),
        (b"\xffa\n", b"\xffa", b""),
    ],
)
def test_telnet_commands(data: bytes, expected: bytes, answer: bytes) -> None:
    """Telnet's commands vanish from the text, and every offered or wanted option is refused."""
    reader = LineReader(100)
    assert reader.feed(data) == answer
    assert [expected] == lines(reader)


@given(
    st.lists(
        st.sampled_from([b"a", b"\r", b"\n", b"\0", b"\xff", b"\xfa", b"\xf0", b"\xfd", b"\xfb", b"\x06"])
    )
)
def test_segments_do_not_matter(pieces: list[bytes]) -> None:
    """However the bytes are cut into segments, the same lines and refusals come out."""
    whole, cut = LineReader(1000), LineReader(1000)
    refused = whole.feed(b"".join(pieces))
    assert refused == b"".join(map(cut.feed, pieces))
    assert lines(whole) == lines(cut)


def test_lines_may_be_taken_between_segments() -> None:
    """What was taken does not come again."""
    reader = LineReader(100)
    reader.feed(b"a\nb")
    assert [b"a"] == lines(reader)
    reader.feed(b"c\n")
    assert [b"bc"] == lines(reader)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_line_too_long(end: bytes) -> None:
    """A line beyond the bound is an error, whether it ends or not; one at the bound is none."""
    reader = LineReader(4)
    reader.feed(b"abcd\r\n")
    assert b"abcd" == reader.next()
    reader.feed(b"abcdef" + end)
    with pytest.raises(LineTooLongError):
        reader.next()


def test_a_telnet_command_without_end() -> None:
    """A subnegotiation is bounded like a line."""
    reader = LineReader(4)
    reader.feed(b"\xff\xfa12")
    with pytest.raises(LineTooLongError):
        reader.feed(b"3")
