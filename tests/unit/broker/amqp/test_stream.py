"""pushd.broker.amqp.stream over connections that a test answers for; the contract tests have real streams."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from pushd.broker.amqp.arrivals import Arrivals
from pushd.broker.amqp.complaints import Complaints
from pushd.broker.amqp.faults import Lost
from pushd.broker.amqp.intake import Intake
from pushd.broker.amqp.outbox import Unroutable
from pushd.broker.amqp.stream import StreamConsumer
from pushd.broker.backoff import Backoff
from pushd.broker.marks import Mark
from pushd.config import Broker
from pushd.interfaces import PublishError, ReadError
from pushd.stats import Stats
from tests.support.log import logged
from tests.unit.broker.amqp.fakes import FakeChannel, FakeNode, Heard


class Marks:
    """A publisher of marks: they are confirmed at once, unless a test wants it otherwise."""

    def __init__(self) -> None:
        self.sent: list[Mark] = []
        self.error: PublishError | None = None
        self.confirms: Deferred[None] = succeed(None)
        self.connection: Deferred[None] = succeed(None)
        self.trouble = "no route"

    def connected(self) -> Deferred[None]:
        """Tell as the test wants."""
        return self.connection

    async def mark(self, stream: str, mark: Mark) -> None:
        """Keep it."""
        assert "s" == stream
        self.sent.append(mark)
        if self.error is not None:
            raise self.error
        await self.confirms


class Rig:
    """A consumer of a stream, and everything around it."""

    def __init__(self) -> None:
        self.clock: Any = Clock()
        self.stats = Stats()
        self.node = FakeNode()
        self.marks: Any = Marks()
        self.heard = Heard()
        self.arrivals = Arrivals(self.clock, Random(1))
        self.consumer = StreamConsumer(
            self.marks,
            600,
            Random(1),
            clock=self.clock,
            nodes=self.node.nodes,
            section=Broker(exchange="x", stream="s", prefetch=4),
            intake=Intake(self.stats),
            backoff=Backoff(Random(1), 1, 1),
            arrivals=self.arrivals,
            complaints=Complaints(),
        )

    @property
    def channel(self) -> FakeChannel:
        """The channel that was last begun to consume on."""
        return self.node.link.consumers[-1]

    def mark(self, offset: int, mark: Mark | None = None) -> None:
        """Deliver a mark, the last one sent if not given."""
        self.channel.record(offset, b"", **(mark or self.marks.sent[-1]).headers())

    def attach(self) -> str:
        """Have a stream that is empty but for marks, at 0 and 1; gives the epoch."""
        self.consumer.start(self.heard)
        self.mark(0)
        self.mark(1)
        epoch: str = self.heard.told("attached")[-1]
        return epoch

    def again(self) -> None:
        """Let the connection end and the time pass until the next attempt."""
        self.node.link.lose()
        self.clock.advance(1)


@pytest.fixture
def rig() -> Iterator[Rig]:
    """One that is stopped in the end: then nothing is left to be done."""
    rig = Rig()
    yield rig
    gone: list[None] = []
    rig.consumer.stop().addCallback(gone.append)
    rig.node.link.lose()
    assert ([None], []) == (gone, rig.clock.getDelayedCalls())


def test_an_empty_stream(rig: Rig) -> None:
    """Its own mark, once it is back, names the epoch; then it claims it for those who come later."""
    rig.consumer.start(rig.heard)
    assert ("s", {"x-stream-offset": "600s"}) == (rig.channel.queue, rig.channel.arguments)
    [mark] = rig.marks.sent
    assert ([], False) == (rig.heard.seen, rig.consumer.attached)
    rig.mark(0)
    assert [("reset", 0), ("attached", mark.nonce)] == rig.heard.seen
    assert ["", mark.nonce] == [sent.epoch for sent in rig.marks.sent]


def test_the_stream_is_declared_and_bound(rig: Rig) -> None:
    """As it is configured, before anything is read."""
    rig.attach()
    [declared] = rig.node.link.calls("queue_declare")
    assert ("s", True) == (declared["queue"], declared["durable"])
    assert {"x-queue-type": "stream", "x-max-age": "3600s"}.items() <= declared["arguments"].items()  # type: ignore[attr-defined]
    assert [{"queue": "s", "exchange": "x"}] == rig.node.link.calls("queue_bind")


def test_reading_back(rig: Rig) -> None:
    """What is there comes first; when no mark in it names the epoch, the stream's start does."""
    rig.consumer.start(rig.heard)
    live, own = rig.channel, rig.marks.sent[0]
    live.record(5, b"five")
    live.record(6, b"six")
    live.record(7, b"", **own.headers())
    assert [("reset", 4), ("message", (5, b"five")), ("message", (6, b"six"))] == rig.heard.seen
    assert {"x-stream-offset": "first"} == rig.channel.arguments
    rig.mark(1, Mark("first"))
    rig.mark(7, own)
    assert (["first"], "first") == (rig.heard.told("attached"), rig.marks.sent[-1].epoch)
    live.record(8, b"live")
    assert ((8, b"live"), 8) == (rig.heard.told("message")[-1], rig.consumer.offset)


def test_acknowledges(rig: Rig) -> None:
    """Marks by itself, messages when they are finished."""
    rig.attach()
    assert [1] == rig.channel.acks
    rig.channel.record(2)
    assert [1] == rig.channel.acks
    rig.consumer.ack(2)
    assert [1, 2] == rig.channel.acks


def test_properties_that_cannot_be_read(rig: Rig) -> None:
    """Nobody knows the offset of such a record; it is counted, and what follows is not harmed."""
    rig.attach()
    rig.channel.deliver(2, "", None, b"poison")
    rig.channel.record(3)
    assert ({"headers": 1}, [(3, b"x")]) == (dict(rig.stats.dropped), rig.heard.told("message"))


def test_resumes(rig: Rig) -> None:
    """After a loss it goes on at the last mark it has read, without a reset, and repeats nothing."""
    epoch = rig.attach()
    rig.channel.record(2, b"before")
    claim = rig.marks.sent[-1]
    rig.again()
    assert {"x-stream-offset": "next"} == rig.channel.arguments
    rig.mark(4)
    assert {"x-stream-offset": 1} == rig.channel.arguments
    rig.mark(1, claim)
    rig.channel.record(2, b"before")
    rig.channel.record(3, b"meanwhile")
    rig.mark(5)
    assert [(2, b"before"), (3, b"meanwhile")] == rig.heard.told("message")
    assert ([0], [epoch, epoch]) == (rig.heard.told("reset"), rig.heard.told("attached"))


def test_a_stream_that_is_shorter_now(rig: Rig) -> None:
    """It ends before the place to resume at, so it is another: everything begins anew."""
    epoch = rig.attach()
    rig.again()
    rig.mark(0)
    assert {"x-stream-offset": "600s"} == rig.channel.arguments
    rig.mark(0)
    assert [0, 0] == rig.heard.told("reset")
    assert (2, epoch) == (len(set(rig.heard.told("attached"))), rig.heard.told("attached")[0])


def test_a_stream_that_lost_its_end(rig: Rig) -> None:
    """What is published now has offsets that were read before: everything begins anew, nothing is skipped."""
    rig.attach()
    for offset in (2, 3, 4):
        rig.channel.record(offset, b"lost")
    rig.again()
    rig.mark(4)
    assert {"x-stream-offset": "600s"} == rig.channel.arguments
    rig.mark(0, Mark("first"))
    rig.channel.record(3, b"new")
    assert ([0, 0], (3, b"new")) == (rig.heard.told("reset"), rig.heard.told("message")[-1])


def test_another_stream_in_its_place(rig: Rig) -> None:
    """What stands where the own mark stood gives it away; the attempt after that begins anew."""
    rig.attach()
    rig.again()
    rig.mark(40)
    rig.channel.record(1, b"foreign")
    assert "no longer holds the place" in rig.consumer.trouble
    assert [] == rig.heard.told("message")
    rig.again()
    assert {"x-stream-offset": "600s"} == rig.channel.arguments


def test_another_name_for_the_same_life(rig: Rig) -> None:
    """Another instance's claim that counts wins: whoever was attached hears that it is no more."""
    rig.attach()
    rig.mark(2, Mark("theirs", "other", f"1:{rig.marks.sent[-1].nonce}"))
    assert [
        "another instance names the stream's life otherwise, and was the last to do so"
    ] == rig.heard.told("detached")


def test_no_publisher(rig: Rig) -> None:
    """Without one there are no marks, and without marks no position means anything."""
    rig.marks.connection = Deferred()
    rig.consumer.start(rig.heard)
    rig.clock.advance(5)
    assert "here: marks cannot be published: no route" == rig.consumer.trouble


@pytest.mark.parametrize(
    ("cause", "said"), [(None, "not confirmed: gone"), (Lost("403 refused"), "403 refused")]
)
def test_a_mark_that_is_refused_while_attaching(rig: Rig, cause: Lost | None, said: str) -> None:
    """It ends the attempt, with the broker's own words if there are any."""
    rig.marks.error = PublishError("not confirmed: gone", temporary=True)
    rig.marks.error.__cause__ = cause
    rig.consumer.start(rig.heard)
    assert f"here: {said}" == rig.consumer.trouble


def test_a_mark_that_is_refused_later(rig: Rig) -> None:
    """Then it is the publisher's trouble, and consuming goes on; unless the stream itself is gone."""
    rig.attach()
    rig.marks.error = PublishError("low on memory", temporary=True)
    rig.clock.advance(20)
    assert (3, []) == (len(rig.marks.sent), rig.heard.told("detached"))
    rig.marks.error = Unroutable("", "s")
    rig.clock.advance(20)
    assert ["there is no queue s"] == rig.heard.told("detached")


def test_claims_again_and_again(rig: Rig) -> None:
    """Each is the next canary: one that is confirmed and does not come back means that nothing does."""
    epoch = rig.attach()
    rig.clock.pump([2.0] * 10)
    assert [epoch, epoch] == [mark.epoch for mark in rig.marks.sent[1:]]
    rig.mark(2)
    while len(rig.marks.sent) == 3:
        rig.clock.advance(2)
    rig.clock.pump([2.0] * 10)
    assert (4, True) == (len(rig.marks.sent), rig.consumer.attached)
    rig.clock.advance(2)
    assert ["the consumer hears nothing, though a mark stands in the stream"] == rig.heard.told("detached")


def test_a_full_window_is_no_silence(rig: Rig) -> None:
    """What the hub has not finished with keeps the broker from sending more; nobody is deaf."""
    rig.attach()
    rig.channel.record(2)
    rig.clock.pump([2.0] * 60)
    assert [] == rig.heard.told("detached")
    rig.consumer.ack(2)
    rig.clock.advance(2)
    assert 1 == len(rig.heard.told("detached"))


def test_a_canary_that_is_late(rig: Rig) -> None:
    """While anything else is heard, it may take its time: there may be much before it."""
    rig.attach()
    for offset in range(2, 30):
        rig.clock.advance(2)
        rig.channel.record(offset)
        rig.consumer.ack(offset)
    assert [] == rig.heard.told("detached")


def test_nothing_is_claimed_before_the_epoch_is_known(rig: Rig) -> None:
    """However long it takes to find it out."""
    rig.consumer.start(rig.heard)
    rig.channel.record(5)
    rig.mark(6)
    for offset in range(20):
        rig.clock.advance(2)
        rig.channel.record(offset)
    assert (1, False) == (len(rig.marks.sent), rig.consumer.attached)


def test_reading_a_part_again(rig: Rig) -> None:
    """On a channel of its own, while attached."""
    results: list[Any] = []
    rig.consumer.read(0, 2, 100).addErrback(results.append)
    assert results.pop().check(ReadError)
    rig.attach()
    rig.consumer.read(1, 2, 100).addCallback(results.append)
    assert {"x-stream-offset": 1} == rig.channel.arguments
    rig.channel.record(1)
    rig.channel.record(2, b"two")
    assert [[(2, b"two")]] == [[(m.offset, m.body) for m in page.messages] for page in results]
    results.clear()
    rig.node.link.lose()
    rig.consumer.read(1, 2, 100).addErrback(results.append)
    assert results.pop().check(ReadError)


def test_nothing_worth_a_warning(rig: Rig) -> None:
    """Attaching, and being away without a loss, warns of one thing: that it was away."""
    with logged("pushd.broker") as log:
        rig.attach()
        assert [] == log.warnings
        rig.again()
        rig.mark(2)
    assert (["trouble with the broker at here: gone"], []) == (log.warnings, log.tracebacks)
