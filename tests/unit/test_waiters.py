from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from pushd.waiters import Waiters


@pytest.fixture
def clock() -> Clock:
    """The time."""
    return Clock()


@pytest.fixture
def waiters(clock: Clock) -> Waiters[str]:
    """Waiters whose longest wait is 5 seconds."""
    return Waiters(clock, 5.0)


def test_a_key_fires_once(waiters: Waiters[str]) -> None:
    """Its Deferred gets the number. A key that no Deferred waits for is passed over."""
    got: list[int] = []
    waiters.wait("a").addCallback(got.append)
    assert [True, False, False] == [waiters.fire("a", 7), waiters.fire("a", 8), waiters.fire("b", 9)]
    assert ([7], 0) == (got, len(waiters))


def test_each_wait_is_bounded(waiters: Waiters[str], clock: Clock) -> None:
    """Each Deferred fires with 0 at its own time; one timer serves all, and ends with the last."""
    got: list[tuple[str, int]] = []
    waiters.wait("a").addCallback(lambda number: got.append(("a", number)))
    clock.advance(3)
    waiters.wait("b").addCallback(lambda number: got.append(("b", number)))
    assert 1 == len(clock.getDelayedCalls())
    clock.advance(2)
    assert [("a", 0)] == got
    clock.advance(3)
    assert ([("a", 0), ("b", 0)], []) == (got, clock.getDelayedCalls())


def test_a_timer_with_nothing_left_ends(waiters: Waiters[str], clock: Clock) -> None:
    """It is not stopped when a key fires, because the next publication would start it again."""
    waiters.wait("a")
    waiters.fire("a", 1)
    clock.advance(5)
    assert [] == clock.getDelayedCalls()


def test_a_callback_may_wait_again(waiters: Waiters[str], clock: Clock) -> None:
    """The timer that it starts is the only one."""
    waiters.wait("a").addCallback(lambda _: waiters.wait("b"))
    clock.advance(5)
    assert (["b"], 1) == (list(waiters), len(clock.getDelayedCalls()))
    clock.advance(5)
    assert ([], []) == (list(waiters), clock.getDelayedCalls())


def test_all_are_released(waiters: Waiters[str], clock: Clock) -> None:
    """Nothing waits afterwards, and no timer is left."""
    got: list[int] = []
    for key in "ab":
        waiters.wait(key).addCallback(got.append)
    waiters.release()
    assert ([0, 0], 0, []) == (got, len(waiters), clock.getDelayedCalls())
    waiters.release()
