"""Floods of frames over a real socket, and the events that can happen while input waits."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from pushd.client.input import InputQueue
from pushd.disconnect import KICKED, SLOW
from tests.support.public import Probe, client_frame
from tests.support.slices import Slices
from tests.unit.client.test_websocket import BINARY, CLOSE, PING, PONG, TEXT, Talk, close_frame, closing

DEFLATE = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
FLOOD = 5000
"""Frames of 8 bytes: 40,000 bytes, which fit into one read, and the parser's bites end where a frame does."""

AT_ONCE, SLICE = 100, 16
"""Frames that are served in the turn in which they came, and in a later one."""


class Client(Talk):
    """A talk whose input waits until the test takes a step."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**{"message_size": 100_000, **how})
        self.slices = Slices()
        turns: Any = self.slices
        self.shop.life.inputs = InputQueue(turns)
        self.opened() if "extension" not in how else self.line.hear()

    @property
    def reading(self) -> bool:
        """True if the reactor watches the socket for input."""
        return self.line.transport in self.line.reactor.readers

    @property
    def received(self) -> int:
        """The number of messages that the session has."""
        return len(self.session.messages)

    def flood(self, *frames: bytes) -> None:
        """Let more frames come in one read than are served at once."""
        self.say(client_frame(TEXT, b"hi") * FLOOD, *frames)
        assert not self.reading

    def settle(self) -> None:
        """Serve all that waits."""
        while self.slices.step():
            pass


@pytest.fixture
def clients() -> Iterator[Any]:
    """Make clients, and end them."""
    made: list[Client] = []

    def client(**how: Any) -> Client:
        made.append(Client(**how))
        return made[-1]

    yield client
    for each in made:
        each.line.close()


def test_a_flood_is_served_bit_by_bit(clients: Any) -> None:
    """A bounded number of frames at once and in each step; all come, in order, and then reading goes on."""
    client = clients()
    frames = [client_frame(TEXT, b"%d" % number) for number in range(FLOOD)]
    client.say(b"".join(frames))
    counts = [client.received]
    while client.slices.step():
        counts.append(client.received)
        assert client.reading == (client.received == FLOOD)
    assert AT_ONCE - SLICE < counts[0] <= AT_ONCE
    assert max(after - before for before, after in pairwise(counts)) <= SLICE
    assert [b"%d" % number for number in range(FLOOD)] == [text for text, _ in client.session.messages]
    client.say(client_frame(TEXT, b"again"))
    assert FLOOD + 1 == client.received


@pytest.mark.parametrize(
    "frame",
    [client_frame(0, b"x", fin=False), client_frame(0, fin=False), client_frame(PING), client_frame(PONG)],
    ids=["fragments", "empty fragments", "pings", "pongs"],
)
def test_every_kind_of_frame_counts(clients: Any, frame: bytes) -> None:
    """A frame that completes no message is work as well."""
    client = clients()
    client.say(client_frame(TEXT, b"a", fin=False), frame * FLOOD, client_frame(0, b"z"))
    steps = 0
    while client.slices.step():
        steps += 1
        assert bool(client.received) == client.reading
    assert FLOOD // SLICE - AT_ONCE // SLICE <= steps <= FLOOD // SLICE + 1
    message, _ = client.session.messages[0]
    assert (b"a", b"z", 1) == (message[:1], message[-1:], client.received)


def test_a_flood_does_not_delay_the_frame_of_another(clients: Any) -> None:
    """Connections share what is served at once, but a heartbeat never waits for it."""
    client = clients()
    client.flood()
    other = Client()
    other.shop.life.inputs = client.shop.life.inputs
    client.shop.life.inputs.left = 0
    other.say(client_frame(PONG), client_frame(TEXT, b"beat"))
    assert (1, True) == (other.received, other.reading)
    other.line.close()


def test_the_parser_is_never_given_much(clients: Any) -> None:
    """It copies what it is given at each step: tiny frames come in small bites, a large one as a whole."""
    client = clients()
    given: list[int] = []
    parse = client.socket.processData
    client.socket.processData = lambda: (given.append(len(client.socket.data)), parse())[1]
    client.flood()
    client.settle()
    assert max(given) < 1100
    assert sum(given) < 1100 * 2 * FLOOD
    given.clear()
    client.say(client_frame(BINARY, b"y" * 60_000))
    assert (b"y" * 60_000, True) == client.session.messages[-1]
    assert len(given) < 5


def test_fragments_cost_their_bytes(clients: Any) -> None:
    """A message in tiny parts is one buffer, not a list of as many objects."""
    client = clients()
    client.say(client_frame(TEXT, b"ab", fin=False), client_frame(0, b"cd", fin=False) * 1000)
    client.settle()
    assert isinstance(client.socket.message_data, bytearray)
    assert b"ab" + b"cd" * 1000 == client.socket.message_data
    client.say(client_frame(0, b"ef"))
    assert [(b"ab" + b"cd" * 1000 + b"ef", False)] == client.session.messages
    assert type(client.session.messages[0][0]) is bytes


def test_inflated_bytes_count(clients: Any) -> None:
    """A few hundred bytes that become megabytes are served as the work they are."""
    client = clients(extension=DEFLATE)
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    large = deflater.compress(b"x" * 65536) + deflater.flush(zlib.Z_SYNC_FLUSH)
    client.say(client_frame(TEXT, large.removesuffix(b"\x00\x00\xff\xff"), rsv=4) * 100)
    counts = [client.received]
    while client.slices.step():
        counts.append(client.received)
    assert counts[0] <= 12
    assert max(after - before for before, after in pairwise(counts)) <= 2
    assert 100 == counts[-1]


def test_a_close_frame_comes_in_its_turn(clients: Any) -> None:
    """After all frames before it; then the connection ends as ever."""
    client = clients()
    client.flood(client_frame(CLOSE, closing(1000)))
    assert {"left": 0, "lost": 0} == client.closed
    client.settle()
    assert FLOOD == client.received
    assert {"left": 1, "lost": 1} == client.closed
    assert b"\x88\x02\x03\xe8" == client.line.hear_all()
    assert not client.line.open


def test_a_mistake_comes_in_its_turn(clients: Any) -> None:
    """The frames behind the mistake are dropped, and the socket is read until the peer ends."""
    client = clients()
    client.flood(b"\x81\x02hi", client_frame(TEXT, b"late") * 1000)
    client.settle()
    assert (FLOOD, True) == (client.received, client.reading)
    assert b"\x88\x0d" + closing(1002, "bad request") == client.line.hear()
    client.line.far.close()
    client.line.turn()
    assert not client.line.open


def test_we_close_while_input_waits(clients: Any) -> None:
    """The session gets no later message, and the parser finds the peer's answer behind the flood."""
    client = clients()
    client.flood(client_frame(CLOSE, closing(4503)))
    client.session.close(KICKED)
    client.settle()
    assert (AT_ONCE, close_frame(KICKED)) == (client.received, client.line.hear_all())
    assert not client.line.open


def test_an_abort_drops_what_waits(clients: Any) -> None:
    """No later frame is parsed."""
    client = clients()
    client.flood()
    client.session.wire.abort()
    client.settle()
    assert (AT_ONCE, 0) == (client.received, len(client.slices.jobs))
    client.line.turn()
    assert not client.line.open


def test_a_connection_that_breaks_while_input_waits(clients: Any) -> None:
    """A write finds out; what waits is dropped, and the queue forgets the connection."""
    client = clients()
    client.flood()
    client.line.far.close()
    client.session.write(b"hello")
    client.line.turn()
    assert not client.line.open
    client.settle()
    assert (AT_ONCE, None, 1) == (client.received, client.socket.unread, client.session.losses)


def test_a_peer_that_leaves_while_input_waits(clients: Any) -> None:
    """Its end is seen once all that it has sent is served."""
    client = clients()
    client.flood()
    client.line.far.close()
    client.line.turn()
    assert client.line.open
    client.settle()
    client.line.turn()
    assert (FLOOD, False) == (client.received, client.line.open)


def test_a_peer_that_is_not_read_is_not_silent(clients: Any) -> None:
    """No pong is expected while nothing is read. Then the time for a pong starts again."""
    client = clients()
    client.flood()
    client.shop.clock.advance(60)
    assert not client.socket.answers
    client.settle()
    assert client.socket.answers
    assert 1060.0 == client.session.heard_at


def test_who_is_not_read_is_written_to(clients: Any) -> None:
    """Messages go out while input waits."""
    client = clients()
    client.flood()
    assert client.session.write(b"hello")
    assert b"hello" == client.line.hear()


def test_answers_to_a_flood_that_are_not_read(clients: Any) -> None:
    """The limit of what may wait for a client ends it, and the rest of the flood with it."""
    client = clients(buffered_bytes=1000)
    client.line.stuff()
    client.say(client_frame(PING, b"x" * 50) * 1000)
    client.settle()
    assert [SLOW] == client.shop.hub.left
    client.line.turn()
    assert not client.line.open


def test_bytes_that_come_after_the_pause(clients: Any) -> None:
    """TLS hands on what it has deciphered: it waits behind the rest."""
    client = clients()
    client.flood()
    client.socket.dataReceived(client_frame(TEXT, b"later"))
    assert AT_ONCE == client.received
    client.settle()
    assert (FLOOD + 1, (b"later", False)) == (client.received, client.session.messages[-1])


class Pausing(Probe):
    """A session that pauses its input at each message."""

    __slots__ = ()

    def received(self, payload: bytes, *, binary: bool) -> None:
        """Take the message, and pause."""
        super().received(payload, binary=binary)
        self.wire.pause()


@pytest.fixture
def pausing(clients: Any) -> Client:
    """Make a client whose session pauses its input at each message."""
    client: Client = clients()
    client.session.__class__ = Pausing
    return client


def test_a_session_pauses_its_input(pausing: Client) -> None:
    """The messages behind, of the same read or a later one, come one by one, each in a later turn."""
    pausing.say(client_frame(TEXT, b"1") + client_frame(TEXT, b"2"))
    pausing.settle()
    assert (1, False) == (pausing.received, pausing.reading)
    pausing.session.wire.resume()
    assert 1 == pausing.received
    pausing.settle()
    assert (2, False) == (pausing.received, pausing.reading)
    pausing.session.wire.resume()
    pausing.settle()
    assert (2, True) == (pausing.received, pausing.reading)
    pausing.say(client_frame(TEXT, b"3"))
    assert (3, False) == (pausing.received, pausing.reading)


def test_a_flood_to_a_session_that_pauses(pausing: Client) -> None:
    """A message is handed over for each time that the session asks for more."""
    pausing.flood()
    for count in range(1, 300):
        assert count == pausing.received
        pausing.session.wire.resume()
        pausing.settle()


def test_a_session_that_pauses_and_resumes_at_once(pausing: Client) -> None:
    """No input waits."""
    pausing.session.wire.pause()
    pausing.session.wire.resume()
    pausing.session.wire.resume()
    pausing.settle()
    assert (True, None) == (pausing.reading, pausing.socket.unread)


def test_a_paused_session_that_is_closed(pausing: Client) -> None:
    """The peer's answer is read all the same."""
    pausing.say(client_frame(TEXT, b"1"))
    pausing.session.close(KICKED)
    pausing.settle()
    assert pausing.reading
    pausing.say(client_frame(CLOSE, closing(4503)))
    pausing.line.turn()
    assert not pausing.line.open
