"""The values that travel."""

from __future__ import annotations

import pytest

from pushd.jsontext import Form
from pushd.message import Message, Position


@pytest.mark.parametrize("text", ["e1:0", "0:1", "a" * 64 + ":7", "Zz9:9999999999999999999"])
def test_a_position_is_read_as_it_was_written(text: str) -> None:
    """What clients carry around comes back as the same place."""
    assert text == str(Position.parse(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "e1",
        "e1:",
        ":5",
        "e1:five",
        "e1:-5",
        "e1:+5",
        "e1: 5",
        "e1:5 ",
        "e1:\u0663",
        "\u00e9:5",
        "e-1:5",
        "a:b:5",
        "a" * 65 + ":5",
        "e1:" + "1" * 20,
    ],
)
def test_what_is_no_position_is_refused_without_being_quoted(text: str) -> None:
    """The error may be shown to whoever sent it: it says what is expected and repeats nothing."""
    with pytest.raises(ValueError, match=r"^a position is written epoch:offset, letters and digits, then a"):
        Position.parse(text)


def test_messages_are_told_apart_by_identity() -> None:
    """Two messages with the same fields are two messages."""
    first, second = Message(1, "a", b"x"), Message(1, "a", b"x")
    assert first != second
    assert 2 == len({first, second})


def test_a_body_is_checked_once() -> None:
    """Neither another encoding nor another channel has it checked again."""
    first = Message(1, "a", b"{}")
    second = Message(1, "b", b"{", twin=first)
    assert Form.JSON is second.form
    # A second check would see this.
    object.__setattr__(first, "body", b"{")
    assert (Form.JSON, Form.JSON) == (first.form, second.form)
    assert Form.TEXT is Message(1, "c", b"{").form
