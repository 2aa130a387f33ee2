"""pushd.broker.amqp.outbox."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from pushd.broker.amqp.faults import Lost
from pushd.broker.amqp.outbox import Outbox, Unroutable
from pushd.interfaces import PublishError
from tests.unit.broker.amqp.fakes import FakeChannel


class Rig:
    """An outbox on a fake channel."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.channel = FakeChannel()
        self.late: list[Lost] = []
        self.outbox = Outbox(self.clock, self.channel, self.late.append)
        Deferred.fromCoroutine(self.outbox.open())

    def publish(self, body: bytes = b"x") -> list[object]:
        """Publish; the list gets what becomes of it: ``None`` or an error."""
        outcome: list[object] = []
        confirmed = self.outbox.publish("e", "k", {"type": "t"}, body)
        confirmed.addCallbacks(outcome.append, lambda failure: outcome.append(failure.value))
        return outcome


@pytest.fixture
def rig() -> Rig:
    """A fresh one."""
    return Rig()


def test_confirmed(rig: Rig) -> None:
    """A publication succeeds when the broker confirms it, and not before."""
    outcome = rig.publish()
    assert [("e", "k", {"type": "t", "correlation_id": "1"}, b"x")] == rig.channel.published
    assert [] == outcome
    rig.channel.settled(1, False, True)
    assert [None] == outcome


def test_confirmed_in_bulk(rig: Rig) -> None:
    """One confirm may stand for all up to its number, and only for those."""
    outcomes = [rig.publish() for _ in range(4)]
    rig.channel.settled(2, False, True)
    rig.channel.settled(3, True, True)
    assert [[None], [None], [None], []] == outcomes


def test_refused_by_the_broker(rig: Rig) -> None:
    """A negative confirm is a failure that may pass."""
    outcome = rig.publish()
    rig.channel.settled(1, False, False)
    [error] = outcome
    assert isinstance(error, PublishError)
    assert error.temporary


def test_returned(rig: Rig) -> None:
    """What reached no queue fails, and exactly that, though others are confirmed with it."""
    outcomes = [rig.publish() for _ in range(3)]
    rig.channel.returned("e", "k", "2")
    rig.channel.settled(3, True, True)
    assert [None] == outcomes[0] == outcomes[2]
    [error] = outcomes[1]
    assert isinstance(error, Unroutable)
    assert error.temporary
    assert error.reason == "no queue is bound to exchange e"


def test_returned_by_the_default_exchange(rig: Rig) -> None:
    """On the default exchange, it is the queue that is missing."""
    assert Unroutable("", "q").reason == "there is no queue q"


def test_correlation_ids_begin_with_a_prefix() -> None:
    """The next one is known before the publication, and a returned publication is found by it."""
    channel = FakeChannel()
    outbox = Outbox(Clock(), channel, list[Lost]().append, "a-1-")
    Deferred.fromCoroutine(outbox.open())
    assert "a-1-1" == outbox.next_id
    failures: list[object] = []
    outbox.publish("e", "k", {}, b"x").addErrback(lambda failure: failures.append(failure.value))
    assert ["a-1-1"] == [properties["correlation_id"] for _, _, properties, _ in channel.published]
    assert "a-1-2" == outbox.next_id
    channel.returned("e", "k", "a-1-1")
    channel.settled(1, False, True)
    assert [True] == [isinstance(failure, Unroutable) for failure in failures]
    channel.lose()


def test_channel_lost(rig: Rig) -> None:
    """With the channel goes what was under way: nobody knows what became of it."""
    outcome = rig.publish()
    rig.channel.lose("why")
    [error] = outcome
    assert isinstance(error, PublishError)
    assert error.temporary
    assert "may or may not" in error.reason
    assert "why" in error.reason
    assert not rig.clock.getDelayedCalls()
    [error] = rig.publish()
    assert isinstance(error, PublishError)
    assert (error.temporary, error.reason) == (True, "why")
    assert rig.outbox.lost is rig.channel.lost


def test_lost_while_idle(rig: Rig) -> None:
    """A channel may go when nothing is under way."""
    rig.channel.lose()
    assert not rig.clock.getDelayedCalls()


def test_too_many(rig: Rig) -> None:
    """What is under way is bounded."""
    outcomes = [rig.publish() for _ in range(513)]
    [error] = outcomes[512]
    assert isinstance(error, PublishError)
    assert error.temporary
    assert len(rig.channel.published) == 512
    rig.channel.settled(1, False, True)
    assert [] == rig.publish()


def test_late(rig: Rig) -> None:
    """What is not confirmed for ten seconds ends the session; one timer serves all."""
    rig.publish()
    rig.clock.advance(6)
    rig.publish()
    assert len(rig.clock.getDelayedCalls()) == 1
    rig.channel.settled(1, False, True)
    rig.clock.advance(4)
    assert not rig.late
    rig.clock.advance(10)
    assert len(rig.late) == 1


def test_never_late(rig: Rig) -> None:
    """When everything is confirmed the timer ends."""
    rig.publish()
    rig.channel.settled(1, False, True)
    rig.clock.advance(10)
    assert not rig.clock.getDelayedCalls()
    assert not rig.late
