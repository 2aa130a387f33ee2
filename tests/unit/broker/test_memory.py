"""pushd.broker.memory; what it has in common with RabbitMQ is in tests/contracts/test_broker.py."""

from __future__ import annotations

from random import Random

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from pushd.broker.memory import MemoryBroker
from pushd.interfaces import BrokerStatus, PublishError, ReadError
from pushd.message import Message, Publication
from pushd.stats import Stats


class Events:
    """Keeps what a broker tells."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    def reset(self, offset: int) -> None:
        """See :class:`pushd.interfaces.BrokerEvents`."""
        self.seen.append(("reset", offset))

    def message(self, message: Message) -> None:
        """See :class:`pushd.interfaces.BrokerEvents`."""
        if message.body == b"bad":
            raise ZeroDivisionError
        self.seen.append((message.offset, message.channel, message.body))

    def attached(self, epoch: str) -> None:
        """See :class:`pushd.interfaces.BrokerEvents`."""
        self.seen.append(("attached", len(epoch)))

    def detached(self, reason: str) -> None:
        """See :class:`pushd.interfaces.BrokerEvents`."""
        raise AssertionError("it never lets go")


@pytest.fixture
def clock() -> Clock:
    """Time stands still unless told."""
    return Clock()


@pytest.fixture
def stats() -> Stats:
    """What is counted."""
    return Stats()


@pytest.fixture
def broker(clock: Clock, stats: Stats) -> MemoryBroker:
    """One with a small window, not started."""
    return MemoryBroker(clock, stats, Random(1), window=3)


@pytest.fixture
def events(broker: MemoryBroker) -> Events:
    """It is started, and heard."""
    events = Events()
    broker.start(events)
    return events


def error(deferred: Deferred[object]) -> Exception:
    """Give the exception a Deferred has failed with."""
    failures: list[Exception] = []
    deferred.addErrback(lambda failure: failures.append(failure.value))
    [only] = failures
    return only


def publish_error(deferred: Deferred[int]) -> PublishError:
    """Give the error a publication has failed with."""
    failed = error(deferred)
    assert isinstance(failed, PublishError)
    return failed


def test_attaches_at_once(broker: MemoryBroker, events: Events) -> None:
    """It is attached as soon as it is started, with a random epoch."""
    assert [("reset", 0), ("attached", 16)] == events.seen
    assert BrokerStatus(attached=True, text="embedded at offset 0") == broker.status()


def test_epochs_differ(clock: Clock, stats: Stats) -> None:
    """Offsets of two runs cannot be compared, so their epochs differ."""
    one, other = (MemoryBroker(clock, stats, Random(seed)) for seed in (1, 2))
    assert one._epoch != other._epoch


def test_publish(broker: MemoryBroker, events: Events, clock: Clock, stats: Stats) -> None:
    """A publication comes back in a later turn, numbered, one message per channel, and is confirmed then."""
    first = broker.publish(Publication(b"a"))
    second = broker.publish(Publication(b"b", ("x", "y")))
    assert not first.called
    assert len(events.seen) == 2
    clock.advance(0)
    assert [(1, "", b"a"), (2, "x", b"b"), (2, "y", b"b")] == events.seen[2:]
    assert (1, 2, 2) == (first.result, second.result, stats.published)


def test_published_from_an_event(broker: MemoryBroker, events: Events, clock: Clock) -> None:
    """Publishing when one is confirmed works like any other."""
    broker.publish(Publication(b"a")).addCallback(lambda _: broker.publish(Publication(b"b")))
    clock.advance(0)
    assert [(1, "", b"a"), (2, "", b"b")] == events.seen[2:]


def test_window(broker: MemoryBroker, events: Events, clock: Clock, stats: Stats) -> None:
    """Publishing is refused while too much is unacknowledged, and goes on afterwards."""
    for _ in range(3):
        broker.publish(Publication(b"x"))
    assert publish_error(broker.publish(Publication(b"x"))).temporary
    clock.advance(0)
    assert publish_error(broker.publish(Publication(b"x"))).temporary
    broker.ack(1)
    broker.publish(Publication(b"x"))
    clock.advance(0)
    assert (4, 2) == (stats.published, stats.publish_failed)


def test_bad_publication(broker: MemoryBroker, events: Events, clock: Clock) -> None:
    """What RabbitMQ could not carry is refused for good, and takes no number."""
    assert not publish_error(broker.publish(Publication(b"", ("",)))).temporary
    broker.publish(Publication(b"ok"))
    clock.advance(0)
    assert (1, "", b"ok") == events.seen[-1]


def test_failing_reader(broker: MemoryBroker, events: Events, clock: Clock) -> None:
    """A message that could not be taken is logged; those after it still come."""
    broker.publish(Publication(b"bad"))
    broker.publish(Publication(b"good"))
    clock.advance(0)
    assert (2, "", b"good") == events.seen[-1]


def test_stop(broker: MemoryBroker, events: Events, clock: Clock, stats: Stats) -> None:
    """After a stop nothing is handed over, nothing is confirmed and nothing is taken."""
    waiting = broker.publish(Publication(b"late"))
    assert broker.stop().called
    assert publish_error(waiting).temporary
    assert publish_error(broker.publish(Publication(b"later"))).temporary
    clock.advance(0)
    assert len(events.seen) == 2
    assert BrokerStatus(attached=False, text="embedded, stopped") == broker.status()
    assert (0, 2) == (stats.published, stats.publish_failed)


def test_stopped_by_an_event(broker: MemoryBroker, events: Events, clock: Clock) -> None:
    """Stopping while messages are handed over ends it between two messages."""
    broker.publish(Publication(b"a")).addCallback(lambda _: broker.stop())
    second = broker.publish(Publication(b"b"))
    clock.advance(0)
    assert (1, "", b"a") == events.seen[-1]
    assert 0 == second.result


def test_read(broker: MemoryBroker, events: Events) -> None:
    """There is nothing to read back."""
    assert isinstance(error(broker.read(0, 1, 1)), ReadError)


def test_very_many_at_once(clock: Clock, stats: Stats) -> None:
    """A turn hands over a part of what waits; order and confirms stay, and a stop fails the rest."""
    broker, events = MemoryBroker(clock, stats, Random(1)), Events()
    broker.start(events)
    turns: list[int] = []
    confirms = [broker.publish(Publication(b"%d" % number)) for number in range(1000)]
    confirms[150].addCallback(lambda _: clock.callLater(0, lambda: turns.append(len(events.seen) - 2)))
    confirms[700].addCallback(lambda _: broker.stop())
    for confirmed in confirms[800:]:
        confirmed.addErrback(lambda failure: failure.type)
    clock.advance(0)
    assert [200] <= turns <= [400]
    assert [b"%d" % number for number in range(701)] == [event[2] for event in events.seen[2:]]  # type: ignore[index]
    assert [PublishError] * 200 == [confirmed.result for confirmed in confirms[800:]]
