from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from pushd.stats import Stats
from pushd.tip import TipWaiters
from pushd.turns import Turns
from tests.support.turning import TurningClock


class Rig:
    """Waiters and what they answered."""

    def __init__(self) -> None:
        self.clock = TurningClock()
        self.waiters = TipWaiters(self.clock, Turns(self.clock, Stats()))
        self.answered: list[str] = []

    def wait(self, name: str, offset: int) -> Deferred[None]:
        """Wait under a name."""
        return self.waiters.wait(offset).addCallback(lambda _: self.answered.append(name))


@pytest.fixture
def rig() -> Rig:
    """Nothing waits."""
    return Rig()


def test_the_tip_ends_waits_up_to_it(rig: Rig) -> None:
    """In a later turn; two may wait for one offset."""
    for name, offset in (("a", 3), ("b", 3), ("c", 4)):
        rig.wait(name, offset)
    rig.waiters.reached(2)
    rig.waiters.reached(3)
    assert [] == rig.answered
    rig.clock.turn()
    assert (["a", "b"], 1) == (rig.answered, len(rig.waiters))


def test_answers_go_in_slices(rig: Rig) -> None:
    """A callback that takes long leaves the next one to the next turn."""

    def slow(_: None) -> None:
        rig.clock.rightNow += 0.02

    for _ in range(3):
        rig.waiters.wait(1).addCallback(slow)
    rig.waiters.reached(1)
    left = []
    for _ in range(3):
        rig.clock.turn()
        left.append(len(rig.waiters))
    assert [2, 1, 0] == left


def test_a_reset_ends_all_waits(rig: Rig) -> None:
    """Their offsets no longer exist."""
    rig.wait("a", 3)
    rig.waiters.release()
    rig.clock.turn()
    assert ["a"] == rig.answered


def test_a_wait_is_bounded(rig: Rig) -> None:
    """A tip that does not move keeps no publisher for ever, nor does it answer twice."""
    rig.wait("a", 3)
    rig.clock.advance(5)
    assert ["a"] == rig.answered
    rig.waiters.reached(3)
    assert [] == rig.clock.getDelayedCalls()


def test_a_wait_that_ends_before_its_turn(rig: Rig) -> None:
    """The time may run out between the tip and the callback's turn."""
    rig.wait("a", 3)
    rig.waiters.reached(3)
    rig.clock.rightNow += 5
    rig.clock.turn()
    assert ["a"] == rig.answered
