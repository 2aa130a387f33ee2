"""The public port behind TLS of Twisted's, with the standard library's at the other end."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.ssl import PrivateCertificate
from twisted.protocols.tls import TLSMemoryBIOFactory

from pushd.client.address import Proxies
from pushd.client.edge import Edge, Route
from pushd.client.head import Request
from pushd.client.origin import Origins
from pushd.client.reception import Reception
from pushd.client.transport import TransportOutlet
from pushd.disconnect import KICKED
from pushd.turns import Turns
from tests.support.line import Line
from tests.support.public import Probe, Shop, client_frame
from tests.support.tls import Authority

# Twisted hands its certificates to pyOpenSSL in a form that is going out of use.
pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")

UPGRADE = (
    b"GET /websocket/ HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Server:
    """A port behind TLS, and one client of it that reads when told to."""

    def __init__(self, folder: Path) -> None:
        authority = Authority(folder)
        certificate, key = authority.issue("localhost")
        self.shop = Shop(buffered_bytes=1_000_000)
        self.session: Any = None
        route = Route("/websocket/", self._probe, websocket=True)
        proxies, origins = Proxies([ip_network("127.0.0.0/8")]), Origins(["*"])
        self.edge = Edge(
            [route],
            self.shop.life,
            proxies,
            origins,
            Reception(Turns(self.shop.clock, self.shop.stats)),
            message_size=100,
            most_pending=9,
            now=lambda: 0.0,
        )
        options = PrivateCertificate.loadPEM(certificate.read_bytes() + key.read_bytes()).options()
        wrapper: Any = TLSMemoryBIOFactory(options, False, self.edge, self.shop.clock)
        self.line = Line(wrapper.buildProtocol(None))
        self._coming, self._going = ssl.MemoryBIO(), ssl.MemoryBIO()
        trust = ssl.create_default_context(cafile=str(authority.certificate))
        trust.set_alpn_protocols(["h2", "http/1.1"])
        self.client = trust.wrap_bio(self._coming, self._going, server_hostname="localhost")
        self._until(self.client.do_handshake)

    def _probe(self, request: Request) -> Probe:
        self.session = Probe(self.shop.hub)
        return self.session

    def _until(self, act: Any, *arguments: object) -> Any:
        """Do something at the client's end, letting ciphers through until it works, or never does."""
        for _ in range(1000):
            try:
                return act(*arguments)
            except ssl.SSLWantReadError:
                self._pump()
        return None

    def _pump(self) -> None:
        if going := self._going.read():
            self.line.far.sendall(going)
        self.line.turn()
        self.shop.clock.advance(0)  # Twisted joins small writes of one turn
        self.line.turn()
        self._coming.write(self.line.hear())

    def say(self, data: bytes) -> None:
        """Let the client send."""
        self.client.write(data)
        for _ in range(5):
            self._pump()

    def hear(self, size: int) -> bytes:
        """Let the client read so many bytes, slowly."""
        heard = b""
        while len(heard) < size and (piece := self._until(self.client.read, 3000)):
            heard += piece
        return heard


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Make a server."""
    server = Server(tmp_path)
    yield server
    server.line.close()


def test_a_browser_is_offered_what_is_spoken(server: Server) -> None:
    """Of the protocols that browsers and curl name in their first breath (RFC 7301), HTTP/1.1 is taken."""
    assert "http/1.1" == server.client.selected_alpn_protocol()


def test_order_holds_behind_tls(server: Server) -> None:
    """No byte goes past the ciphers, however full the way is; who waited hears when it is free."""
    server.say(UPGRADE)
    assert isinstance(server.session.wire.transport, TransportOutlet)
    head = server.hear(100)
    assert head.startswith(b"HTTP/1.1 101 ")
    messages = [b"<%d:%b>" % (number, b"x" * 2000) for number in range(100)]
    taken = [server.session.write(message) for message in messages]
    assert (True, False) == (taken[0], taken[-1])
    server.session.waiting = True
    server.say(client_frame(9, b"ping"))
    expected = b"".join(messages) + b"\x8a\x04ping"
    assert expected == server.hear(len(expected))
    assert not server.session.waiting
    assert server.session.write(b"again")


def test_a_flood_behind_tls(server: Server) -> None:
    """What TLS goes on to decipher waits behind what was not served at once, in order."""
    server.say(UPGRADE)
    frames = [b"%d" % number for number in range(8000)]
    server.say(b"".join(client_frame(1, frame) for frame in frames))
    assert frames == [payload for payload, _ in server.session.messages]


def test_a_large_message_behind_tls(server: Server) -> None:
    """It is enciphered piece by piece, as the client reads: what waits of it is what all others have, too."""
    server.say(UPGRADE)
    server.hear(100)
    data = bytes(range(256)) * 4000
    assert not server.session.write(data)
    outlet = server.session.wire.transport
    assert outlet._waiting.size > 900_000
    assert outlet._waiting._buffers[0].obj is data
    assert data == server.hear(len(data))
    assert server.session.write(b"again")


def test_a_close_ends_a_connection_behind_tls(server: Server) -> None:
    """As everywhere: close frame, answer, end."""
    server.say(UPGRADE)
    server.hear(100)
    server.session.close(KICKED)
    assert server.hear(4).startswith(b"\x88")
    server.say(client_frame(8, b"\x11\x97"))
    server.line.far.close()
    server.line.turn()
    assert not server.line.open
    assert 0 == server.shop.admission.count


def test_a_failure_ends_a_connection_behind_tls(server: Server) -> None:
    """Where no direction can be ended alone."""
    server.say(UPGRADE)
    server.hear(100)
    server.say(b"\x81\x02hi")
    assert server.hear(4).startswith(b"\x88\x0d\x03\xea")


def test_what_follows_an_answer_behind_tls_is_dropped(server: Server) -> None:
    """TLS goes on to decipher: nothing of that is kept, answered, or makes the end wait longer."""
    visitor: Any = server.line.transport.protocol.wrappedProtocol
    server.say(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
    server.shop.clock.advance(4)
    server.say(b"more" * 100)
    assert {"404": 1} == server.shop.stats.refused
    assert b"" == visitor._data
    server.shop.clock.advance(1)
    server.shop.life.closings.expire()
    server.line.turn()
    assert not server.line.open
