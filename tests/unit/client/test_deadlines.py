from __future__ import annotations

from typing import Any, cast

from twisted.internet.task import Clock

from pushd.client.deadlines import Deadlines


class Task:
    """Counts how often it was too late."""

    def __init__(self) -> None:
        self.calls = 0

    def overdue(self) -> None:
        """Count."""
        self.calls += 1


def test_who_is_late_is_told_once() -> None:
    """In the order in which they came, each at its own end and not before."""
    clock = Clock()
    deadlines = Deadlines(cast("Any", clock), 5.0)
    first, second = Task(), Task()
    deadlines.add(first)
    clock.advance(3)
    deadlines.add(second)
    deadlines.expire()
    assert (0, 0) == (first.calls, second.calls)
    clock.advance(2)
    deadlines.expire()
    deadlines.expire()
    assert (1, 0, 1) == (first.calls, second.calls, len(deadlines))
    clock.advance(3)
    deadlines.expire()
    assert (1, 1, 0) == (first.calls, second.calls, len(deadlines))


def test_who_came_in_time_is_not_told() -> None:
    """Discarding is allowed at any time."""
    clock = Clock()
    deadlines = Deadlines(cast("Any", clock), 5.0)
    task = Task()
    deadlines.discard(task)
    deadlines.add(task)
    deadlines.discard(task)
    clock.advance(9)
    deadlines.expire()
    assert 0 == task.calls


def test_a_deadline_can_start_anew() -> None:
    """Then only the later end counts."""
    clock = Clock()
    deadlines = Deadlines(cast("Any", clock), 5.0)
    early, again = Task(), Task()
    deadlines.add(again)
    deadlines.add(early)
    clock.advance(4)
    deadlines.add(again)
    clock.advance(1)
    deadlines.expire()
    assert (1, 0) == (early.calls, again.calls)
