"""A hub, its passes and real sockets together: the hazards of writing past the outlet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pushd.client.stream import HttpStreams, Stream
from tests.support.line import Line
from tests.support.public import Probe, Shop
from tests.unit.test_hub import WORDS, World

FULL = 50_000
"""Bytes that do not fit into the socket of a line."""


class Client:
    """A client of a hub, over a socket of its own."""

    def __init__(self, world: World, shop: Shop, after: int | None) -> None:
        self.line = Line()
        untyped: Any = world.hub
        self.session = Probe(untyped, after=after)
        self.session.peer = "192.0.2.7"
        self.session.encoding = WORDS
        shop.admission.admit(self.session.peer)
        carrier: Any = HttpStreams(shop.life).accept(self.line.transport, Stream(self.session, ()), 0.0)
        self.line.transport.protocol = carrier
        self.line.hear()


class Room:
    """A hub and some clients."""

    def __init__(self) -> None:
        self.world = World()
        self.shop = Shop()
        self.clients: list[Client] = []

    def client(self, after: int | None = None) -> Client:
        """Let one in."""
        self.clients.append(Client(self.world, self.shop, after))
        return self.clients[-1]

    def publish(self, offset: int, body: bytes = b"") -> None:
        """Have a message delivered."""
        self.world.tell(offset, body=body)
        self.world.settle()

    def hear(self, client: Client) -> bytes:
        """Let a client read all that comes, and the hub go on meanwhile."""
        heard = b""
        while piece := client.line.hear_all():
            heard += piece
            self.world.settle()
        return heard


@pytest.fixture
def room() -> Iterator[Room]:
    """Make a room, and end its connections."""
    room = Room()
    yield room
    for client in room.clients:
        client.line.close()


def test_nothing_overtakes_what_waits(room: Room) -> None:
    """What a session or Autobahn has said before leaves before; and nobody else is held up."""
    client, other = room.client(), room.client()
    client.session.write(b"a" * FULL)
    room.publish(1)
    room.publish(2)
    assert b"12" == other.line.hear()
    assert b"a" * FULL + b"1 2" == room.hear(client)
    room.publish(3)
    assert b"3" == client.line.hear()


def test_nothing_overtakes_what_waits_when_it_comes_back(room: Room) -> None:
    """What its session says before it is at the tip leaves whole, also when it lacks nothing."""
    room.world.tell(1, "a")
    room.world.settle()
    client = room.client(after=0)
    client.session.write(b"a" * FULL)
    room.world.settle()
    room.world.tell(2)
    heard = client.line.hear(FULL // 2)  # the socket takes more before the reactor knows
    room.world.settle()
    assert b"a" * FULL + b"2" == heard + room.hear(client)


def test_a_slow_reader_gets_all_of_it_in_order(room: Room) -> None:
    """However the kernel cuts what is sent, and whatever is said between messages."""
    client = room.client()
    said = b""
    for offset in range(1, 100):
        room.publish(offset, b"<%d:%b>" % (offset, b"x" * (offset * 97 % 3000)))
        if offset % 10 == 0:
            client.session.write(b"(pong)")
        said += client.line.hear(1000)
        client.line.turn()
    said += room.hear(client)
    messages = said.replace(b"(pong)", b"").replace(b" ", b"")
    assert b"".join(b"<%d:%b>" % (n, b"x" * (n * 97 % 3000)) for n in range(1, 100)) == messages
    assert 9 == said.count(b"(pong)")
    assert room.world.stats.slow


def test_a_close_is_the_last_word(room: Room) -> None:
    """Who is ended before its turn in a pass is sent nothing more, and those after it are served."""
    clients = [room.client() for _ in range(3)]
    room.world.tell(1)
    room.world.turn()
    room.world.tell(2)
    clients[1].session.wire.close(None)  # type: ignore[arg-type]  # a stream has no use for the reason
    room.world.settle()
    assert [b"12", b"1", b"12"] == [client.line.hear() for client in clients]


def test_a_peer_that_is_gone_is_nobody_elses_business(room: Room) -> None:
    """Its socket is broken within a loop over all: the reactor finds out, the others have everything."""
    clients = [room.client() for _ in range(3)]
    clients[1].line.far.close()
    room.publish(1)
    room.publish(2)
    clients[1].line.turn()
    room.publish(3)
    assert [b"123", b"123"] == [client.line.hear() for client in (clients[0], clients[2])]
    assert clients[1].session not in room.world.hub.connections
