from __future__ import annotations

from collections.abc import Generator
from typing import Any

from twisted.internet.defer import Deferred

from pushd.control.replies import Reply
from pushd.control.search import PART, Search, in_turns, least
from tests.support.turning import TurningClock


def ended(search: Generator[None, None, Any]) -> tuple[int, Any]:
    """Go through a search: the number of its pauses, and what it gives."""
    pauses = 0
    while True:
        try:
            next(search)
        except StopIteration as end:
            return pauses, end.value
        pauses += 1


def test_the_least_of_all_parts_are_found() -> None:
    """In order, wherever they stand, and only those that are wanted."""
    numbers = list(range(3 * PART, 0, -1))
    assert (3, [2, 4, 6]) == ended(least(numbers, 3, int, lambda number: number % 2 == 0))
    assert (3, []) == ended(least(numbers, 3, int, lambda number: number < 0))
    assert (0, []) == ended(least([], 3, int, bool))


def test_a_part_is_all_that_is_looked_at_between_pauses() -> None:
    """However many items there are, and wherever the one is that is looked for."""
    looked: list[int] = []

    def wanted(number: int) -> bool:
        looked.append(number)
        return number == 7

    search = least(range(2 * PART + 5), 1, int, wanted)
    between = []
    for _ in search:
        between.append(len(looked))
        looked.clear()
    assert [PART, PART, 5] == between


def test_items_may_come_and_go_during_a_pause() -> None:
    """The search goes on with those that it began with."""
    items = dict.fromkeys(range(PART + 1))
    search = least(items, 2, lambda number: -number, lambda _: True)
    next(search)
    items.clear()
    assert (1, [PART, PART - 1]) == ended(search)


def test_each_part_has_a_turn() -> None:
    """Other work has its turn in between; the reply comes after the last part."""
    clock = TurningClock()
    steps: list[int] = []

    def search() -> Search:
        for step in range(2):
            steps.append(step)
            yield
        return Reply(250, ("done",))

    replies: list[Reply] = []
    Deferred.fromCoroutine(in_turns(search(), clock)).addCallback(replies.append)
    assert [] == steps
    clock.turn()
    assert ([0], []) == (steps, replies)
    clock.turn()
    assert ([0, 1], []) == (steps, replies)
    clock.turn()
    assert [Reply(250, ("done",))] == replies
