"""pushd.broker.amqp.canary."""

from __future__ import annotations

from random import Random

import pytest

from pushd.broker.amqp.canary import Canary


@pytest.fixture
def canary() -> Canary:
    """A fresh one."""
    return Canary(Random(1))


def test_names_differ(canary: Canary) -> None:
    """No two canaries have the same name, neither of one instance nor of two."""
    other = Canary(Random(2))
    assert len({canary.send(0), canary.send(0), canary.name(), other.send(0)}) == 4


def test_period(canary: Canary) -> None:
    """The next one is due 10 to 20 seconds later, at another time for each."""
    dues = set()
    for _ in range(20):
        canary.back(canary.send(0))
        dues.add(next(second for second in range(100) if canary.due(second)))
    assert min(dues) >= 10
    assert max(dues) <= 20
    assert len(dues) > 3


def test_deaf(canary: Canary) -> None:
    """A confirmed canary that stays away, and nothing else heard, means deaf."""
    name = canary.send(100)
    canary.confirmed(name, 101)
    assert not canary.deaf(121)
    assert canary.deaf(121.1)
    assert not canary.due(1000)


def test_not_confirmed(canary: Canary) -> None:
    """A canary that never left proves nothing; another is sent when it is time."""
    canary.send(100)
    assert not canary.deaf(1000)
    assert canary.due(1000)


def test_busy_with_something_else(canary: Canary) -> None:
    """While anything is heard, a canary may take its time: there may be much before it."""
    canary.confirmed(canary.send(100), 101)
    canary.heard_at = 500
    assert not canary.deaf(520)
    assert canary.deaf(520.1)


def test_back(canary: Canary) -> None:
    """One that is back is no longer waited for, whether or not the confirm comes later."""
    name = canary.send(100)
    canary.back(name)
    canary.confirmed(name, 101)
    assert not canary.deaf(1000)
    name = canary.send(100)
    canary.confirmed(name, 101)
    canary.back("another")
    assert canary.deaf(1000)
    canary.back(name)
    assert not canary.deaf(1000)
