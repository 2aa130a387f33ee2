"""pushd.broker.amqp.wire against the bytes of a broker; real ones are in tests/contracts/test_broker.py."""

from __future__ import annotations

from struct import pack
from typing import Any

import pytest
from pika import ConnectionParameters
from pika.exceptions import AMQPError, AMQPHeartbeatTimeout, ConnectionClosedByBroker
from pika.frame import Header
from pika.spec import BasicProperties, Connection
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.task import Clock

from pushd.broker.amqp.header import ContentHeader
from pushd.broker.amqp.wire import Wire
from tests.support.log import logged
from tests.unit.broker.amqp.peer import Peer, frame


class Rig:
    """A connection, what is at its other end, and what is consumed over it."""

    def __init__(self) -> None:
        self.clock: Any = Clock()
        self.peer = Peer()
        self.wire = Wire(self.clock, ConnectionParameters(heartbeat=30))
        self.opened: list[Any] = []
        self.wire.opened.addCallbacks(self.opened.append, lambda failure: self.opened.append(failure.value))
        self.messages: list[tuple[bytes, Any]] = []
        self.closed: list[Exception] = []

    def consume(self) -> None:
        """Log in, open a channel and have messages delivered."""
        self.peer.accept(self.wire)
        channel = self.wire.engine.channel(on_open_callback=lambda _: None)
        channel.add_on_close_callback(lambda _, cause: self.closed.append(cause))
        self.peer.run()
        channel.basic_consume("q", self.deliver)
        self.peer.run()

    def deliver(self, _: object, __: object, properties: Any, body: bytes) -> None:
        """Keep it."""
        self.messages.append((body, properties))

    def receive(self, data: bytes) -> None:
        """Have bytes arrive."""
        self.wire.dataReceived(data)


@pytest.fixture
def rig() -> Rig:
    """One that is not connected yet."""
    return Rig()


_DATE = b"T" + pack(">Q", 1 << 60)
"""One beyond the year 9999."""


def nested(depth: int) -> bytes:
    """Make a list in a list in a list."""
    value = b"V"
    for _ in range(depth):
        value = b"A" + pack(">L", len(value)) + value
    return value


def poisoned(peer: Peer, body: bytes, value: bytes = _DATE) -> bytes:
    """Make the frames of a message that has a header with a value that pika cannot read."""
    field = b"\x01x" + value
    properties = pack(">HHQHL", 60, 0, len(body), 1 << 13, len(field)) + field
    return peer.deliver() + frame(2, properties) + (frame(3, body) if body else b"")


def test_logs_in(rig: Rig) -> None:
    """The client speaks first, and small writes do not wait for each other."""
    rig.peer.accept(rig.wire)
    assert ([rig.wire], True, None) == (rig.opened, rig.wire.is_open, rig.wire.cause)
    assert rig.peer.no_delay
    assert "PLAIN" == rig.peer.methods(Connection.StartOk)[0].mechanism


@pytest.mark.parametrize("size", [1, 3, 7, 8, 9, 1000])
def test_frames_however_they_are_cut(rig: Rig, size: int) -> None:
    """Messages come out whole and in order, wherever reads begin and end."""
    rig.consume()
    bodies = [b"x" * 20, b"", frame(8, b"", 0), b"AMQP"]
    data = b"".join(rig.peer.delivery(body) + frame(8, b"", 0) for body in bodies)
    before = rig.wire.engine.bytes_received
    for start in range(0, len(data), size):
        rig.receive(data[start : start + size])
    assert bodies == [body for body, _ in rig.messages]
    assert len(data) == rig.wire.engine.bytes_received - before


def test_frames_come_alone(rig: Rig) -> None:
    """While one is handled pika holds nothing of what came with it, which it would copy again for each."""
    held: list[int] = []
    rig.deliver = lambda *_: held.append(len(rig.wire.engine._frame_buffer))  # type: ignore[method-assign]
    rig.consume()
    rig.receive(rig.peer.delivery(b"x") * 3 + b"beginning of the next")
    assert [0, 0, 0] == held


def test_another_version(rig: Rig) -> None:
    """A broker that answers with its own protocol header and leaves is no surprise."""
    rig.wire.makeConnection(rig.peer)
    rig.peer.protocol = rig.wire
    rig.receive(b"AMQP\x00\x01\x00\x00")
    assert [] == rig.opened
    rig.peer.lose()
    assert [rig.wire.cause] == rig.opened


@pytest.mark.parametrize("value", [_DATE, nested(3000), b"?", b"d\x7f\xf0" + bytes(6)])
@pytest.mark.parametrize("body", [b"", b"x"])
def test_properties_that_pika_cannot_read(rig: Rig, body: bytes, value: bytes) -> None:
    """A message with an impossible date, number, list or type arrives; what follows is not harmed."""
    rig.consume()
    rig.receive(
        poisoned(rig.peer, body, value) + rig.peer.delivery(b"good", BasicProperties(headers={"x": True}))
    )
    [(first, unread), (good, properties)] = rig.messages
    assert (body, b"good", {"x": True}) == (first, good, properties.headers)
    assert isinstance(unread, ContentHeader)


def test_properties_that_nobody_can_read(rig: Rig) -> None:
    """A header that ends within a property arrives without any."""
    rig.consume()
    rig.receive(rig.peer.deliver() + frame(2, pack(">HHQHB", 60, 0, 1, 1 << 13, 9)) + frame(3, b"x"))
    assert [(b"x", None)] == rig.messages


class Bounded(Rig):
    """A connection that keeps no body above four bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.wire = Wire(self.clock, ConnectionParameters(heartbeat=30), 4)


def pieces(peer: Peer, size: int, *bodies: bytes) -> bytes:
    """Make the frames of a message that is cut into several."""
    header = Header(peer.channel, size, BasicProperties(headers={"a": 1})).marshal()
    return b"".join([peer.deliver(), header, *(frame(3, body, peer.channel) for body in bodies)])


@pytest.mark.parametrize("cut", [1, 1000])
def test_a_body_that_is_too_large_is_not_kept(cut: int) -> None:
    """Its message arrives without it, known by its properties; what follows is not harmed."""
    rig = Bounded()
    rig.consume()
    before = rig.wire.engine.bytes_received
    data = rig.peer.delivery(b"1234") + pieces(rig.peer, 7, b"1234", b"567") + rig.peer.delivery(b"good")
    for start in range(0, len(data), cut):
        rig.receive(data[start : start + cut])
    [first, (body, properties), good] = rig.messages
    assert (b"1234", b"", b"good") == (first[0], body, good[0])
    assert ({"a": 1}, True) == (properties.headers, properties.too_large)
    assert len(data) == rig.wire.engine.bytes_received - before
    assert {} == rig.wire._skipping


def test_a_skipped_body_is_never_held() -> None:
    """The announcement is enough: its message is there before its first byte."""
    rig = Bounded()
    rig.consume()
    rig.receive(pieces(rig.peer, 1 << 40))
    assert 1 == len(rig.messages)
    rig.receive(frame(3, bytes(1000), rig.peer.channel) * 10)
    assert (1, b"") == (len(rig.messages), rig.wire._rest)


def test_other_channels_go_on_while_a_body_is_skipped() -> None:
    """Frames of another channel, and heartbeats, come between its frames."""
    rig = Bounded()
    rig.consume()
    other = rig.wire.engine.channel(on_open_callback=lambda _: None)
    rig.peer.run()
    rig.receive(pieces(rig.peer, 9, b"123456") + frame(8, b"", 0))
    mine, rig.peer.channel = rig.peer.channel, other.channel_number
    opened: list[object] = []
    other.basic_qos(prefetch_count=1, callback=opened.append)
    rig.peer.run()
    assert 1 == len(opened)
    rig.peer.channel = mine
    rig.receive(frame(3, b"789", mine) + rig.peer.delivery(b"good"))
    assert [b"", b"good"] == [body for body, _ in rig.messages]


def test_a_body_that_is_given_up() -> None:
    """A channel that is closed within a body sends no more of it: its next message is whole."""
    rig = Bounded()
    rig.consume()
    rig.receive(pieces(rig.peer, 9, b"123") + rig.peer.delivery(b"good"))
    assert [b"", b"good"] == [body for body, _ in rig.messages]


@pytest.mark.parametrize(
    ("broken", "cause", "tracebacks"),
    [
        (frame(1, pack(">HH", 999, 999) + bytes(20)), KeyError, 1),
        (frame(2, pack(">HHQH", 60, 0, 1, 0))[:-1] + b"!", AMQPError, 0),
    ],
)
def test_what_cannot_be_handled(rig: Rig, broken: bytes, cause: type, tracebacks: int) -> None:
    """A method that nobody knows, or no frame at all: it ends this connection, at once and with a reason.

    What is no AMQP is the peer's fault and known by its name; anything else is worth a traceback.
    """
    rig.consume()
    with logged("pushd.broker") as log:
        rig.receive(broken + rig.peer.delivery(b"never"))
    assert ([], ["abort"], tracebacks) == (rig.messages, rig.peer.ends, len(log.tracebacks))
    assert isinstance(rig.wire.cause, cause)
    assert [rig.wire.cause] == rig.closed


@pytest.mark.parametrize("body", [b"", b"x"])
def test_a_consumer_that_fails(rig: Rig, body: bytes) -> None:
    """It is not called again for the same message, though that was well; it has ended the connection."""
    calls: list[bytes] = []

    def deliver(_: object, __: object, ___: object, body: bytes) -> None:
        calls.append(body)
        raise ValueError("the consumer's own fault")

    rig.deliver = deliver  # type: ignore[method-assign, assignment]
    rig.consume()
    with logged("pushd.broker") as log:
        rig.receive(rig.peer.delivery(body))
    assert ([body], 1, ["abort"]) == (calls, len(log.tracebacks), rig.peer.ends)
    assert isinstance(rig.wire.cause, ValueError)


@pytest.mark.parametrize(
    ("asked", "code", "text"),
    [
        (Connection.StartOk, 403, "ACCESS_REFUSED - Login was refused"),
        (Connection.Open, 530, "NOT_ALLOWED - vhost zz not found"),
    ],
)
def test_a_refused_login(rig: Rig, asked: type, code: int, text: str) -> None:
    """It fails with what the broker said."""
    rig.peer.answers[asked] = Connection.Close(code, text, 0, 0)
    rig.peer.accept(rig.wire)
    [error] = rig.opened
    assert isinstance(error, ConnectionClosedByBroker)
    assert (code, text) == (error.reply_code, error.reply_text)
    assert error is rig.wire.cause


def test_closed_by_the_broker(rig: Rig) -> None:
    """Channels hear what an administrator said, too, and so does whoever waits for the end."""
    rig.consume()
    ends: list[object] = []
    rig.wire.closed.addCallback(ends.append)  # type: ignore[union-attr]
    rig.peer.say(Connection.Close(320, "CONNECTION_FORCED - maintenance", 0, 0))
    assert isinstance(rig.wire.cause, ConnectionClosedByBroker)
    assert "CONNECTION_FORCED - maintenance" == rig.wire.cause.reply_text
    assert ([rig.wire.cause], [rig.wire.cause]) == (rig.closed, ends)


def test_cause_of_the_transport(rig: Rig) -> None:
    """Without anything better it is what the transport says."""
    rig.consume()
    rig.peer.lose()
    assert isinstance(rig.wire.cause, ConnectionDone)
    assert ([rig.wire.cause], []) == (rig.closed, rig.clock.getDelayedCalls())


@pytest.mark.parametrize(("obeys", "ends"), [(False, ["lose", "abort"]), (True, ["lose"])])
def test_lost_heartbeats(rig: Rig, obeys: bool, ends: list[str]) -> None:
    """A peer that is not heard gets some time to end the connection, then it is cut."""
    rig.peer.obeys = obeys
    rig.consume()
    while not rig.peer.ends:
        rig.clock.advance(1)
    rig.peer.run()
    rig.clock.advance(4.9)
    assert ["lose"] == rig.peer.ends
    rig.clock.advance(0.1)
    assert (ends, []) == (rig.peer.ends, rig.clock.getDelayedCalls())
    assert isinstance(rig.wire.cause, AMQPHeartbeatTimeout)


def test_cut_later_is_cut_once(rig: Rig) -> None:
    """However often it is asked for, the time counts from the first."""
    rig.consume()
    rig.wire.cut_later()
    rig.clock.advance(4)
    rig.wire.cut_later()
    rig.clock.advance(1)
    assert ["abort"] == rig.peer.ends
    assert isinstance(rig.wire.cause, ConnectionAborted)


def test_cut(rig: Rig) -> None:
    """It can be cut at once; before there is a connection, and after it, there is nothing to cut."""
    rig.wire.cut()
    rig.consume()
    rig.wire.cut()
    rig.wire.cut()
    assert ["abort"] == rig.peer.ends
