"""Parts of a channel's log: what they hold, how many bytes, and how few messages a question looks at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pushd.channellog import NOTHING, ChannelLog, Part
from pushd.message import Message
from tests.support.looked import Looked


def log(*entries: tuple[int, int]) -> ChannelLog:
    """Return a log with a message for each offset and size in bytes."""
    made = ChannelLog()
    for offset, size in entries:
        made.append(Message(offset, "a", b"x" * size))
    return made


def part(*sizes: int) -> Part:
    """Return everything of a log with offsets 1, 2 and so on, and bodies of ``sizes``."""
    return log(*enumerate(sizes, 1)).between(0, len(sizes))


def offsets(messages: Any) -> list[int]:
    """Return the offsets of ``messages``."""
    return [message.offset for message in messages]


@pytest.mark.parametrize(
    ("after", "until", "found"),
    [
        (0, 9, [2, 4, 4, 7]),
        (2, 7, [4, 4, 7]),
        (3, 6, [4, 4]),
        (4, 6, []),
        (7, 9, []),
        (0, 1, []),
    ],
)
def test_between(after: int, until: int, found: list[int]) -> None:
    """The first offset is excluded and the second one included."""
    held = log((2, 1), (4, 2), (4, 3), (7, 4))
    assert found == offsets(held.between(after, until))
    assert len(found) == len(held.between(after, until))


def test_size() -> None:
    """The size counts the bodies of the part alone."""
    held = log((2, 1), (4, 2), (4, 3), (7, 4))
    sizes = [held.between(*ends).size for ends in ((0, 9), (2, 9), (2, 4), (7, 9))]
    assert [10, 9, 5, 0] == sizes


def test_first_and_last() -> None:
    """The oldest come in order, the newest in reverse order; more than all is all."""
    whole = part(1, 1, 1)
    assert ([1, 2], [3, 2]) == (offsets(whole.first(2)), offsets(whole.last(2)))
    assert ([1, 2, 3], [3, 2, 1]) == (offsets(whole.first(9)), offsets(whole.last(9)))
    assert ([], []) == (offsets(whole.first(0)), offsets(whole.last(0)))


def test_a_batch_is_not_cut() -> None:
    """Parts of a batch share an offset, so the client could not ask for the rest of a batch."""
    held = log((1, 1), (2, 1), (2, 1), (2, 1), (3, 1)).between(0, 3)
    assert [1, 2, 2, 2] == offsets(held.first(2))
    assert [3, 2, 2, 2] == offsets(held.last(2))


@pytest.mark.parametrize(
    ("limit", "oldest", "newest"),
    [(0, 0, 0), (2, 0, 1), (3, 1, 1), (7, 1, 2), (8, 2, 2), (9, 2, 2), (10, 3, 3)],
)
def test_fitting(limit: int, oldest: int, newest: int) -> None:
    """Messages are counted as long as their bodies have at most so many bytes."""
    whole = part(3, 5, 2)
    assert (oldest, newest) == (whole.first_fitting(limit), whole.last_fitting(limit))


def test_fitting_counts_the_bodies_of_the_part() -> None:
    """Messages before and after the part have no influence."""
    held = log((1, 50), (2, 3), (3, 3), (4, 50)).between(1, 3)
    assert (1, 1) == (held.first_fitting(5), held.last_fitting(5))
    assert (2, 2) == (held.first_fitting(6), held.last_fitting(6))


def test_beyond() -> None:
    """The part ends with the first message that is too much, so that a caller sees that there is more."""
    whole = part(3, 5, 2)
    assert [1, 2] == offsets(whole.beyond(3))
    assert [1, 2, 3] == offsets(whole.beyond(10))


def test_nothing() -> None:
    """An empty part answers every question."""
    assert (0, 0, 0, 0) == (len(NOTHING), NOTHING.size, NOTHING.first_fitting(9), NOTHING.last_fitting(9))
    assert ([], [], []) == (NOTHING.first(1), NOTHING.last(1), list(NOTHING.beyond(9)))


def test_dropping() -> None:
    """No part has a dropped message, and sizes stay right while the log shrinks."""
    held = ChannelLog()
    for offset in range(1, 1001):
        held.append(Message(offset, "a", b"x" * offset))
    for offset in range(1, 1001):
        whole = held.between(0, 1000)
        assert (offset, sum(range(offset, 1001))) == (whole.first(1)[0].offset, whole.size)
        assert held.newest().offset == 1000
        assert held.drop_first() == (offset < 1000)


def test_dropped_bodies_are_freed() -> None:
    """The log keeps no message that it has dropped, and its memory shrinks in proportion."""
    held = log(*((offset, 1) for offset in range(1, 1001)))
    for _ in range(900):
        held.drop_first()
    assert list(range(901, 1001)) == [item.offset for item in held.items if item.offset > 0]
    assert len(held.items) < 300
    assert len(held.items) == len(held.ends)


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        (lambda found: found.first(1), 1),
        (lambda found: found.last(1), 1),
        (lambda found: found.first(50), 50),
        (lambda found: [found.size, found.first_fitting(500), found.last_fitting(500)], 0),
        (lambda found: list(found.beyond(100)), 101),
    ],
    ids=["first", "last", "some", "sizes", "beyond"],
)
def test_no_more_is_looked_at_than_is_answered(ask: Callable[[Part], Any], answer: int) -> None:
    """Of 90,000 messages, a question touches its answer and a few more."""
    items = Looked(Message(offset, "a", b"x") for offset in range(1, 90_001))
    ends = log(*((offset, 1) for offset in range(1, 90_001))).ends
    ask(Part(items, ends, 10_000, 80_000))
    assert answer <= items.looks <= 2 * answer + 4


def test_a_place_is_bisected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 90,000 offsets, a few are compared."""
    compared = 0

    def offset(message: Message) -> int:
        nonlocal compared
        compared += 1
        return message.offset

    held = log(*((offset, 1) for offset in range(1, 90_001)))
    monkeypatch.setattr("pushd.channellog._by_offset", offset)
    assert 1000 == len(held.between(40_000, 41_000))
    assert 17 <= compared <= 40
