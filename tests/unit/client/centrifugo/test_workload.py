from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pushd.client.centrifugo.workload import SLICE, Workload, of_bytes
from pushd.stats import Stats
from pushd.turns import Turns
from tests.support.slices import Slices
from tests.support.turning import TurningClock

AT_ONCE = 2000


def workload() -> tuple[Any, Workload]:
    """Return a workload and its clock."""
    clock: Any = TurningClock()
    return clock, Workload(clock, Turns(clock, Stats()))


def test_a_client_gets_a_slice_of_the_turn() -> None:
    """As long as the turn has room for it."""
    _, work = workload()
    assert SLICE == work.at_once()
    work.charge(AT_ONCE - 100)
    assert 100 == work.at_once()
    work.charge(1000)
    assert 0 == work.at_once()


def test_the_next_turn_has_room_again() -> None:
    """An excess of one turn does not count against the next; a turn without work costs no timer."""
    clock, work = workload()
    work.at_once()
    work.charge(5 * AT_ONCE)
    clock.turn()
    assert [] == clock.getDelayedCalls()
    assert SLICE == work.at_once()


def test_a_turn_that_does_little_sets_one_timer() -> None:
    """However many clients ask."""
    clock, work = workload()
    for _ in range(10):
        work.at_once()
    assert 1 == len(clock.getDelayedCalls())


def test_work_in_later_turns_leaves_the_turn_its_room() -> None:
    """A client with one command is answered at once while others have much to do."""
    clock, work = workload()

    def job() -> Iterator[None]:
        while True:
            work.charge(SLICE)
            clock.rightNow += 0.001
            yield

    work.add(job())
    clock.turn()
    assert work.done >= SLICE
    assert SLICE == work.at_once()


def test_jobs_are_one_among_the_others() -> None:
    """Each step of the turns does one slice of one client, however many clients have work."""
    turns = Slices()
    work = Workload(TurningClock(), turns)  # type: ignore[arg-type]
    done = []

    def job(name: int) -> Iterator[None]:
        for _ in range(2):
            done.append(name)
            yield

    for name in range(3):
        work.add(job(name))
    assert 1 == len(turns.jobs)
    turns.step()
    assert [0] == done
    while turns.step():
        pass
    assert [0, 1, 2, 0, 1, 2] == done


def test_bytes() -> None:
    """Short commands count for nothing but themselves."""
    assert (0, 1, 2000) == (of_bytes(499), of_bytes(500), of_bytes(1_000_000))
