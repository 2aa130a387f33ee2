"""pushd.broker.amqp.link against the bytes of a broker; real ones are in tests/contracts/test_broker.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pika.exceptions import ChannelClosedByBroker, ChannelWrongStateError
from pika.frame import Header, Method
from pika.spec import Basic, BasicProperties, Connection, Queue
from pika.spec import Channel as PikasChannel
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from pushd.broker.amqp.faults import Lost
from pushd.broker.amqp.link import Channel, Link, connect, login
from tests.unit.broker.amqp.peer import Peer


class PikaChannel:
    """pika's channel, which refuses whatever it is asked."""

    is_open = is_closing = False
    is_closed = True

    def __init__(self) -> None:
        self.closed: list[Callable[..., None]] = []

    def add_on_close_callback(self, callback: Callable[..., None]) -> None:
        """Keep it."""
        self.closed.append(callback)

    def basic_qos(self, **_: object) -> None:
        """Refuse."""
        raise ChannelWrongStateError("closing")

    def basic_publish(self, *_: object, **__: object) -> None:
        """Refuse."""
        raise ChannelWrongStateError("closing")

    def end(self) -> None:
        """Have the broker close it."""
        for callback in self.closed:
            callback(self, ChannelClosedByBroker(406, "PRECONDITION_FAILED"))


def channel() -> tuple[PikaChannel, Channel]:
    """Give a channel that is open, and pika's side of it."""
    pikas, opened = PikaChannel(), Deferred[Any]()
    ours = Channel(pikas, opened)
    opened.callback(pikas)
    return pikas, ours


def failure_of(call: Deferred[Any]) -> Exception:
    """Give what a call has failed with already."""
    failures: list[Failure] = []
    call.addErrback(failures.append)
    (failure,) = failures
    error = failure.value
    assert isinstance(error, Exception)
    return error


def test_a_lost_channel_fails_calls_and_tells_late_watchers() -> None:
    """Whoever asks after the end hears why it ended."""
    pikas, ours = channel()
    heard: list[Lost] = []
    ours.watch(heard.append)
    pikas.end()
    ours.watch(heard.append)
    assert [ours.lost, ours.lost] == heard
    assert ours.lost is failure_of(ours.call("basic_qos", prefetch_count=1))


def test_a_refused_call_fails() -> None:
    """What pika raises comes as a failure of the call."""
    _, ours = channel()
    assert isinstance(failure_of(ours.call("basic_qos", prefetch_count=1)), Lost)


def test_a_refused_publication_raises() -> None:
    """A channel that is just closing takes none."""
    _, ours = channel()
    with pytest.raises(Lost):
        ours.publish("x", "", {}, b"")


class Place:
    """An endpoint that leads to a peer; it is connected when a test says so.

    Args:
        peer: Whom it leads to.
    """

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._connecting: Deferred[Any] = Deferred()

    def connect(self, factory: Any) -> Deferred[Any]:
        """See ``IStreamClientEndpoint``."""
        protocol = factory.buildProtocol(None)
        self._connecting.addCallback(lambda _: self._peer.accept(protocol))
        return self._connecting.addCallback(lambda _: protocol)

    def reach(self, error: Exception | None = None) -> None:
        """Have it be connected, or not."""
        if error is None:
            self._connecting.callback(None)
        else:
            self._connecting.errback(error)


class Rig:
    """A connection that has been asked for."""

    def __init__(self) -> None:
        self.clock: Any = Clock()
        self.peer = Peer()
        self.place: Any = Place(self.peer)
        self.outcome: list[Any] = []
        who = login(vhost="v", user="u", password="p", heartbeat=30, name="n")
        self.connecting = Deferred.fromCoroutine(connect(self.clock, self.place, who))
        self.connecting.addBoth(self.outcome.append)

    @property
    def link(self) -> Link:
        """The connection."""
        self.place.reach()
        [link] = self.outcome
        assert isinstance(link, Link)
        return link


@pytest.fixture
def rig() -> Rig:
    """A fresh one."""
    return Rig()


@pytest.fixture
def link(rig: Rig) -> Link:
    """Its connection, logged in."""
    return rig.link


@pytest.fixture
def ours(rig: Rig, link: Link) -> Channel:
    """A channel on that."""
    return now(rig, link.channel())


def now(rig: Rig, call: Deferred[Any]) -> Any:
    """Give what a call comes to when the broker answers."""
    results: list[Any] = []
    call.addCallback(results.append)
    rig.peer.run()
    [result] = results
    return result


def test_logs_in(rig: Rig, link: Link) -> None:
    """As who, where, and under which name for the broker's operator."""
    [start], [opened] = rig.peer.methods(Connection.StartOk), rig.peer.methods(Connection.Open)
    assert (b"\0u\0p", "v") == (start.response, opened.virtual_host)
    assert "n" == start.client_properties["connection_name"]
    assert link.lost is None


def test_a_broker_that_cannot_be_reached(rig: Rig) -> None:
    """The error is the network's own."""
    rig.place.reach(OSError("closed"))
    [failure] = rig.outcome
    assert isinstance(failure.value, OSError)


def test_a_refused_login(rig: Rig) -> None:
    """It fails with what the broker said, and no call is left waiting."""
    rig.peer.answers[Connection.Open] = Connection.Close(530, "NOT_ALLOWED - vhost v not found", 0, 0)
    rig.place.reach()
    [failure] = rig.outcome
    assert (530, True) == (failure.value.code, "vhost v not found" in failure.value.reason)
    assert not [call for call in rig.clock.getDelayedCalls() if call.active()]


def test_a_login_that_is_given_up(rig: Rig) -> None:
    """It leaves no connection behind, nor anybody who waits."""
    rig.peer.answers[Connection.Open] = None
    rig.place.reach()
    assert [] == rig.outcome
    rig.connecting.cancel()
    assert (1, ["abort"]) == (len(rig.outcome), rig.peer.ends)


def test_the_end_of_a_connection(rig: Rig, link: Link) -> None:
    """Whoever watches is told once, whoever comes later at once; channels of it end and are refused."""
    heard: list[Lost] = []
    channel = now(rig, link.channel())
    opening, calling = link.channel(), channel.call("basic_qos", prefetch_count=1)
    link.watch(heard.append)
    rig.peer.lose()
    link.watch(heard.append)
    assert [link.lost, link.lost] == heard
    assert "the broker closed the connection without a reason" == heard[0].reason
    for end in (channel.lost, failure_of(opening), failure_of(calling), failure_of(link.channel())):
        assert isinstance(end, Lost)
        assert heard[0].reason == end.reason


def test_a_channel_that_nobody_waits_for_any_more(rig: Rig, link: Link) -> None:
    """It is closed, for once it is open it would stay so."""
    awaited = link.channel()
    awaited.cancel()
    assert isinstance(failure_of(awaited), CancelledError)
    rig.peer.run()
    assert (1, None) == (len(rig.peer.methods(PikasChannel.Close)), link.lost)


def test_closing(rig: Rig, link: Link) -> None:
    """It is done in good order; asking twice is asking once."""
    gone: list[None] = []
    link.close().addCallback(gone.append)
    link.close().addCallback(gone.append)
    assert isinstance(failure_of(link.channel()), Lost)
    assert [] == gone
    rig.peer.run()
    link.close().addCallback(gone.append)
    assert 1 == len(rig.peer.methods(Connection.Close))
    assert ([None] * 3, ["lose"], []) == (gone, rig.peer.ends, rig.clock.getDelayedCalls())


def test_closing_with_a_broker_that_does_not_answer(rig: Rig, link: Link) -> None:
    """It is cut after a while."""
    rig.peer.answers[Connection.Close] = None
    gone: list[None] = []
    link.close().addCallback(gone.append)
    rig.peer.run()
    rig.clock.advance(4.9)
    assert [] == gone
    rig.clock.advance(0.1)
    assert ([None], ["abort"]) == (gone, rig.peer.ends)


def test_a_blocked_connection(rig: Rig, link: Link) -> None:
    """The broker says so, and why, and when it is over."""
    told: list[str] = []
    link.watch_blocked(lambda: told.append(link.blocked))
    received = link.received
    rig.peer.say(Connection.Blocked("low on memory"))
    assert "low on memory" in link.blocked
    assert ([link.blocked], True) == (told, link.received > received)
    rig.peer.say(Connection.Unblocked())
    assert "" == link.blocked


def test_a_call(rig: Rig, ours: Channel) -> None:
    """It gives the answer's fields."""
    assert "q" == now(rig, ours.call("queue_declare", queue="")).queue


def test_a_refused_call_takes_the_channel_along(rig: Rig, link: Link, ours: Channel) -> None:
    """But not the connection."""
    rig.peer.answers[Queue.Declare] = PikasChannel.Close(406, "PRECONDITION_FAILED", 0, 0)
    call = ours.call("queue_declare", queue="")
    rig.peer.run()
    assert (406, None) == (failure_of(call).code, link.lost)  # type: ignore[attr-defined]
    ours.close()
    ours.ack(5)
    rig.peer.run()
    assert [] == rig.peer.methods(Basic.Ack) + rig.peer.methods(PikasChannel.Close)


def test_consuming(rig: Rig, ours: Channel) -> None:
    """Deliveries come as plain values; one acknowledgement is for all up to it."""
    seen: list[tuple[object, ...]] = []
    ended: list[None] = []
    arguments = {"x-stream-offset": "next"}
    now(rig, ours.consume("q", lambda *values: seen.append(values), lambda: ended.append(None), arguments))
    [asked] = rig.peer.methods(Basic.Consume)
    assert ("q", arguments, False) == (asked.queue, asked.arguments, asked.no_ack)
    rig.peer.protocol.dataReceived(rig.peer.delivery(b"x", BasicProperties(type="t"), tag=7))
    [(tag, exchange, routing_key, properties, body)] = seen
    assert (7, "x", "key", "t") == (tag, exchange, routing_key, properties.type)  # type: ignore[attr-defined]
    assert b"x" == body
    ours.ack(7)
    rig.peer.run()
    assert [(7, True)] == [(ack.delivery_tag, ack.multiple) for ack in rig.peer.methods(Basic.Ack)]
    rig.peer.say(Basic.Cancel(rig.peer.consumer, nowait=True), channel=1)
    assert ([None], None) == (ended, ours.lost)


def test_publishing(rig: Rig, ours: Channel) -> None:
    """Each is confirmed by number, or refused; what reached no queue is returned before that."""
    news: list[tuple[object, ...]] = []
    now(rig, ours.confirm(lambda *values: news.append(values), lambda *values: news.append(values)))
    ours.publish("x", "key", {"correlation_id": "1"}, b"body")
    rig.peer.run()
    [published] = rig.peer.methods(Basic.Publish)
    assert ("x", "key", True) == (published.exchange, published.routing_key, published.mandatory)
    returned = Method(1, Basic.Return(312, "NO_ROUTE", "x", "key")).marshal()
    content = Header(1, 0, BasicProperties(correlation_id="1")).marshal()
    rig.peer.protocol.dataReceived(returned + content)
    rig.peer.say(Basic.Ack(1), channel=1)
    rig.peer.say(Basic.Nack(3, multiple=True), channel=1)
    assert [("x", "key", "1"), (1, False, True), (3, True, False)] == news


def test_closing_a_channel(rig: Rig, ours: Channel) -> None:
    """Once is enough."""
    ours.close()
    ours.close()
    rig.peer.run()
    assert 1 == len(rig.peer.methods(PikasChannel.Close))
    assert isinstance(ours.lost, Lost)
