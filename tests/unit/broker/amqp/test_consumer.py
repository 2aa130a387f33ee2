"""pushd.broker.amqp.consumer, on the plainest consumer there is; the contract tests have real brokers."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from types import SimpleNamespace

import pytest
from twisted.internet.task import Clock

from pushd.broker.amqp.arrivals import Arrivals
from pushd.broker.amqp.complaints import Complaints
from pushd.broker.amqp.exclusive import ExclusiveConsumer
from pushd.broker.amqp.intake import Intake
from pushd.broker.backoff import Backoff
from pushd.config import Broker
from pushd.message import Message
from pushd.stats import Stats
from tests.support.log import Log, logged
from tests.unit.broker.amqp.fakes import NOTHING, FakeChannel, FakeNode, Heard


class Rig:
    """A consumer of an exclusive queue, and everything around it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.stats = Stats()
        self.node = FakeNode()
        self.heard = Heard()
        self.arrivals = Arrivals(self.clock, Random(1))
        self.consumer = ExclusiveConsumer(
            Random(1),
            clock=self.clock,
            nodes=self.node.nodes,
            section=Broker(exchange="x", queue="exclusive", prefetch=8),
            intake=Intake(self.stats),
            backoff=Backoff(Random(1), 1, 1),
            arrivals=self.arrivals,
            complaints=Complaints(),
        )

    @property
    def channel(self) -> FakeChannel:
        """The channel of the newest connection that is consumed on."""
        [channel] = self.node.link.consumers
        return channel

    def deliver(self, tag: int, **properties: object) -> None:
        """Have the broker deliver a message whose body is its tag."""
        self.channel.deliver(tag, "", SimpleNamespace(**{**NOTHING, **properties}), b"%d" % tag)

    def again(self) -> None:
        """Let the connection end, if it is asked to, and the time pass until the next attempt."""
        self.node.link.lose()
        self.clock.advance(1)


@pytest.fixture
def rig() -> Iterator[Rig]:
    """One that has been started, and is stopped in the end: then nothing is left to be done."""
    rig = Rig()
    rig.consumer.start(rig.heard)
    yield rig
    gone: list[None] = []
    rig.consumer.stop().addCallback(gone.append)
    rig.node.link.lose()
    assert ([None], []) == (gone, rig.clock.getDelayedCalls())


@pytest.fixture
def log() -> Iterator[Log]:
    """What it says."""
    with logged("pushd.broker") as log:
        yield log


def test_attaches(rig: Rig) -> None:
    """It asks for as much as is configured, and then everything that comes is live."""
    assert ["reset", "attached"] == [kind for kind, _ in rig.heard.seen]
    assert [("basic_qos", {"prefetch_count": 8})] == rig.channel.calls
    assert (True, "") == (rig.consumer.attached, rig.consumer.trouble)


def test_acknowledges_what_is_finished(rig: Rig) -> None:
    """Nothing before whoever it was handed to has finished with it, then a quarter of a window at once."""
    for tag in (1, 2, 3):
        rig.deliver(tag)
    assert [(1, b"1"), (2, b"2"), (3, b"3")] == rig.heard.told("message")
    assert ([], 3) == (rig.channel.acks, rig.consumer.offset)
    rig.consumer.ack(1)
    assert [] == rig.channel.acks
    rig.consumer.ack(3)
    assert [3] == rig.channel.acks


def test_what_cannot_be_used_is_acknowledged_by_itself(rig: Rig) -> None:
    """Nobody else would ever finish with it."""
    for tag in (1, 2):
        rig.deliver(tag, content_type="application/x-java-serialized-object")
    assert ([], [2], {"java": 2}) == (rig.heard.told("message"), rig.channel.acks, dict(rig.stats.dropped))


def test_an_error_of_its_channel(rig: Rig, log: Log) -> None:
    """Though the connection lives, it is left for a new one, and everybody hears of both."""
    rig.channel.lose("406 PRECONDITION_FAILED", 406)
    assert (["406 PRECONDITION_FAILED"], False) == (rig.heard.told("detached"), rig.consumer.attached)
    assert "here: 406 PRECONDITION_FAILED" == rig.consumer.trouble
    assert rig.node.link.closing is not None
    rig.again()
    assert (2, 2, True) == (len(rig.node.links), len(set(rig.heard.told("attached"))), rig.consumer.attached)
    rig.deliver(1)
    assert [(1, b"1")] == rig.heard.told("message")
    assert 2 == len(log.warnings)


def test_tags_begin_anew(rig: Rig) -> None:
    """What was acknowledged on the last channel says nothing about the next one's deliveries."""
    for tag in range(1, 6):
        rig.deliver(tag)
    rig.consumer.ack(5)
    rig.channel.lose()
    rig.again()
    rig.deliver(1)
    rig.deliver(2)
    rig.consumer.ack(2)
    assert [2] == rig.channel.acks


def test_a_consumer_that_the_broker_ended(rig: Rig) -> None:
    """Its channel is as good as ever, but nothing would come any more."""
    rig.channel.cancelled()
    assert ["the broker ended the consumer: amq.gen-1 was deleted or its node is down"] == rig.heard.told(
        "detached"
    )
    rig.again()
    assert rig.consumer.attached


def test_what_still_comes_after_a_loss(rig: Rig) -> None:
    """It belongs to nobody: it is neither handed on nor acknowledged, and will come again or is lost."""
    lost = rig.channel
    lost.lose()
    for tag in range(1, 9):
        lost.deliver(tag, "", SimpleNamespace(**NOTHING), b"late")
    rig.consumer.ack(8)
    assert ([], []) == (rig.heard.told("message"), lost.acks)


def test_a_failing_listener(rig: Rig, log: Log) -> None:
    """It costs what it failed with and a traceback in the log; everything else goes on."""
    rig.heard.fails = True
    rig.deliver(1)
    rig.heard.fails = False
    rig.deliver(2)
    rig.consumer.ack(2)
    assert ([(1, b"1"), (2, b"2")], [2]) == (rig.heard.told("message"), rig.channel.acks)
    assert (1, None) == (len(log.tracebacks), rig.node.link.closing)


def test_a_listener_that_fails_at_every_turn(rig: Rig, log: Log) -> None:
    """Neither the end of a session nor the beginning of the next depends on it."""
    rig.heard.fails = True
    rig.channel.lose()
    rig.again()
    assert (3, True) == (len(log.tracebacks), rig.consumer.attached)


def test_stop(rig: Rig) -> None:
    """No event comes any more: not for what still arrives, nor for the end."""
    told, channel = list(rig.heard.seen), rig.channel
    gone: list[None] = []
    rig.consumer.stop().addCallback(gone.append)
    channel.deliver(1, "", SimpleNamespace(**NOTHING), b"late")
    assert ([], False) == (gone, rig.consumer.attached)
    rig.node.link.lose()
    rig.clock.advance(60)
    assert (told, [None], 1) == (rig.heard.seen, gone, len(rig.node.links))


def test_a_listener_that_stops_it(rig: Rig) -> None:
    """In the middle of coming back: it hears no more, and the consumer does not believe itself attached."""
    rig.channel.lose()
    told = list(rig.heard.seen)
    resets: list[int] = []

    def reset(offset: int) -> None:
        resets.append(offset)
        rig.consumer.stop()

    rig.heard.reset = reset  # type: ignore[method-assign]
    rig.again()
    assert ([0], told, False) == (resets, rig.heard.seen, rig.consumer.attached)


def test_a_listener_that_stops_it_between_two_messages(rig: Rig) -> None:
    """Of one delivery to two channels, the second is not told any more."""
    told: list[str] = []

    def message(message: Message) -> None:
        told.append(message.channel)
        rig.consumer.stop()

    rig.heard.message = message  # type: ignore[method-assign]
    rig.deliver(1, headers={"channels": ["a", "b"]})
    assert (["a"], None) == (told, rig.node.link.lost)


def test_rebind(rig: Rig) -> None:
    """A consumer that is attached begins anew; one that is not will bind its queue anyway."""
    rig.consumer.rebind()
    assert ["the queue is no longer bound to the exchange"] == rig.heard.told("detached")
    rig.consumer.rebind()
    assert 1 == len(rig.heard.told("detached"))
    rig.again()
    assert 1 == len(rig.node.link.calls("queue_bind"))


def test_rebind_before_the_start() -> None:
    """There is nothing to bind."""
    rig = Rig()
    rig.consumer.rebind()
    assert ([], "connecting") == (rig.node.links, rig.consumer.trouble)


def test_a_publisher_hears_of_its_delivery(rig: Rig) -> None:
    """After the message has been told; also when the message is dropped, or its properties cannot be read."""
    seen: list[tuple[int, int]] = []
    for correlation_id in ("a", "b", "c"):
        arrived = rig.arrivals.expect(correlation_id)
        arrived.addCallback(lambda offset: seen.append((offset, len(rig.heard.told("message")))))
    rig.deliver(1, correlation_id="a")
    rig.channel.deliver(2, "", None, b"x")
    rig.deliver(3, correlation_id="b", content_type="application/x-java-serialized-object")
    assert [(1, 1), (0, 1)] == seen
    rig.channel.lose()
    assert [(1, 1), (0, 1), (0, 1)] == seen
    rig.again()
