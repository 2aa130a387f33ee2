from __future__ import annotations

from random import Random
from typing import Any

import pytest
from twisted.internet.task import Clock

from pushd.broker.amqp import arrivals as module
from pushd.broker.amqp.arrivals import Arrivals


class Rig:
    """Arrivals of an attached consumer, and what publishers were answered."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.arrivals = Arrivals(self.clock, Random(1))
        self.arrivals.attached()

    def expect(self, correlation_id: str) -> list[int]:
        """Expect a delivery; the list gets its offset."""
        answered: list[int] = []
        self.arrivals.expect(correlation_id).addCallback(answered.append)
        return answered


@pytest.fixture
def rig() -> Rig:
    """Nothing is expected."""
    return Rig()


def test_prefixes_differ() -> None:
    """Between the channels of one instance, and between instances."""
    one, other = Arrivals(Clock(), Random(1)), Arrivals(Clock(), Random(2))
    assert 4 == len({each.new_prefix() for each in (one, one, other, other)})


def test_a_delivery_answers_its_publisher(rig: Rig) -> None:
    """By its correlation id. Nothing is compared before and afterwards."""
    assert not rig.arrivals.watching
    first, second = rig.expect("a"), rig.expect("b")
    assert rig.arrivals.watching
    rig.arrivals.came("b", 7)
    assert ([], [7], True) == (first, second, rig.arrivals.watching)
    rig.arrivals.came("a", 8)
    assert ([8], False) == (first, rig.arrivals.watching)


@pytest.mark.parametrize("foreign", [None, 7, b"a", "c", ["a"], {}])
def test_deliveries_of_others(rig: Rig, foreign: Any) -> None:
    """Another publisher's correlation id may be of any type."""
    answered = rig.expect("a")
    rig.arrivals.came(foreign, 7)
    assert ([], True) == (answered, rig.arrivals.watching)


def test_a_delivery_that_was_dropped(rig: Rig) -> None:
    """It has no offset that a history could include; its publisher is answered at once."""
    answered = rig.expect("a")
    rig.arrivals.came("a", 0)
    assert [0] == answered
    assert [] == rig.expect("b")


def test_an_unconfirmed_publication_waits_no_more(rig: Rig) -> None:
    """It fails, whether it comes or not."""
    answered = rig.expect("a")
    rig.arrivals.forget("a")
    assert [0] == answered
    assert [] == rig.expect("b")


def test_a_consumer_that_is_held_up_costs_one_wait(rig: Rig) -> None:
    """After a wait in vain no publication waits, until something is delivered again."""
    assert [] == rig.expect("a")
    rig.clock.advance(4)
    waiting = rig.expect("b")
    rig.clock.advance(1)
    assert [0] == rig.expect("c")
    rig.clock.advance(4)
    assert [0] == waiting
    assert rig.arrivals.watching
    rig.arrivals.came("whatever", 7)
    assert ([], True) == (rig.expect("d"), rig.arrivals.watching)


def test_no_delivery_is_expected_while_detached(rig: Rig) -> None:
    """A waiting publisher is answered when the consumer is lost, the next one at its confirm."""
    answered = rig.expect("a")
    rig.arrivals.detached()
    assert ([0], [0], False) == (answered, rig.expect("b"), rig.arrivals.watching)
    assert [] == rig.clock.getDelayedCalls()
    rig.arrivals.attached()
    assert [] == rig.expect("c")


def test_waits_are_bounded_in_number(rig: Rig) -> None:
    """Beyond the bound a confirm is enough."""
    for number in range(module._MOST):
        assert [] == rig.expect(str(number))
    assert [0] == rig.expect("one more")
