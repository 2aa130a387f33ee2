"""pushd.broker.amqp.wire, fed with bytes; logins and real traffic are in tests/contracts/test_broker.py."""

from __future__ import annotations

from struct import pack
from typing import Any

import pika
import pytest
from pika.frame import Body, Header, Heartbeat, ProtocolHeader
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock

from pushd.broker.amqp.wire import Wire


class Transport:
    """Takes bytes, and ends as it is told."""

    def __init__(self) -> None:
        self.written = b""
        self.ends: list[str] = []

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.written += data

    def loseConnection(self) -> None:
        """Note it: this peer never answers."""
        self.ends.append("lose")

    def abortConnection(self) -> None:
        """Note it."""
        self.ends.append("abort")


class Recorder(Wire):
    """Keeps the frames, and does nothing else with them."""

    frames: list[Any]

    def _process_frame(self, frame_value: Any) -> None:
        self.__dict__.setdefault("frames", []).append(frame_value)


@pytest.fixture
def clock() -> Clock:
    """Time stands still unless told."""
    return Clock()


@pytest.fixture
def transport() -> Transport:
    """Where the bytes go."""
    return Transport()


@pytest.fixture
def wire(clock: Clock, transport: Transport) -> Recorder:
    """One that has just been connected."""
    return Recorder(clock, transport, pika.ConnectionParameters(), lambda _: None)  # type: ignore[arg-type]


def frame(kind: int, payload: bytes, channel: int = 1) -> bytes:
    """Make a frame (AMQP 0-9-1 section 4.2.3)."""
    return pack(">BHL", kind, channel, len(payload)) + payload + b"\xce"


def header(size: int, table: bytes) -> bytes:
    """Make a content header with a table of headers."""
    return frame(2, pack(">HHQH", 60, 0, size, 1 << 13) + pack(">L", len(table)) + table)


def test_begins(wire: Recorder, transport: Transport) -> None:
    """The client speaks first."""
    assert transport.written == b"AMQP\x00\x00\x09\x01"


@pytest.mark.parametrize("size", [1, 3, 7, 8, 9, 1000])
def test_frames_however_they_are_cut(wire: Recorder, size: int) -> None:
    """Frames come out whole and in order, wherever reads begin and end."""
    data = frame(8, b"", 0) + frame(3, b"x" * 20) + frame(8, b"", 0) + frame(3, b"")
    for start in range(0, len(data), size):
        wire.received(data[start : start + size])
    assert [Heartbeat, Body, Heartbeat, Body] == [type(each) for each in wire.frames]
    assert [b"x" * 20, b""] == [each.fragment for each in wire.frames if isinstance(each, Body)]
    assert len(data) == wire.bytes_received


def test_another_version(wire: Recorder) -> None:
    """A broker that answers with its own protocol header is understood."""
    wire.received(b"AMQP\x00\x01\x00\x00")
    assert [ProtocolHeader] == [type(each) for each in wire.frames]


def test_properties_that_pika_cannot_read(wire: Recorder) -> None:
    """A message with an impossible date arrives without properties; what follows is not harmed."""
    wire.received(header(1, b"\x01xT" + pack(">Q", 1 << 60)) + frame(3, b"x"))
    poisoned, body = wire.frames
    assert isinstance(poisoned, Header)
    assert (1, 1, None) == (poisoned.channel_number, poisoned.body_size, poisoned.properties)
    assert body.fragment == b"x"


def test_readable_properties(wire: Recorder) -> None:
    """Others arrive as they are."""
    wire.received(header(0, b"\x01xt\x01"))
    assert {"x": True} == wire.frames[0].properties.headers


def test_broken_method(wire: Recorder) -> None:
    """A method that nobody knows is no matter of one message: it ends the connection."""
    with pytest.raises(KeyError):
        wire.received(frame(1, pack(">HH", 999, 999)))


def test_no_amqp(wire: Recorder) -> None:
    """What is no frame is refused."""
    with pytest.raises(pika.exceptions.AMQPError):
        wire.received(frame(3, b"x")[:-1] + b"!")


def test_cause(wire: Recorder) -> None:
    """What pika found out before the transport went is why, else it is the transport."""
    wire._terminate_stream(pika.exceptions.AMQPHeartbeatTimeout("30 seconds"))
    assert isinstance(wire.ended(ConnectionDone()), pika.exceptions.AMQPHeartbeatTimeout)


def test_cause_of_the_transport(wire: Recorder) -> None:
    """Without anything better it is what the transport says."""
    reason = ConnectionLost()
    assert wire.ended(reason) is reason


def test_peer_that_does_not_answer(wire: Recorder, transport: Transport, clock: Clock) -> None:
    """A peer gets some time to end the connection in good order, then it is cut, once."""
    wire.cut_later()
    wire._terminate_stream(pika.exceptions.AMQPHeartbeatTimeout("30 seconds"))
    clock.advance(4.9)
    assert ["lose"] == transport.ends
    clock.advance(0.1)
    assert ["lose", "abort"] == transport.ends
    wire.ended(ConnectionDone())
    assert not clock.getDelayedCalls()


def test_peer_that_answers(wire: Recorder, transport: Transport, clock: Clock) -> None:
    """When it does end, nothing is left to do."""
    wire.cut_later()
    wire.ended(ConnectionDone())
    assert not clock.getDelayedCalls()


def test_cut(wire: Recorder, transport: Transport) -> None:
    """It can be cut at once."""
    wire.cut()
    assert ["abort"] == transport.ends


def test_timers(wire: Recorder, clock: Clock) -> None:
    """Timers of pika run on our clock and may be cancelled, also when they are over."""
    seen: list[int] = []
    timer = wire._adapter_call_later(1, lambda: seen.append(1))
    clock.advance(1)
    wire._adapter_remove_timeout(timer)
    wire._adapter_remove_timeout(wire._adapter_call_later(1, lambda: seen.append(2)))
    clock.advance(1)
    assert [1] == seen


def test_what_nobody_may_ask(wire: Recorder) -> None:
    """It neither connects by itself nor is used by other threads."""
    with pytest.raises(AssertionError):
        wire._adapter_connect_stream()
    with pytest.raises(AssertionError):
        wire._adapter_add_callback_threadsafe(lambda: None)
