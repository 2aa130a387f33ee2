from __future__ import annotations

import pytest

from pushd.client.centrifugo.commands import Command, NotACommandError, Ping, Pong
from pushd.client.centrifugo.inbox import Inbox


def inbox(*frames: bytes) -> Inbox:
    """Return an inbox that took these frames."""
    made = Inbox()
    for frame in frames:
        made.add(frame)
    return made


def commands(made: Inbox) -> list[Command]:
    """Take all commands."""
    found = []
    while made:
        command, _ = made.next()
        if command is not None:
            found.append(command)
    return found


def test_commands_come_in_order() -> None:
    """Lines of a frame one after the other, then those of the next frame."""
    made = inbox(b'{"id":1,"ping":{}}\n{"id":2,"ping":{}}', b'{"id":3,"ping":{}}')
    assert [(number, Ping()) for number in (1, 2, 3)] == commands(made)


def test_the_length_of_a_line_is_told() -> None:
    """It is what reading the line costs."""
    made = inbox(b"{}\n   \n{} ")
    assert [((0, Pong()), 2), (None, 3), ((0, Pong()), 3)] == [made.next() for _ in range(3)]
    assert not made


@pytest.mark.parametrize("frame", [b"{}\n", b"\n{}", b"\n\n{}\n \n", b"\t\n{}"])
def test_blank_lines_are_no_commands(frame: bytes) -> None:
    """Nor do they make a frame wrong that has a command."""
    assert [(0, Pong())] == commands(inbox(frame))


@pytest.mark.parametrize("frame", [b"", b"\n", b" ", b"\n \n\n"])
def test_a_frame_without_a_command_is_wrong(frame: bytes) -> None:
    """Each frame is judged by itself, whatever came before."""
    made = inbox(b"{}", frame)
    made.next()
    with pytest.raises(NotACommandError):
        commands(made)


def test_what_is_no_command_is_found_at_its_turn() -> None:
    """The commands before it are given."""
    made = inbox(b"{}\nnonsense")
    assert (0, Pong()) == made.next()[0]
    with pytest.raises(NotACommandError):
        made.next()


def test_the_size_counts_frames_of_which_something_is_left() -> None:
    """A frame counts whole until its last line is taken."""
    made = inbox(b"{}\n{}", b"{}")
    sizes = [made.size]
    while made:
        made.next()
        sizes.append(made.size)
    assert [7, 7, 2, 0] == sizes


def test_clearing() -> None:
    """A frame that comes later is read from its beginning, and judged by itself."""
    made = inbox(b"{}\n{}\n{}", b"{}")
    made.next()
    made.clear()
    assert (False, 0) == (bool(made), made.size)
    made.add(b"\n")
    with pytest.raises(NotACommandError):
        commands(made)
