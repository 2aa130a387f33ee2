"""The budget of what clients send."""

from __future__ import annotations

from typing import Any

import pytest

from pushd.client.input import InputQueue, Unread
from tests.support.slices import Slices


class Flood:
    """A connection with a number of steps to do, which notes when it was served.

    Args:
        served: Where it notes its name.
    """

    def __init__(self, name: str, steps: int, inputs: InputQueue, served: list[str]) -> None:
        self.name = name
        self.steps = steps
        self.inputs = inputs
        self.served = served
        self.most = 0

    def serve(self) -> bool:
        """Do what the budget allows."""
        self.served.append(self.name)
        done = min(self.steps, self.inputs.left)
        self.inputs.left -= done
        self.steps -= done
        self.most = max(self.most, done)
        return self.steps > 0


class Hall:
    """A queue and the connections in it."""

    def __init__(self) -> None:
        self.slices = Slices()
        turns: Any = self.slices
        self.inputs = InputQueue(turns)
        self.served: list[str] = []

    def flood(self, name: str, steps: int) -> Flood:
        """Let a connection come whose input is too much."""
        flood = Flood(name, steps, self.inputs, self.served)
        self.inputs.add(flood)
        return flood


def test_each_is_served_for_a_while_and_then_the_next() -> None:
    """A connection with more input waits longer, and does not delay the others."""
    hall = Hall()
    floods = [hall.flood("a", 100), hall.flood("b", 10), hall.flood("c", 40)]
    while hall.slices.step():
        pass
    assert ["a", "b", "c", "a", "c", "a", "a"] == hall.served
    assert [32, 10, 32] == [flood.most for flood in floods]


def test_a_step_serves_one_connection() -> None:
    """A turn ends between two of them, however many wait."""
    hall = Hall()
    for name in "abc":
        hall.flood(name, 1000)
    hall.slices.step()
    assert ["a"] == hall.served
    hall.slices.step()
    assert ["a", "b"] == hall.served


def test_who_leaves_or_waits_already() -> None:
    """A connection has one place in the queue, and gives it up when it goes."""
    hall = Hall()
    one, other = hall.flood("a", 1), hall.flood("b", 1)
    hall.inputs.add(one)
    hall.inputs.discard(other)
    hall.inputs.discard(other)
    while hall.slices.step():
        pass
    assert ["a"] == hall.served


def test_the_queue_begins_again() -> None:
    """There is one job at a time, and a new one when there is something to do again."""
    hall = Hall()
    for _ in range(2):
        hall.flood("a", 1)
        hall.flood("b", 1)
        assert 1 == len(hall.slices.jobs)
        while hall.slices.step():
            pass
        assert not hall.slices.jobs
    assert ["a", "b", "a", "b"] == hall.served


def test_a_connection_that_fails() -> None:
    """The queue drops the connection that failed and serves the others."""
    hall = Hall()
    bad: Any = hall.flood("a", 1)
    bad.serve = lambda: 1 / 0
    hall.flood("b", 1)
    with pytest.raises(ZeroDivisionError):
        hall.slices.step()
    while hall.slices.step():
        pass
    assert ["b"] == hall.served
    hall.flood("c", 1)
    hall.slices.step()
    assert ["b", "c"] == hall.served


def test_what_all_may_do_at_once_is_bounded() -> None:
    """All reads share the budget. Each read has two frames of its own, and the queue renews the budget."""
    hall = Hall()
    granted = []
    for _ in range(50):
        hall.inputs.begin()
        done = min(hall.inputs.left, 30)
        hall.inputs.left -= done
        granted.append(done)
    assert [30] * 6 + [20] + [4] * 43 == granted
    hall.flood("a", 1)
    hall.slices.step()
    hall.inputs.begin()
    assert 200 == hall.inputs.left


def test_a_whole_message_counts_by_its_size() -> None:
    """A message of 64 KB is as much work as eight small frames."""
    hall = Hall()
    hall.inputs.charge(65536)
    hall.inputs.charge(4095)
    assert 184 == hall.inputs.left


def test_unread_bytes() -> None:
    """Bytes leave in order, also when others are added."""
    unread = Unread(b"hello")
    assert b"he" == unread.take(2)
    unread.add(b" world")
    assert [b"llo ", b"world", b""] == [unread.take(size) for size in (4, 9, 9)]
