"""pushd.broker.amqp.stream over connections that a test answers for; the contract tests have real streams."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from pushd.broker.amqp.arrivals import Arrivals
from pushd.broker.amqp.complaints import Complaints
from pushd.broker.amqp.faults import Lost
from pushd.broker.amqp.intake import Intake
from pushd.broker.amqp.outbox import Unroutable
from pushd.broker.amqp.probe import PROBE
from pushd.broker.amqp.stream import StreamConsumer
from pushd.broker.backoff import Backoff
from pushd.broker.mark import Mark
from pushd.config import Broker
from pushd.interfaces import PublishError, ReadError
from pushd.stats import Stats
from tests.support.log import logged
from tests.unit.broker.amqp.fakes import NOTHING, FakeChannel, FakeNode, Heard


class Marks:
    """A publisher of marks: they are confirmed at once, unless a test wants it otherwise."""

    def __init__(self) -> None:
        self.sent: list[Mark] = []
        self.probes = 0
        self.probing: PublishError | None = None
        self.bound = True
        self.deliver: Callable[[], None] = lambda: None
        self.error: PublishError | None = None
        self.confirms: Deferred[None] = succeed(None)
        self.connection: Deferred[None] = succeed(None)
        self.trouble = "no route"

    async def probe(self) -> None:
        """Have it delivered, unless the stream is not bound or a test wants an error."""
        self.probes += 1
        if self.probing is not None:
            raise self.probing
        if self.bound:
            self.deliver()

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
        self.end = 0
        self.marks.deliver = self.probe
        self.consumer = StreamConsumer(
            600,
            publisher=self.marks,
            random=Random(1),
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

    def probe(self) -> None:
        """Deliver a probe through the exchange."""
        properties = {**NOTHING, "headers": {"x-stream-offset": self.end, PROBE: 1}}
        self.channel.deliver(self.end, "x", "", SimpleNamespace(**properties), b"")

    def start(self, end: int = 0) -> None:
        """Have it look for the stream's end, which is where the test says."""
        self.end = end
        self.consumer.start(self.heard)
        self.mark(end)

    def attach(self) -> str:
        """Have a stream that is empty but for marks, at 0, 1 and 2; gives the epoch."""
        self.start()
        self.mark(0, self.marks.sent[0])
        self.mark(1)
        self.mark(2)
        epoch: str = self.heard.told("attached")[-1]
        return epoch

    def again(self, end: int) -> None:
        """Let the connection end and the time pass until the next attempt, which finds the stream's end."""
        self.end = end
        self.node.link.lose()
        self.clock.advance(1)
        assert {"x-stream-offset": "next"} == self.channel.arguments
        self.mark(end)


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
    """Its first mark names the epoch once its own mark is back; then it claims the epoch."""
    rig.start()
    assert ("s", {"x-stream-offset": "600s"}) == (rig.channel.queue, rig.channel.arguments)
    [end, own] = rig.marks.sent
    assert ([], False) == (rig.heard.seen, rig.consumer.attached)
    rig.mark(0, end)
    rig.mark(1, own)
    assert [("reset", 0), ("attached", end.nonce)] == rig.heard.seen
    assert ["", "", end.nonce] == [sent.epoch for sent in rig.marks.sent]


def test_the_stream_is_declared_and_bound(rig: Rig) -> None:
    """As it is configured, before anything is read; and it is bound only once it is known whether it was."""
    rig.consumer.start(rig.heard)
    [declared] = rig.node.link.calls("queue_declare")
    assert ("s", True) == (declared["queue"], declared["durable"])
    assert {"x-queue-type": "stream", "x-max-age": "3600s"}.items() <= declared["arguments"].items()  # type: ignore[attr-defined]
    assert (1, []) == (rig.marks.probes, rig.node.link.calls("queue_bind"))
    rig.mark(0)
    assert [{"queue": "s", "exchange": "x"}] == rig.node.link.calls("queue_bind")


def test_reading_back(rig: Rig) -> None:
    """What is there comes first; when no mark in it names the epoch, older ones do."""
    rig.start(7)
    live, end, own = rig.channel, *rig.marks.sent
    live.record(5, b"five")
    live.record(6, b"six")
    live.record(7, b"", **end.headers())
    live.record(8, b"", **own.headers())
    assert [("reset", 4), ("message", (5, b"five")), ("message", (6, b"six"))] == rig.heard.seen
    assert {"x-stream-offset": "2400s"} == rig.channel.arguments
    rig.mark(8, own)
    assert {"x-stream-offset": "first"} == rig.channel.arguments
    rig.mark(1, Mark("first"))
    rig.mark(8, own)
    assert (["first"], "first") == (rig.heard.told("attached"), rig.marks.sent[-1].epoch)
    live.record(9, b"live")
    assert ((9, b"live"), 9) == (rig.heard.told("message")[-1], rig.consumer.offset)


def test_an_older_claim(rig: Rig) -> None:
    """It ends the search; the stream need not be read from its start."""
    rig.start(7)
    own = rig.marks.sent[-1]
    rig.channel.record(6, b"six")
    rig.mark(8, own)
    rig.mark(1, Mark("first"))
    rig.mark(2, Mark("claim", "epoch", "1:first"))
    rig.mark(8, own)
    assert ["epoch"] == rig.heard.told("attached")


def test_acknowledges(rig: Rig) -> None:
    """Marks by itself, messages when they are finished."""
    rig.attach()
    assert [1, 2] == rig.channel.acks
    rig.channel.record(3)
    assert [1, 2] == rig.channel.acks
    rig.consumer.ack(3)
    assert [1, 2, 3] == rig.channel.acks


def test_properties_that_cannot_be_read(rig: Rig) -> None:
    """Nobody knows the offset of such a record; it is counted, and what follows is not harmed."""
    rig.attach()
    rig.channel.deliver(3, "x", "", None, b"poison")
    rig.channel.record(4)
    assert ({"headers": 1}, [(4, b"x")]) == (dict(rig.stats.dropped), rig.heard.told("message"))


def test_a_probe_is_no_message(rig: Rig) -> None:
    """One with a body is a publication."""
    rig.attach()
    rig.end = 3
    rig.probe()
    rig.channel.record(4, b"x", **{PROBE: 1})
    assert [(4, b"x")] == rig.heard.told("message")


def test_a_forged_mark(rig: Rig) -> None:
    """What came through the exchange is a publication, whatever its headers."""
    epoch = rig.attach()
    forged = Mark("f", "e", f"2:{rig.marks.sent[-1].nonce}")
    properties = {**NOTHING, "headers": {"x-stream-offset": 3, **forged.headers()}}
    rig.channel.deliver(3, "x", "", SimpleNamespace(**properties), b"")
    assert ([(3, b"")], [epoch]) == (rig.heard.told("message"), rig.heard.told("attached"))


def test_a_queue_that_turns_out_to_be_no_stream(rig: Rig) -> None:
    """A delivery without an offset has no place in the log: the reason says so, without a traceback."""
    rig.attach()
    with logged("pushd.broker") as log:
        rig.channel.deliver(2, "x", "", SimpleNamespace(**{**NOTHING, "headers": {}}), b"x")
    assert ["s is no stream: a delivery from it has no offset"] == rig.heard.told("detached")
    assert ([], []) == (log.tracebacks, rig.heard.told("message"))


def test_marks_alone_are_acknowledged_within_a_second(rig: Rig) -> None:
    """A stream without messages still has marks, which nobody else finishes."""
    rig.attach()
    rig.clock.advance(1)
    assert 2 == rig.channel.acks[-1]


def test_resumes(rig: Rig) -> None:
    """After a loss it goes on at the last mark it has read, without a reset, and repeats nothing."""
    epoch = rig.attach()
    rig.channel.record(3, b"before")
    claim = rig.marks.sent[-1]
    rig.again(5)
    assert {"x-stream-offset": 2} == rig.channel.arguments
    rig.mark(2, claim)
    rig.channel.record(3, b"before")
    rig.channel.record(4, b"meanwhile")
    rig.mark(6)
    assert [(3, b"before"), (4, b"meanwhile")] == rig.heard.told("message")
    assert ([0], [epoch, epoch]) == (rig.heard.told("reset"), rig.heard.told("attached"))


def test_a_stream_that_is_shorter_now(rig: Rig) -> None:
    """It ends before the place to resume at, so it is another: everything begins anew."""
    epoch = rig.attach()
    rig.again(0)
    assert {"x-stream-offset": "600s"} == rig.channel.arguments
    rig.mark(0, rig.marks.sent[-2])
    rig.mark(1)
    assert [0, 0] == rig.heard.told("reset")
    assert (2, epoch) == (len(set(rig.heard.told("attached"))), rig.heard.told("attached")[0])


def test_a_stream_that_lost_its_end(rig: Rig) -> None:
    """What is published now has offsets that were read before: everything begins anew, nothing is skipped."""
    rig.attach()
    for offset in (3, 4, 5):
        rig.channel.record(offset, b"lost")
    rig.again(5)
    assert {"x-stream-offset": "600s"} == rig.channel.arguments
    rig.mark(0, Mark("first"))
    rig.channel.record(4, b"new")
    assert ([0, 0], (4, b"new")) == (rig.heard.told("reset"), rig.heard.told("message")[-1])


def test_another_stream_in_its_place(rig: Rig) -> None:
    """What stands where the own mark stood gives it away; the attempt after that begins anew."""
    rig.attach()
    rig.again(40)
    rig.channel.record(2, b"foreign")
    assert "no longer holds the place" in rig.consumer.trouble
    assert [] == rig.heard.told("message")
    rig.again(41)
    assert {"x-stream-offset": "600s"} == rig.channel.arguments


def test_another_epoch_by_another_instance(rig: Rig) -> None:
    """Its claim that counts wins; the same consumer goes on."""
    rig.attach()
    rig.mark(3, Mark("theirs", "other", f"2:{rig.marks.sent[-1].nonce}"))
    assert [("reset", 3), ("attached", "other")] == rig.heard.seen[-2:]
    assert ([], 1) == (rig.heard.told("detached"), len(rig.node.links))
    rig.channel.record(4, b"four")
    assert [(4, b"four")] == rig.heard.told("message")


def test_another_instance_finds_that_messages_are_missing(rig: Rig) -> None:
    """This one stops at its suspension and goes on with its claim, in time before it does anything itself."""
    rig.attach()
    newest = rig.marks.sent[-1].nonce
    sent = len(rig.marks.sent)
    rig.mark(3, Mark("theirs", basis=f"2:{newest}", suspends=True))
    assert ["detached", "reset"] == [kind for kind, _ in rig.heard.seen[-2:]]
    rig.channel.record(4, b"four")
    rig.mark(5, Mark("more", "other", "3:theirs", "old"))
    assert [("message", (4, b"four")), ("attached", "other")] == rig.heard.seen[-2:]
    assert ([0, 3], sent) == (rig.heard.told("reset"), len(rig.marks.sent))


def test_another_instance_dies_over_it(rig: Rig) -> None:
    """Then this one binds the stream, and claims another epoch."""
    rig.attach()
    rig.mark(3, Mark("theirs", basis=f"2:{rig.marks.sent[-1].nonce}", suspends=True))
    for _ in range(4 * 4):
        if len(rig.node.link.calls("queue_bind")) < 2:
            rig.clock.advance(0.25)
    assert 2 == len(rig.node.link.calls("queue_bind"))
    claim = rig.marks.sent[-1]
    assert rig.heard.told("attached") == [claim.replaces]
    rig.mark(4, claim)
    assert ("attached", claim.epoch) == rig.heard.seen[-1]


def lost(rig: Rig, seconds: float = 2.0) -> None:
    """Have the stream lose its binding, and the time pass in which that is found."""
    rig.marks.bound = False
    for _ in range(round(seconds * 4)):
        rig.clock.advance(0.25)
        if rig.heard.told("detached"):
            return
        if rig.marks.sent[-1].epoch and not rig.marks.sent[-1].replaces:
            rig.mark(rig.end + 3)  # the mark behind the probe comes back
            rig.end += 1


def test_a_lost_binding(rig: Rig) -> None:
    """Found when a mark, published after the probe, arrives without it; told in this order."""
    epoch = rig.attach()
    lost(rig)
    assert ["what is published does not arrive"] == rig.heard.told("detached")
    suspension, claim = rig.marks.sent[-2:]
    assert (True, epoch) == (suspension.suspends, claim.replaces)
    assert 2 == len(rig.node.link.calls("queue_bind"))
    rig.mark(20, suspension)
    rig.channel.record(21, b"after")
    rig.mark(22, claim)
    assert [("reset", 20), ("message", (21, b"after")), ("attached", claim.epoch)] == rig.heard.seen[-3:]
    assert (1, True) == (len(rig.node.links), rig.consumer.attached)


def test_a_probe_that_comes_late(rig: Rig) -> None:
    """Nothing is lost as long as it stands before the mark."""
    rig.attach()
    rig.marks.deliver = lambda: None
    rig.clock.pump([0.25] * 7)
    rig.end = 3
    rig.probe()
    rig.mark(4)
    assert [] == rig.heard.told("detached")


def test_a_mark_that_cannot_be_published_after_a_probe(rig: Rig) -> None:
    """Then nothing is known."""
    rig.attach()
    rig.marks.deliver = lambda: None
    rig.marks.error = PublishError("low on memory", temporary=True)
    rig.clock.pump([0.25] * 20)
    assert [] == rig.heard.told("detached")


def test_a_renewal_that_is_owed_when_the_session_ends(rig: Rig) -> None:
    """It is made good in the next one, whoever has bound the stream meanwhile."""
    rig.attach()
    claim = rig.marks.sent[-1]
    rig.marks.error = PublishError("low on memory", temporary=True)
    rig.consumer.rebind(0)
    assert not rig.consumer.attached
    rig.marks.error = None
    rig.again(5)
    rig.mark(2, claim)
    rig.mark(6)
    assert not rig.consumer.attached
    renewal = rig.marks.sent[-1]
    rig.mark(7, rig.marks.sent[-2])
    rig.mark(8, renewal)
    assert ("attached", renewal.epoch) == rig.heard.seen[-1]


def test_unbound_while_away(rig: Rig) -> None:
    """A probe before the binding shows it: a suspension goes ahead, and a renewal follows."""
    rig.attach()
    claim = rig.marks.sent[-1]
    rig.marks.bound = False
    rig.again(5)
    end, suspension, own = rig.marks.sent[-3:]
    assert (f"5:{end.nonce}", True) == (suspension.basis, suspension.suspends)
    rig.mark(2, claim)
    rig.mark(5, end)
    rig.mark(6, suspension)
    rig.mark(7, own)
    assert (1, False) == (len(rig.heard.told("attached")), rig.consumer.attached)
    rig.mark(8)
    assert 2 == len(set(rig.heard.told("attached")))


def test_a_stream_that_is_just_born(rig: Rig) -> None:
    """It was bound by nobody, and nobody holds a position: nothing is renewed."""
    rig.marks.bound = False
    rig.start()
    end, suspension, own = rig.marks.sent
    rig.mark(0, end)
    rig.mark(1, suspension)
    rig.mark(2, own)
    assert ([end.nonce], True) == (rig.heard.told("attached"), rig.consumer.attached)


def test_unroutable_while_attaching(rig: Rig) -> None:
    """A probe that is returned is as good as one that does not come."""
    rig.marks.probing = Unroutable("x", "")
    rig.start()
    assert rig.marks.sent[1].suspends


def test_no_probe_while_attaching(rig: Rig) -> None:
    """When none can be published, nothing is known of the binding, and it is made."""
    rig.marks.probing = PublishError("low on memory", temporary=True)
    rig.attach()
    assert (1, False) == (len(rig.node.link.calls("queue_bind")), any(m.suspends for m in rig.marks.sent))


def test_a_binding_that_is_refused_while_attaching(rig: Rig) -> None:
    """What is proven to be bound is used as it is; otherwise the reason is told."""
    rig.consumer.start(rig.heard)
    rig.node.link.refusals["queue_bind"] = Lost("403 ACCESS_REFUSED", 403)
    rig.mark(0)
    rig.mark(0, rig.marks.sent[0])
    rig.mark(1)
    assert rig.consumer.attached


def test_a_missing_binding_that_is_refused_while_attaching(rig: Rig) -> None:
    """There is nothing to consume."""
    rig.marks.bound = False
    rig.consumer.start(rig.heard)
    rig.node.link.refusals["queue_bind"] = Lost("403 ACCESS_REFUSED", 403)
    rig.mark(0)
    assert "here: 403 ACCESS_REFUSED" == rig.consumer.trouble


def test_marks_that_are_refused(rig: Rig) -> None:
    """The stream is bound all the same: publications need a place."""
    rig.marks.error = PublishError("not confirmed", temporary=True)
    rig.marks.error.__cause__ = Lost("403 ACCESS_REFUSED", 403)
    rig.consumer.start(rig.heard)
    assert (1, "here: 403 ACCESS_REFUSED") == (len(rig.node.link.calls("queue_bind")), rig.consumer.trouble)


def test_a_silent_broker(rig: Rig) -> None:
    """However long it takes, the consumer is not taken for deaf: it goes on where it was."""
    epoch = rig.attach()
    rig.clock.pump([0.25] * 80)
    rig.node.link.answers = False
    rig.clock.pump([0.25] * 200)
    rig.node.link.answer()
    assert ([epoch, epoch], 1) == (rig.heard.told("attached"), len(rig.node.links))
    assert ["the broker does not answer"] == rig.heard.told("detached")


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
    assert (4, []) == (len(rig.marks.sent), rig.heard.told("detached"))
    rig.marks.error = Unroutable("", "s")
    rig.clock.advance(20)
    assert ["there is no queue s"] == rig.heard.told("detached")


def test_claims_again_and_again(rig: Rig) -> None:
    """Each is the next canary: one that is confirmed and does not come back means that nothing does."""
    epoch = rig.attach()
    rig.clock.pump([2.0] * 10)
    assert [epoch, epoch] == [mark.epoch for mark in rig.marks.sent[2:]]
    rig.mark(3)
    rig.marks.probing = PublishError("low on memory", temporary=True)
    while len(rig.marks.sent) == 4:
        rig.clock.advance(2)
    rig.clock.pump([2.0] * 10)
    assert (5, True) == (len(rig.marks.sent), rig.consumer.attached)
    rig.clock.advance(2)
    assert ["the consumer hears nothing, though a mark stands in the stream"] == rig.heard.told("detached")


def test_a_full_window_is_no_silence(rig: Rig) -> None:
    """What the hub has not finished with keeps the broker from sending more; silence begins after that."""
    rig.attach()
    rig.marks.deliver = lambda: None
    rig.channel.record(3)
    rig.clock.pump([2.0] * 60)
    rig.consumer.ack(3)
    rig.clock.pump([2.0] * 10)
    assert [] == rig.heard.told("detached")
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
    rig.start(4)
    rig.channel.record(5)
    rig.mark(6)
    for offset in range(20):
        rig.clock.advance(2)
        rig.channel.record(offset)
    assert (2, False) == (len(rig.marks.sent), rig.consumer.attached)


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
        rig.again(4)
        rig.mark(2, rig.marks.sent[2])
        rig.mark(5)
        assert rig.consumer.attached
    assert (["trouble with the broker at here: gone"], []) == (log.warnings, log.tracebacks)
