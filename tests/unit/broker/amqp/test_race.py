"""pushd.broker.amqp.race."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from pushd.broker.amqp.race import race


class Rig:
    """Attempts that a test decides."""

    def __init__(self) -> None:
        self.clock: Any = Clock()
        self.attempts: dict[str, Deferred[str]] = {}
        self.cancelled: list[str] = []
        self.results: list[Any] = []

    def begin(self, items: str) -> Deferred[Any]:
        """Begin a race."""
        racing = race(self.clock, 1.0, items, self.attempt)
        racing.addBoth(self.results.append)
        return racing

    async def attempt(self, item: str) -> str:
        """Wait for what a test decides."""
        self.attempts[item] = Deferred(lambda _: self.cancelled.append(item))
        return await self.attempts[item]


@pytest.fixture
def rig() -> Any:
    """One after which nothing is left to be done."""
    rig = Rig()
    yield rig
    assert [] == rig.clock.getDelayedCalls()


def test_the_first_works(rig: Rig) -> None:
    """No other is tried."""
    rig.begin("ab")
    rig.attempts["a"].callback("x")
    assert ([("a", "x")], ["a"]) == (rig.results, list(rig.attempts))


def test_each_begins_beside_those_before_it(rig: Rig) -> None:
    """The first that works wins, and the others are cancelled."""
    rig.begin("abc")
    rig.clock.advance(0.99)
    assert ["a"] == list(rig.attempts)
    rig.clock.advance(0.01)
    assert ["a", "b"] == list(rig.attempts)
    rig.attempts["a"].callback("x")
    assert ([("a", "x")], ["b"]) == (rig.results, rig.cancelled)


def test_a_failure_has_the_next_begin_at_once(rig: Rig) -> None:
    """Unless another is under way already."""
    rig.begin("abcd")
    rig.attempts["a"].errback(ValueError("a"))
    assert ["a", "b"] == list(rig.attempts)
    rig.clock.advance(1)
    rig.attempts["b"].errback(ValueError("b"))
    assert ["a", "b", "c"] == list(rig.attempts)
    rig.clock.advance(1)
    assert ["a", "b", "c", "d"] == list(rig.attempts)
    rig.attempts["d"].callback("x")
    assert ([("d", "x")], ["c"]) == (rig.results, rig.cancelled)


def test_none_works(rig: Rig) -> None:
    """It fails with the last failure."""
    rig.begin("ab")
    rig.attempts["a"].errback(ValueError("a"))
    rig.attempts["b"].errback(ValueError("b"))
    [failure] = rig.results
    assert "b" == str(failure.value)


def test_cancelled(rig: Rig) -> None:
    """All attempts are cancelled, and none begins."""
    racing = rig.begin("abc")
    rig.clock.advance(1)
    racing.cancel()
    assert ["a", "b"] == rig.cancelled
    [failure] = rig.results
    assert failure.check(CancelledError)


def test_all_at_once(rig: Rig) -> None:
    """Attempts that are over when they begin are no special case."""

    async def attempt(item: str) -> str:
        if item != "c":
            raise ValueError(item)
        return item

    race(rig.clock, 1.0, "abc", attempt).addBoth(rig.results.append)
    assert [("c", "c")] == rig.results
