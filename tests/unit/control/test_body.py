"""Texts of several lines."""

from __future__ import annotations

import pytest

from pushd.control.body import Body, publish
from pushd.control.replies import Publish, Reply
from pushd.message import Publication


def outcome(body: Body, *lines: bytes) -> Publish | Reply | None:
    """Give what the dot after ``lines`` leads to."""
    assert [body.add(line) for line in lines] == [None] * len(lines)
    return body.add(b".")


def test_a_broadcast() -> None:
    """The lines are joined by line feeds, with none after the last."""
    assert Publish(Publication(b"a\n\nb"), "sent to every client of every instance") == outcome(
        Body((), 100), b"a", b"", b"b"
    )


def test_to_a_channel() -> None:
    """The reply names the channel."""
    assert Publish(Publication(b"a", ("222",)), "sent to channel 222") == outcome(Body(("222",), 100), b"a")


def test_stuffed_dots() -> None:
    """A line's first dot is taken away; a line of two is a line of one."""
    assert Publish(Publication(b".\na\na."), "sent to every client of every instance") == outcome(
        Body((), 100), b"..", b".a", b"a."
    )


def test_empty() -> None:
    """No line at all is an empty text; one blank line and nothing is the same bytes."""
    assert outcome(Body((), 100)) == outcome(Body((), 100), b"")


def test_blank_lines_count() -> None:
    """Two blank lines are one line feed."""
    assert Publish(Publication(b"\n"), "sent to every client of every instance") == outcome(
        Body((), 100), b"", b""
    )


def test_too_long() -> None:
    """A text at the limit goes, one beyond is taken to its dot and refused."""
    assert isinstance(outcome(Body((), 3), b"a", b"b"), Publish)
    assert Reply(552, ("the text is longer than 3 bytes",)) == outcome(Body((), 3), b"ab", b"c", b"d" * 100)


def test_not_utf_8() -> None:
    """A text that is not UTF-8 is refused; a character may not be cut by a line."""
    assert Reply(501, ("the text is not UTF-8",)) == outcome(Body((), 100), b"\xe9", b"\xa2")


@pytest.mark.parametrize("size", [3, 4])
def test_on_one_line(size: int) -> None:
    """The limit counts bytes and includes its bound."""
    answer = publish(b"x" * size, (), 3)
    assert isinstance(answer, Publish) == (size == 3)
