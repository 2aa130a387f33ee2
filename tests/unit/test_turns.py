"""Jobs share short turns."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pushd.stats import Stats
from pushd.turns import Turns
from tests.support.log import logged
from tests.support.turning import TurningClock


def steps(seen: list[str], name: str, count: int, clock: TurningClock, each: float = 0.0) -> Iterator[None]:
    """Do ``count`` steps that take ``each`` seconds."""
    for number in range(count):
        seen.append(f"{name}{number}")
        clock.rightNow += each
        yield


def failing() -> Iterator[None]:
    """Fail at the second step."""
    yield
    raise RuntimeError("a job's own fault")


def test_next_turn() -> None:
    """A job does nothing before the next turn, and then all of it if it is short."""
    clock, seen = TurningClock(), list[str]()
    Turns(clock, Stats()).add(steps(seen, "a", 3, clock))
    assert [] == seen
    clock.turn()
    assert ["a0", "a1", "a2"] == seen
    assert [] == clock.getDelayedCalls()


def test_in_turn() -> None:
    """Two jobs make their steps alternately, within one scheduled turn."""
    clock, seen = TurningClock(), list[str]()
    turns = Turns(clock, Stats())
    turns.add(steps(seen, "a", 2, clock))
    turns.add(steps(seen, "b", 3, clock))
    assert 1 == len(clock.getDelayedCalls())
    clock.turn()
    assert ["a0", "b0", "a1", "b1", "b2"] == seen


def test_long_job_yields() -> None:
    """A turn ends once it has taken five milliseconds, and the rest goes on in the next one."""
    clock, stats, seen = TurningClock(), Stats(), list[str]()
    Turns(clock, stats).add(steps(seen, "a", 7, clock, each=0.002))
    clock.turn()
    assert ["a0", "a1", "a2"] == seen
    clock.turn()
    assert 6 == len(seen)
    clock.turn()
    assert 7 == len(seen)
    assert [] == clock.getDelayedCalls()
    assert 0.006 == round(stats.longest_turn, 6)


@pytest.mark.parametrize(("others", "steps_done"), [(0.001, 3), (0.007, 4), (0.5, 5)])
def test_busy_reactor(others: float, steps_done: int) -> None:
    """A turn takes as long as all else before it, within bounds, so that jobs have half of the time."""
    clock, seen = TurningClock(), list[str]()
    Turns(clock, Stats()).add(steps(seen, "a", 99, clock, each=0.002))
    clock.rightNow += others
    clock.turn()
    assert steps_done == len(seen)


def test_failing_job() -> None:
    """A job that fails is over and logged; the others go on."""
    clock, seen = TurningClock(), list[str]()
    turns = Turns(clock, Stats())
    turns.add(failing())
    turns.add(steps(seen, "a", 3, clock))
    with logged("pushd.turns") as log:
        clock.turn()
    assert ["a0", "a1", "a2"] == seen
    assert ["a job failed"] == log.warnings
    assert 1 == len(log.tracebacks)
