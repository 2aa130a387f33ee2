"""pushd.broker.amqp.binding with an owner and a publisher that a test answers for."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from pushd.broker.amqp.binding import Binding
from pushd.broker.amqp.complaints import Complaints
from pushd.broker.amqp.faults import Lost
from pushd.broker.amqp.outbox import Unroutable
from pushd.broker.amqp.probe import TICKS, ConsumerProbe
from pushd.broker.amqp.session import Session
from pushd.broker.backoff import Backoff
from pushd.interfaces import PublishError
from tests.support.log import Log, logged
from tests.unit.broker.amqp.fakes import FakeLink, Probes
from tests.unit.broker.amqp.test_probe import Middle


class Rig:
    """A binding and everything around it."""

    def __init__(self, interval: float = 1.0) -> None:
        self.clock: Any = Clock()
        self.link: Any = FakeLink()
        self.session = Session(self.link)
        self.probes: Any = Probes()
        self.events: list[str] = []
        self.empty: Deferred[bool] = succeed(True)
        self.renews = True
        self.probe = ConsumerProbe(interval, Middle())
        self.binding = Binding(
            self.clock,
            self.session,
            self.probes,
            "x",
            "q",
            probe=self.probe,
            owner=self,
            backoff=Backoff(Random(1), 2, 2),
            complaints=Complaints(),
        )

    async def drained(self, session: Session) -> bool:
        """Answer as the test wants."""
        assert session is self.session
        self.events.append("drained?")
        return await self.empty

    def unbound(self, reason: str) -> None:
        """Keep it."""
        self.events.append(reason)

    async def suspend(self, _: Session) -> None:
        """Keep it, with how often it was bound before."""
        self.events.append(f"suspended after {self.bound}")

    async def renew(self, _: Session) -> None:
        """Keep it, with how often it was bound before."""
        self.events.append(f"renewed after {self.bound}")
        if self.renews:
            self.binding.settled()

    @property
    def bound(self) -> int:
        """How often it was bound, or tried to be."""
        return len(self.link.calls("queue_bind"))

    def tick(self, seconds: float) -> None:
        """Let time pass."""
        for _ in range(round(seconds * TICKS)):
            self.clock.advance(1 / TICKS)
            self.binding.tick()


@pytest.fixture
def log() -> Iterator[Log]:
    """What it says; a traceback is never right."""
    with logged("pushd.broker") as log:
        yield log
    assert [] == log.tracebacks


@pytest.fixture
def rig(log: Log) -> Iterator[Rig]:
    """One whose session ends in the end: then nothing is left to be done."""
    rig = Rig()
    yield rig
    rig.link.lose()
    assert [] == rig.clock.getDelayedCalls()


def test_a_missing_probe(rig: Rig, log: Log) -> None:
    """Found within two seconds, and restored in this order: detached, suspended, bound, renewed."""
    rig.tick(2)
    assert [
        "drained?",
        "what is published does not arrive",
        "suspended after 0",
        "renewed after 1",
    ] == rig.events
    assert [{"queue": "q", "exchange": "x"}] == rig.link.calls("queue_bind")
    assert 1 == len(rig.link.calls("exchange_declare"))
    assert "" == rig.binding.trouble
    assert 1 == len(log.warnings)
    assert "q is no longer bound to exchange x" in log.warnings[0]


def test_a_probe_that_arrives_during_the_check(rig: Rig) -> None:
    """It is not missing: it was behind other deliveries."""
    rig.empty = Deferred()
    rig.tick(2)
    rig.probe.proven = True
    rig.empty.callback(True)
    assert ["drained?"] == rig.events


def test_a_check_that_cannot_tell(rig: Rig) -> None:
    """Another probe is sent, and nothing is believed lost."""
    rig.empty = succeed(False)
    rig.tick(4)
    assert {"drained?"} == set(rig.events)
    assert 2 <= rig.probes.sent


def test_a_returned_probe(rig: Rig) -> None:
    """No queue is bound, so not this one either."""
    rig.probes.error = Unroutable("x", "")
    rig.tick(1)
    assert "no queue is bound to exchange x" == rig.events[0]


def test_a_missing_exchange(rig: Rig) -> None:
    """With it went the binding."""
    rig.probes.refuse(404)
    rig.tick(1)
    assert "exchange x does not exist" == rig.events[0]


def test_a_publisher_in_trouble(rig: Rig, log: Log) -> None:
    """Its trouble is not the consumer's: the next probe may say more."""
    rig.probes.error = PublishError("low on memory", temporary=True)
    rig.tick(5)
    assert ([], [], 5) == (rig.events, log.warnings, rig.probes.sent)


def test_refused_probes(rig: Rig, log: Log) -> None:
    """Said once; the queue is bound from time to time, so that a loss ends at least."""
    rig.probes.refuse(403)
    rig.tick(121)
    assert ([], 3) == (rig.events, rig.probes.sent)
    assert 12 == rig.bound
    assert 1 == len(log.warnings)
    assert "probes are refused" in log.warnings[0]


def test_neither_probes_nor_bindings_are_allowed(rig: Rig, log: Log) -> None:
    """What is bound is used as it is, and each refusal is said once."""
    rig.probes.refuse(403)
    rig.link.refusals["queue_bind"] = Lost("403 refused", 403)
    rig.tick(60)
    assert ([], 2) == (rig.events, len(log.warnings))


def test_no_probes(log: Log) -> None:
    """The queue is bound from time to time; an exchange that is gone is found by that."""
    rig = Rig(interval=0.0)
    rig.tick(20)
    assert (0, 2, []) == (rig.probes.sent, rig.bound, rig.events)
    rig.link.refusals["queue_bind"] = Lost("404 NOT_FOUND", 404)
    rig.tick(10)
    assert "exchange x does not exist" == rig.events[0]
    rig.link.lose()
    assert [] == rig.clock.getDelayedCalls()


def test_a_binding_that_is_refused(rig: Rig, log: Log) -> None:
    """It is tried again until it is granted; the reason is said once, and kept for the status."""
    rig.link.refusals["queue_bind"] = Lost("403 refused", 403)
    rig.binding.gone("why")
    rig.tick(20)
    assert rig.bound > 5
    assert "why; it cannot be bound again: 403 refused" == rig.binding.trouble == rig.events[-2]
    assert 2 == len(log.warnings)
    rig.link.refusals.clear()
    rig.tick(2)
    assert ("", True) == (rig.binding.trouble, rig.events[-1].startswith("renewed"))


def test_an_exchange_of_another_type(rig: Rig) -> None:
    """Nothing is suspended for it: what comes another way is served."""
    rig.link.refusals["exchange_declare"] = Lost("406 inequivalent arg 'type'", 406)
    rig.binding.gone("why")
    rig.tick(10)
    assert not [event for event in rig.events if event.startswith("suspended")]
    assert 0 == rig.bound


def test_bound_by_somebody_else(rig: Rig) -> None:
    """A delivery through the exchange proves it, though our own binding is refused."""
    rig.link.refusals["queue_bind"] = Lost("403 refused", 403)
    rig.binding.gone("why")
    rig.probe.proven = True
    rig.tick(0.25)
    assert ("", True) == (rig.binding.trouble, rig.events[-1].startswith("renewed"))


def test_found_twice(rig: Rig) -> None:
    """The second time changes nothing."""
    rig.renews = False
    rig.binding.gone("one")
    rig.binding.gone("two")
    rig.binding.suspended("three")
    assert ["one", "suspended after 0", "renewed after 1"] == rig.events


def test_a_renewal_that_fails(rig: Rig) -> None:
    """It is tried again, for a publisher may be away."""
    rig.renews = False
    rig.binding.gone("why")
    rig.tick(10)
    assert len([event for event in rig.events if event.startswith("renewed")]) > 2
    rig.binding.settled()
    count = len(rig.events)
    rig.tick(0.75)
    assert count == len(rig.events)


def test_another_instance_restores_it(rig: Rig) -> None:
    """As a rule there is nothing to do here."""
    rig.binding.suspended("found elsewhere")
    rig.tick(0.75)
    assert (0, "found elsewhere") == (rig.bound, rig.binding.trouble)
    rig.binding.settled()
    rig.tick(0.75)
    assert (0, "") == (rig.bound, rig.binding.trouble)


def test_another_instance_does_not_restore_it(rig: Rig) -> None:
    """Then this one does."""
    rig.empty = succeed(False)
    rig.binding.suspended("found elsewhere")
    rig.tick(3.25)
    assert (1, "") == (rig.bound, rig.binding.trouble)


def test_settled_with_nothing_to_settle(rig: Rig, log: Log) -> None:
    """A renewal that another instance made for a loss not found here."""
    rig.binding.settled()
    assert ([], []) == (rig.events, log.warnings)
