"""pushd.broker.amqp.probe, in ticks."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace

import pytest

from pushd.broker.amqp.probe import PROBE, TICKS, ConsumerProbe, Step, is_probe


class Middle(Random):
    """Gives the middle of every range."""

    def uniform(self, a: float, b: float) -> float:
        """No jitter."""
        return (a + b) / 2


@pytest.fixture
def probe() -> ConsumerProbe:
    """One of every second."""
    return ConsumerProbe(1.0, Middle())


def steps(probe: ConsumerProbe, ticks: int) -> list[Step]:
    """Give what each tick asks for."""
    return [probe.tick() for _ in range(ticks)]


NOTHING = Step.NOTHING


def test_quiet_sends_a_probe(probe: ConsumerProbe) -> None:
    """After the interval, and no second one while it is on its way."""
    assert [*[NOTHING] * 3, Step.SEND, *[NOTHING] * 99] == steps(probe, 103)


def test_a_delivery_through_the_exchange_proves_it(probe: ConsumerProbe) -> None:
    """As long as anything comes, no probe is sent."""
    for _ in range(20):
        steps(probe, 3)
        probe.proven = True
        assert probe.tick() is NOTHING
        assert not probe.proven


def test_a_probe_that_comes_back(probe: ConsumerProbe) -> None:
    """Before or after the broker confirms it; then there is quiet for an interval."""
    assert Step.SEND in steps(probe, TICKS)
    probe.proven = True
    probe.tick()
    probe.confirmed()
    assert [*[NOTHING] * 3, Step.SEND] == steps(probe, 4)
    probe.confirmed()
    probe.proven = True
    assert [*[NOTHING] * 4, Step.SEND] == steps(probe, 5)


def test_a_probe_that_does_not_come_back(probe: ConsumerProbe) -> None:
    """It is checked half a second after the confirm, and missing only then."""
    steps(probe, TICKS)
    probe.confirmed()
    assert not probe.missing()
    assert [NOTHING, Step.CHECK, NOTHING, NOTHING] == steps(probe, 4)
    assert probe.missing()
    probe.proven = True
    assert not probe.missing()


def test_a_probe_that_was_given_up(probe: ConsumerProbe) -> None:
    """A check or a confirm that comes later means nothing."""
    steps(probe, TICKS)
    probe.confirmed()
    steps(probe, 2)
    probe.rest()
    assert not probe.missing()
    probe.confirmed()
    assert [*[NOTHING] * 3, Step.SEND] == steps(probe, 4)


def test_a_refused_probe(probe: ConsumerProbe) -> None:
    """The next one is sent a minute later, and says whether probes work again."""
    assert probe.works
    steps(probe, TICKS)
    probe.refused()
    assert not probe.works
    assert [*[NOTHING] * (60 * TICKS - 1), Step.SEND] == steps(probe, 60 * TICKS)
    probe.confirmed()
    assert probe.works


def test_no_probes() -> None:
    """An interval of 0 sends none."""
    probe = ConsumerProbe(0.0, Middle())
    assert (False, {NOTHING}) == (probe.works, set(steps(probe, 1000)))


def test_instances_differ() -> None:
    """Jitter spreads them, so that one probe serves all."""
    firsts = {steps(ConsumerProbe(10.0, Random(seed)), 60).index(Step.SEND) for seed in range(20)}
    assert len(firsts) > 10
    assert min(firsts) >= 7.5 * TICKS - 2


@pytest.mark.parametrize(
    ("headers", "body", "probes"),
    [({PROBE: 1}, b"", True), ({PROBE: 1}, b"x", False), ({}, b"", False), (None, b"", False)],
)
def test_what_is_a_probe(headers: object, body: bytes, probes: bool) -> None:
    """The header without a body; a publication with a body is never taken for one."""
    assert probes == is_probe(SimpleNamespace(headers=headers), body)


def test_properties_that_cannot_be_read() -> None:
    """They make no probe."""
    assert not is_probe(None, b"")
