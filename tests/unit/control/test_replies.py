"""The form of replies."""

from __future__ import annotations

from pushd.control.replies import HANG_UP, Reply


def test_one_line() -> None:
    """The code, a space, the text."""
    assert b"250 done\r\n" == Reply(250, ("done",)).encode()


def test_several_lines() -> None:
    """Every line but the last has a hyphen after its code."""
    assert b"250-a\r\n250-b\r\n250 c\r\n" == Reply(250, ("a", "b", "c")).encode()


def test_text_of_any_script() -> None:
    """Replies are UTF-8; what no encoding can write is escaped."""
    assert Reply(250, ("频\ud800",)).encode() == "250 频\\ud800\r\n".encode()


def test_nothing_to_say() -> None:
    """A hang-up has no words."""
    assert b"" == HANG_UP.encode()
