from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport

from pushd.client.sendqueue import PIECE
from pushd.client.transport import Outlet, TransportOutlet, outlet_for
from tests.support.line import Line

LIMIT = 100_000


class Owner:
    """Counts what it is told."""

    def __init__(self) -> None:
        self.congestions = 0
        self.drains = 0
        self.overflows = 0

    def congested(self) -> None:
        """Count."""
        self.congestions += 1

    def drained(self) -> None:
        """Count."""
        self.drains += 1

    def overflowed(self) -> None:
        """Count."""
        self.overflows += 1


@pytest.fixture
def line() -> Iterator[Line]:
    """A connection whose reader reads when told to."""
    line = Line()
    yield line
    line.close()


def outlet_of(line: Line, limit: int = LIMIT) -> tuple[Outlet, Owner]:
    """Make the outlet of our end."""
    owner = Owner()
    outlet = outlet_for(line.transport, owner, limit)
    assert isinstance(outlet, Outlet)
    return outlet, owner


def numbered(count: int) -> list[bytes]:
    """Make messages that can be told apart, of growing size."""
    return [b"<%d:%b>" % (number, b"x" * (number * 7 % 3000)) for number in range(count)]


def test_what_the_socket_takes_is_gone_at_once(line: Line) -> None:
    """No turn of the reactor is needed, none is asked for, nothing is told."""
    outlet, owner = outlet_of(line)

    assert outlet.write(b"hello")
    assert b"hello" == line.hear()
    assert not line.reactor.writers
    assert (0, 0, 0) == (owner.congestions, owner.drains, owner.overflows)


def test_a_remainder_leaves_by_the_reactor_and_the_end_is_told(line: Line) -> None:
    """All arrives in order, once; then the socket is free again."""
    outlet, owner = outlet_of(line)
    data = bytes(range(256)) * 1000

    assert not outlet.write(data)
    assert (1, 0) == (owner.congestions, owner.drains)
    assert data == line.hear_all()
    assert (1, 1) == (owner.congestions, owner.drains)
    assert outlet.write(b"direct")
    assert b"direct" == line.hear()


def test_what_the_socket_was_given_by_somebody_else(line: Line) -> None:
    """A pass writes to the socket itself; what that does not take leaves before all that is written later."""
    outlet, owner = outlet_of(line, limit=1_000_000)
    data = bytes(range(256)) * 1000

    outlet.keep(data, outlet.socket.send(data))
    assert not outlet.write(b"later")
    assert data + b"later" == line.hear_all()
    assert (1, 1) == (owner.congestions, owner.drains)


def test_what_waits_is_not_copied_by_what_is_added(line: Line) -> None:
    """Small answers by the thousand behind a large backlog must not cost a copy of it each."""
    outlet, _ = outlet_of(line, limit=10_000_000)
    outlet.write(b"x" * 1_000_000)
    outlet.write(b"first")
    assert outlet._waiting
    kept = outlet._waiting._buffers[-1]
    outlet.write(b"second")
    assert kept is outlet._waiting._buffers[-1]
    assert line.hear_all().endswith(b"xfirstsecond")


def test_clients_that_do_not_read_share_what_waits() -> None:
    """A large message is there once, not once for each; what differs is how much of it has left."""
    lines = [Line() for _ in range(20)]
    outlets = [outlet_of(line)[0] for line in lines]
    data = bytes(2_000_000)
    for place, outlet in enumerate(outlets):
        if place % 2:
            outlet.keep(data, outlet.socket.send(data))
        else:
            outlet.write(data)
    lines[0].hear_all()
    held = [outlet._waiting._buffers[0] for outlet in outlets[1:] if outlet._waiting]
    assert 19 == len(held)
    assert all(isinstance(view, memoryview) and view.obj is data for view in held)
    for line in lines:
        line.close()


def test_a_large_message_leaves_piece_by_piece(line: Line) -> None:
    """Twisted is handed every byte once, in pieces; nothing is handed over with all that follows it."""
    outlet, _ = outlet_of(line)
    handed: list[int] = []
    write = line.transport.write
    line.transport.write = lambda data: (handed.append(len(data)), write(data))
    data = bytes(range(256)) * 8000
    sent = outlet.socket.send(data)
    outlet.keep(data, sent)
    assert data == line.hear_all()
    assert {PIECE} == set(handed[:-1])
    assert len(data) - sent == sum(handed)


def test_reading_pauses_and_goes_on(line: Line) -> None:
    """The socket is not looked at meanwhile."""
    outlet, _ = outlet_of(line)
    outlet.pause_reading()
    assert line.transport not in line.reactor.readers
    outlet.resume_reading()
    assert line.transport in line.reactor.readers


def test_order_holds_with_a_slow_reader(line: Line) -> None:
    """Whatever is written while the socket is full or half full comes after what was written before."""
    outlet, owner = outlet_of(line, limit=10_000_000)
    messages = numbered(300)
    heard = b""
    for number, message in enumerate(messages):
        outlet.write(message)
        if number % 3 == 0:
            heard += line.hear(number * 11 % 5000)
            line.turn()
    heard += line.hear_all()

    assert b"".join(messages) == heard
    assert owner.drains
    assert not owner.overflows


def test_a_full_socket_takes_nothing(line: Line) -> None:
    """Then all of it waits."""
    outlet, _ = outlet_of(line)
    size = line.stuff()

    assert not outlet.write(b"hello")
    assert b"." * size + b"hello" == line.hear_all()


def test_too_much_that_waits_is_told_and_dropped(line: Line) -> None:
    """One large message may wait, and small ones behind it up to the limit."""
    outlet, owner = outlet_of(line, limit=1000)
    line.stuff()

    assert not outlet.write(b"x" * 5000)
    assert 0 == owner.overflows
    assert not outlet.write(b"y")
    assert 0 == owner.overflows, "the first piece is with Twisted already"
    assert not outlet.write(b"z" * 1000)
    assert 1 == owner.overflows
    assert not line.hear_all().endswith(b"z")


def test_stuck_counts_from_the_first_question_after_progress(line: Line) -> None:
    """A socket that takes anything is not stuck."""
    outlet, _ = outlet_of(line, limit=10_000_000)
    assert 0.0 == outlet.stuck(1.0)
    line.stuff()
    outlet.write(b"x" * 500_000)
    assert [0.0, 5.0, 9.0] == [outlet.stuck(now) for now in (10.0, 15.0, 19.0)]
    while not line.hear_all():
        pass
    assert 0.0 == outlet.stuck(20.0)


def test_progress_within_a_congestion_ends_being_stuck(line: Line) -> None:
    """Each piece taken begins the count anew."""
    outlet, _ = outlet_of(line, limit=10_000_000)
    line.stuff()
    outlet.write(b"x" * 500_000)
    outlet.stuck(10.0)
    taken = 0
    while taken < 150_000:
        taken += len(line.hear(4000))
        line.turn()
    assert 0.0 == outlet.stuck(20.0)


def test_an_end_waits_for_what_waits(line: Line) -> None:
    """And nothing comes after it."""
    outlet, owner = outlet_of(line)
    data = b"x" * 90_000
    outlet.write(data)
    outlet.loseConnection()
    outlet.loseConnection()

    assert not outlet.write(b"too late")
    assert data == line.hear_all()
    assert not line.open
    assert 0 == owner.drains


def test_an_end_with_nothing_waiting_is_immediate(line: Line) -> None:
    """The next turn closes."""
    outlet, _ = outlet_of(line)
    outlet.write(b"bye")
    outlet.loseConnection()
    assert not outlet.write(b"too late")
    line.turn()
    assert (b"bye", False) == (line.hear(), line.open)


def test_our_direction_alone_can_end(line: Line) -> None:
    """The peer reads an end, and may still send without a reset."""
    outlet, _ = outlet_of(line)
    outlet.write(b"bye")
    outlet.loseWriteConnection()
    line.turn()
    assert b"bye" == line.far.recv(100)
    assert b"" == line.far.recv(100)
    line.say(b"still talking")
    assert line.open


def test_an_abort_drops_everything(line: Line) -> None:
    """Nothing is sent or told afterwards, whatever is still asked."""
    outlet, owner = outlet_of(line)
    line.stuff()
    outlet.write(b"x" * 90_000)
    outlet.abortConnection()
    line.turn()

    assert not line.open
    assert not outlet.write(b"more")
    outlet.loseConnection()
    assert (0, 0) == (owner.drains, owner.overflows)


def test_a_write_to_a_peer_that_is_gone_is_no_error(line: Line) -> None:
    """A broken socket takes nothing; the reactor finds out, and then nothing waits for anybody."""
    outlet, owner = outlet_of(line, limit=1000)
    line.far.close()

    for _ in range(3):
        assert not outlet.write(b"x" * 900)
    line.turn()
    assert not line.open
    assert not outlet.write(b"x" * 9000)
    assert 0 == owner.drains


def test_a_write_after_the_socket_was_closed_is_no_error(line: Line) -> None:
    """As it happens when a connection is lost within the loop that serves it."""
    outlet, owner = outlet_of(line)
    line.transport.abortConnection()
    line.turn()

    assert not outlet.write(b"hello")
    assert not outlet.write(b"hello" * LIMIT)
    assert (0, 0) == (owner.drains, owner.overflows)


class Wrapped(StringTransport):
    """A transport whose socket is none of ours: TLS, say."""

    def __init__(self) -> None:
        super().__init__()
        self.half_closed = False

    def loseWriteConnection(self) -> None:
        """Must not be used: it would end what is underneath."""
        self.half_closed = True


def test_what_is_no_plain_socket_is_written_to() -> None:
    """Every byte goes through the transport, which says when it has too many."""
    transport, owner = Wrapped(), Owner()
    outlet = outlet_for(transport, owner, 10)

    assert isinstance(outlet, TransportOutlet)
    assert outlet.write(b"hello")
    assert 0.0 == outlet.stuck(1.0)
    outlet.pauseProducing()
    assert not outlet.write(b"0123456789")
    assert [0.0, 3.0] == [outlet.stuck(now) for now in (1.0, 4.0)]
    assert not outlet.write(b"!")
    assert (1, 0, 1) == (owner.congestions, owner.drains, owner.overflows)
    outlet.resumeProducing()
    assert 1 == owner.drains
    assert outlet.write(b"again")
    assert b"hello0123456789again" == transport.value()


def test_there_is_no_short_way_around_a_transport() -> None:
    """What a pass cannot give to a socket it gives to the outlet, as a whole."""
    transport = Wrapped()
    outlet = outlet_for(transport, Owner(), 10)

    assert 0 == outlet.socket.send(b"hello")
    outlet.keep(b"hello")
    assert b"hello" == transport.value()


class Tight(Wrapped):
    """A transport that is full after each piece, as TLS is."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[int] = []

    def write(self, data: bytes) -> None:
        """Take it, and no more."""
        super().write(data)
        self.pieces.append(len(data))
        if self.producer is not None and len(data) >= PIECE:
            self.producer.pauseProducing()


def tight(limit: int = LIMIT) -> tuple[Tight, TransportOutlet, Owner]:
    """Make the outlet of a tight transport."""
    transport, owner = Tight(), Owner()
    outlet = outlet_for(transport, owner, limit)
    assert isinstance(outlet, TransportOutlet)
    return transport, outlet, owner


def test_a_transport_gets_a_piece_at_a_time() -> None:
    """A large message is not handed over, and encrypted, at once; what waits of it is shared."""
    transport, outlet, owner = tight(limit=1_000_000)
    data = bytes(range(256)) * 1000
    assert not outlet.write(data)
    assert ([PIECE], 1, 0) == (transport.pieces, owner.congestions, owner.drains)
    assert outlet._waiting
    view = outlet._waiting._buffers[0]
    assert isinstance(view, memoryview)
    assert view.obj is data
    assert not outlet.write(b"later")
    for _ in range(3):
        assert not owner.drains
        outlet.resumeProducing()
    assert [PIECE, PIECE, PIECE, 256_000 - 3 * PIECE, 5] == transport.pieces
    assert (data + b"later", 1, 1) == (transport.value(), owner.congestions, owner.drains)
    assert outlet.write(b"again")


def test_a_transport_that_takes_nothing_bounds_what_waits() -> None:
    """One write may be larger than the limit; what is added to it is counted."""
    _, outlet, owner = tight(limit=PIECE)
    outlet.write(bytes(2 * PIECE))
    assert [0.0, 6.0] == [outlet.stuck(now) for now in (2.0, 8.0)]
    outlet.write(b"!")
    assert (1, 1) == (owner.congestions, owner.overflows)
    outlet.resumeProducing()
    assert [0.0, 1.0] == [outlet.stuck(now) for now in (9.0, 10.0)]


def test_a_transport_ends_when_it_has_been_given_all() -> None:
    """The end waits for all pieces, and nothing is written after it was asked for."""
    transport, outlet, owner = tight()
    outlet.write(bytes(2 * PIECE + 1))
    outlet.loseConnection()
    outlet.write(b"too late")
    outlet.resumeProducing()
    assert not transport.disconnecting
    outlet.resumeProducing()
    assert (2 * PIECE + 1, True, 0) == (len(transport.value()), transport.disconnecting, owner.drains)
    outlet.resumeProducing()
    assert not outlet.write(b"too late")


def test_a_transport_is_read_or_not() -> None:
    """It pauses what it reads from."""
    transport, outlet, _ = tight()
    outlet.pause_reading()
    assert "paused" == transport.producerState
    outlet.resume_reading()
    assert "producing" == transport.producerState


class Secured(Protocol):
    """What ``startTLS`` puts in a protocol's place, as far as a transport asks it."""

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """Take it."""


def test_tls_on_a_plain_transport_is_respected() -> None:
    """After ``startTLS`` the socket would carry plain text between the ciphers."""
    line = Line(Secured())
    line.transport.TLS = True
    assert isinstance(outlet_for(line.transport, Owner(), LIMIT), TransportOutlet)
    line.close()


@pytest.mark.parametrize("how", ["loseConnection", "loseWriteConnection"])
def test_a_wrapped_transport_ends_as_a_whole(how: str) -> None:
    """Its producer leaves first, or it would never end."""
    transport = Wrapped()
    outlet: Any = outlet_for(transport, Owner(), LIMIT)
    getattr(outlet, how)()
    getattr(outlet, how)()

    assert not outlet.write(b"too late")
    assert (b"", True, False) == (transport.value(), transport.disconnecting, transport.half_closed)
    assert transport.producer is None


def test_a_wrapped_transport_can_be_aborted() -> None:
    """Nothing is written or told afterwards."""
    transport, owner = Wrapped(), Owner()
    outlet = outlet_for(transport, owner, 1)
    outlet.pauseProducing()
    outlet.abortConnection()
    assert not outlet.write(b"hello")
    outlet.resumeProducing()
    assert transport.disconnected
    assert (0, 0) == (owner.drains, owner.overflows)
