"""What every broker promises, on the embedded one and on RabbitMQ with both kinds of queues."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
import pytest_twisted
from twisted.internet import reactor  # noqa: TID251  # the tests run in it
from twisted.internet.defer import CancelledError, gatherResults
from twisted.internet.task import deferLater

from pushd.broker.memory import MemoryBroker
from pushd.interfaces import PublishError, ReadError
from pushd.message import Kind, Publication
from pushd.stats import Stats
from tests.support.amqp import amqp_broker, section
from tests.support.listener import Listener
from tests.support.until import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from pushd.interfaces import Broker


@pytest.fixture(params=["memory", "stream", "exclusive"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which broker."""
    return str(request.param)


@pytest.fixture
def stats() -> Stats:
    """What it counts."""
    return Stats()


@pytest.fixture
def make(kind: str, stats: Stats, request: pytest.FixtureRequest) -> Callable[..., Broker]:
    """Make brokers of this kind; all of one test see the same exchange."""
    if kind == "memory":
        return lambda prefetch=500: MemoryBroker(reactor, stats, Random(), window=prefetch)
    settings = section(request.getfixturevalue("rabbit"), queue=kind)
    return lambda prefetch=500: amqp_broker(settings.model_copy(update={"prefetch": prefetch}), stats=stats)


@pytest_twisted.async_yield_fixture
async def broker(make: Callable[..., Broker]) -> AsyncIterator[Broker]:
    """One that is not started yet, and is stopped in the end."""
    broker = make()
    yield broker
    await broker.stop()


async def attach(broker: Broker, *, acknowledges: bool = True) -> Listener:
    """Start it and wait until it is live, and publishes."""
    listener = Listener(acknowledges=acknowledges)
    listener.broker = broker
    broker.start(listener)
    await listener.ready()
    await until(lambda: "publishing" not in broker.status().text)  # over a connection of its own
    return listener


@pytest_twisted.ensureDeferred
async def test_attaches(broker: Broker) -> None:
    """It says from where on it is whole, then that it is live, in an epoch that fits a position."""
    listener = await attach(broker)
    assert ["reset", "attached"] == [kind for kind, _ in listener.seen]
    [epoch] = listener.epochs
    assert isinstance(epoch, str)
    assert epoch.isalnum()
    assert len(epoch) == 16
    assert broker.status().attached


@pytest_twisted.ensureDeferred
async def test_what_is_published_comes_back(broker: Broker, stats: Stats) -> None:
    """A confirmed publication comes back once, with everything it had, behind the floor."""
    listener = await attach(broker)
    await broker.publish(Publication("测试消息".encode(), ("订单",), event="order", message_id="m1"))
    await listener.received(1)
    [message] = listener.messages
    assert ("测试消息".encode(), "订单", Kind.TEXT, "text/plain", "order", "m1") == (
        message.body,
        message.channel,
        message.kind,
        message.content_type,
        message.event,
        message.message_id,
    )
    assert message.published_at > 0
    [floor] = listener.told("reset")
    assert isinstance(floor, int)
    assert message.offset > floor
    assert (1, 0) == (stats.published, stats.publish_failed)


@pytest_twisted.ensureDeferred
async def test_confirms_come_later(broker: Broker) -> None:
    """Nothing is confirmed within the call."""
    await attach(broker)
    confirmed = broker.publish(Publication(b"x"))
    assert not confirmed.called
    await confirmed


@pytest_twisted.ensureDeferred
async def test_a_publication_is_answered_with_its_offset(broker: Broker) -> None:
    """Its messages have been told by then, each of two hundred times."""
    listener = await attach(broker)
    for number in range(200):
        offset = await broker.publish(Publication(b"%d" % number, ("a", "b")))
        last = listener.messages[-1]
        assert (offset, b"%d" % number) == (last.offset, last.body)


@pytest_twisted.ensureDeferred
async def test_order(broker: Broker) -> None:
    """Messages come in the order they were published in, with rising offsets."""
    listener = await attach(broker)
    bodies = [b"%d" % number for number in range(300)]
    await gatherResults([broker.publish(Publication(body)) for body in bodies])
    await listener.received(300)
    assert bodies == listener.bodies
    offsets = [message.offset for message in listener.messages]
    assert sorted(set(offsets)) == offsets


@pytest_twisted.ensureDeferred
async def test_several_channels(broker: Broker) -> None:
    """One publication to several channels is one message on each, at one offset, with one body."""
    listener = await attach(broker)
    await broker.publish(Publication(b"x", ("a", "b", "c")))
    await listener.received(3)
    assert ["a", "b", "c"] == [message.channel for message in listener.messages]
    assert len({message.offset for message in listener.messages}) == 1
    assert len({id(message.body) for message in listener.messages}) == 1


@pytest_twisted.ensureDeferred
async def test_binary(broker: Broker) -> None:
    """Binary stays binary, empty and large bodies stay whole."""
    listener = await attach(broker)
    bodies = [bytes(range(256)), b"", b"\xff" * 300_000]
    for body in bodies:
        await broker.publish(Publication(body, kind=Kind.BINARY))
    await listener.received(3)
    assert bodies == listener.bodies
    assert all(message.kind is Kind.BINARY for message in listener.messages)


@pytest_twisted.ensureDeferred
async def test_bad_publication(broker: Broker, stats: Stats) -> None:
    """What can never be published is refused for good, and costs nothing else."""
    listener = await attach(broker)
    with pytest.raises(PublishError) as caught:
        await broker.publish(Publication(b"x", ("a" * 256,)))
    assert not caught.value.temporary
    await broker.publish(Publication(b"good"))
    await listener.received(1)
    assert ([b"good"], 1, 1) == (listener.bodies, stats.published, stats.publish_failed)


@pytest_twisted.ensureDeferred
async def test_not_started(broker: Broker) -> None:
    """Before the start it is not attached, and publications are refused for now."""
    assert not broker.status().attached
    with pytest.raises(PublishError) as caught:
        await broker.publish(Publication(b"x"))
    assert caught.value.temporary


@pytest_twisted.ensureDeferred
async def test_stop(make: Callable[..., Broker]) -> None:
    """After a stop nothing is told any more and publications are refused; stopping again does no harm."""
    broker = make()
    listener = await attach(broker)
    stopped = broker.stop()
    told = len(listener.seen)
    await stopped
    with pytest.raises(PublishError):
        await broker.publish(Publication(b"x"))
    assert told == len(listener.seen)
    assert not broker.status().attached
    await broker.stop()


@pytest_twisted.ensureDeferred
async def test_stop_leaves_nothing_open(make: Callable[..., Broker]) -> None:
    """A stop at any moment leaves no socket and no timer behind."""
    before = set(reactor.getReaders()), set(map(id, reactor.getDelayedCalls()))
    broker = make()
    broker.start(Listener())
    await broker.stop()
    broker = make()
    await attach(broker)
    await broker.stop()
    after = set(reactor.getReaders()), set(map(id, reactor.getDelayedCalls()))
    assert not after[0] - before[0]
    assert not after[1] - before[1]


@pytest_twisted.ensureDeferred
async def test_back_pressure(make: Callable[..., Broker], kind: str) -> None:
    """Without acknowledgements no more than a window of messages comes; with them, all do."""
    broker = make(prefetch=10)
    try:
        listener = await attach(broker, acknowledges=False)
        refused = 0
        for number in range(50):
            try:
                await broker.publish(Publication(b"%d" % number))
            except PublishError:
                refused += 1
        await listener.received(10)
        assert len(listener.messages) <= 10
        assert (refused > 0) == (kind == "memory")
        while len(listener.messages) < 50 - refused:
            count = len(listener.messages)
            broker.ack(listener.messages[-1].offset)
            await listener.received(count + 1)
            assert len(listener.messages) <= count + 10
    finally:
        await broker.stop()


@pytest_twisted.ensureDeferred
async def test_read(broker: Broker, kind: str) -> None:
    """A stream gives back exactly what lies between two offsets; the others say that they cannot."""
    listener = await attach(broker)
    for number in range(20):
        await broker.publish(Publication(b"%d" % number, ("a", "b") if number == 7 else ("c",)))
    await listener.received(21)
    offsets = sorted({message.offset for message in listener.messages})
    if kind != "stream":
        with pytest.raises(ReadError):
            await broker.read(offsets[0], offsets[-1], 1 << 20)
        return
    page = await broker.read(offsets[4], offsets[9], 1 << 20)
    expected = [message for message in listener.messages if offsets[4] < message.offset <= offsets[9]]
    assert [(m.offset, m.channel, m.body) for m in expected] == [
        (m.offset, m.channel, m.body) for m in page.messages
    ]
    assert (offsets[4], offsets[9]) == (page.after, page.reached)


@pytest.mark.parametrize("kind", ["stream"], indirect=True)
@pytest_twisted.ensureDeferred
async def test_read_page_by_page(broker: Broker) -> None:
    """A full page ends between two offsets, and the next one goes on from there until all is whole."""
    listener = await attach(broker)
    for number in range(20):
        await broker.publish(Publication(b"%d" % number, ("a", "b")))
    await listener.received(40)
    at, until, read, pages = listener.messages[0].offset, listener.messages[-1].offset, [], 0
    while at < until:
        page = await broker.read(at, until, 1000)
        assert page.after == at
        read += page.messages
        at, pages = page.reached, pages + 1
    assert [(m.offset, m.channel) for m in listener.messages[2:]] == [(m.offset, m.channel) for m in read]
    assert 3 < pages < 19


@pytest_twisted.ensureDeferred
async def test_a_reading_may_be_cancelled(broker: Broker, kind: str) -> None:
    """At whatever moment: the consumer does not notice, and the next reading works."""
    listener = await attach(broker)
    await gatherResults([broker.publish(Publication(b"%d" % number, ("c",))) for number in range(500)])
    await listener.received(500)
    offsets = [message.offset for message in listener.messages]
    for turns in range(0, 60, 6):
        reading = broker.read(offsets[0], offsets[-1] + 1000, 1 << 30)
        reading.addErrback(lambda failure: failure.trap(CancelledError, ReadError))
        for _ in range(turns):
            await deferLater(reactor, 0)
        reading.cancel()
    await broker.publish(Publication(b"x", ("c",)))
    await listener.received(501)
    assert [1] == [len(listener.told(event)) for event in ("attached",)]
    if kind == "stream":
        assert 499 == len((await broker.read(offsets[0], offsets[-1], 1 << 20)).messages)
