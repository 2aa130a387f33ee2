"""Jobs share short turns."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pushd.stats import Stats
from pushd.turns import Group, Turns
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


def test_a_group_has_one_part() -> None:
    """Other jobs have theirs, however many jobs the group has; these take turns."""
    clock, seen = TurningClock(), list[str]()
    turns = Turns(clock, Stats())
    group = Group(turns)
    for name in "abc":
        group.add(steps(seen, name, 2, clock))
    turns.add(steps(seen, "z", 3, clock))
    clock.turn()
    assert ["a0", "z0", "b0", "z1", "c0", "z2", "a1", "b1", "c1"] == seen


def test_a_group_goes_on_after_a_pause() -> None:
    """A job that is added once the group is empty runs in a later turn, as one added meanwhile does."""
    clock, seen = TurningClock(), list[str]()
    group = Group(Turns(clock, Stats()))
    group.add(steps(seen, "a", 1, clock))
    clock.turn()
    group.add(steps(seen, "b", 1, clock))
    assert ["a0"] == seen
    clock.turn()
    assert (["a0", "b0"], []) == (seen, clock.getDelayedCalls())


def test_a_failing_job_leaves_its_group_alone() -> None:
    """It is logged and over."""
    clock, seen = TurningClock(), list[str]()
    group = Group(Turns(clock, Stats()))
    group.add(failing())
    group.add(steps(seen, "a", 3, clock))
    with logged("pushd.turns") as log:
        clock.turn()
    assert ["a0", "a1", "a2"] == seen
    assert ["a job failed"] == log.warnings


def test_a_job_may_add_another_to_its_group() -> None:
    """It is run, even when the job that adds it was the last one."""
    clock, seen = TurningClock(), list[str]()
    group = Group(Turns(clock, Stats()))

    def job() -> Iterator[None]:
        group.add(steps(seen, "a", 1, clock))
        yield from ()

    group.add(job())
    clock.turn()
    assert ["a0"] == seen
