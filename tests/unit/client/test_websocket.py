from __future__ import annotations

import gc
import weakref
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.testing import StringTransport

from pushd.client.websocket import WebSocket, WebSockets
from pushd.disconnect import KICKED, SHUTDOWN, SLOW, Disconnect
from tests.support.line import Line
from tests.support.log import logged
from tests.support.public import Shop, client_frame

DEFLATE = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
OPEN = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
"""The answer that RFC 6455 section 1.3 works out for its own example."""

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def closing(code: int, text: str = "") -> bytes:
    """Give the payload of a close frame."""
    return code.to_bytes(2, "big") + text.encode()


def close_frame(disconnect: Disconnect) -> bytes:
    """Give the frame by which we close a plain WebSocket."""
    payload = closing(disconnect.code, disconnect.text)
    return b"\x88" + bytes([len(payload)]) + payload


class Talk:
    """One WebSocket over a real socket.

    Args:
        message_size: Most bytes of a message.
        extension: What was agreed.
    """

    def __init__(
        self,
        *,
        message_size: int = 1000,
        joins: bool = True,
        fails: str = "",
        buffered_bytes: int = 100_000,
        extension: str = "",
    ) -> None:
        self.shop = Shop(buffered_bytes)
        self.line = Line()
        self.session: Any = self.shop.probe(joins=joins, fails=fails)
        sockets = WebSockets(self.shop.life, message_size)
        self.socket: Any = sockets.accept(self.line.transport, self.session, KEY, extension)
        self.line.transport.protocol = self.socket

    def say(self, *frames: bytes) -> None:
        """Let the client send."""
        self.line.say(b"".join(frames))

    def opened(self) -> Talk:
        """Take the answer to the handshake."""
        assert OPEN == self.line.hear()
        return self

    @property
    def closed(self) -> dict[str, int]:
        """How many left the hub, and how often the session was told that it is over."""
        return {"left": len(self.shop.hub.left), "lost": self.session.losses}


@pytest.fixture
def talks() -> Iterator[Any]:
    """Make talks, and end them."""
    made: list[Talk] = []

    def talk(**how: Any) -> Talk:
        made.append(Talk(**how))
        return made[-1]

    yield talk
    for each in made:
        each.line.close()


def test_the_handshake_is_answered_and_the_session_served_at_once(talks: Any) -> None:
    """In the same turn; the session knows who it is."""
    talk = talks().opened()
    assert not talk.session.waiting
    assert (1, 1000.0, 1000.0) == (talk.session.number, talk.session.opened_at, talk.session.heard_at)
    assert {"probe": 1} == talk.shop.stats.opened


def test_messages_come_whole(talks: Any) -> None:
    """Text and binary, fragmented or not, several in one packet or one in several."""
    talk = talks()
    talk.say(client_frame(TEXT, "测试".encode()), client_frame(BINARY, b"\xff\x00"))
    parts = client_frame(TEXT, b"one ", fin=False) + client_frame(PING) + client_frame(0, b"message")
    for place in range(len(parts)):
        talk.say(parts[place : place + 1])
    assert [("测试".encode(), False), (b"\xff\x00", True), (b"one message", False)] == talk.session.messages


def test_a_ping_is_answered_and_any_bytes_are_a_sign_of_life(talks: Any) -> None:
    """A pong carries what the ping did."""
    talk = talks().opened()
    talk.shop.clock.advance(7)
    talk.say(client_frame(PING, b"abc"))
    assert b"\x8a\x03abc" == talk.line.hear()
    assert 1007.0 == talk.session.heard_at
    talk.shop.clock.advance(1)
    talk.say(client_frame(PONG))
    assert 1008.0 == talk.session.heard_at


def test_our_ping_is_the_same_for_all(talks: Any) -> None:
    """Without payload; whoever lives answers it."""
    talk = talks().opened()
    talk.session.ping()
    assert (b"\x89\x00", True) == (talk.line.hear(), talk.socket.answers)


def test_the_peer_closes(talks: Any) -> None:
    """It is answered, the session is over at once, and then the connection."""
    talk = talks().opened()
    talk.say(client_frame(CLOSE, closing(1001, "away")))
    assert {"left": 1, "lost": 1} == talk.closed
    assert b"\x88\x02\x03\xe8" == talk.line.hear_all()
    assert not talk.line.open
    assert 0 == talk.shop.admission.count


def test_we_close(talks: Any) -> None:
    """With code and text; the connection ends when the peer has answered."""
    talk = talks().opened()
    talk.session.close(KICKED)
    assert [KICKED] == talk.shop.hub.left
    assert close_frame(KICKED) == talk.line.hear()
    talk.session.close(SHUTDOWN)
    talk.session.ping()
    talk.say(client_frame(TEXT, b"late"), client_frame(CLOSE, closing(4503)))
    assert (b"", []) == (talk.line.hear_all(), talk.session.messages)
    assert not talk.line.open
    assert {"left": 1, "lost": 1} == talk.closed


def test_a_peer_that_does_not_answer_a_close_is_dropped(talks: Any) -> None:
    """By a deadline; it may go on talking meanwhile."""
    talk = talks()
    talk.session.close(KICKED)
    talk.shop.wait(2.9)
    talk.say(client_frame(TEXT, b"what?"))
    assert talk.line.open
    talk.shop.wait(0.1)
    talk.line.turn()
    assert not talk.line.open


def test_a_peer_that_closes_and_stops_reading_is_dropped(talks: Any) -> None:
    """What it never takes must not keep the connection; nothing is written to it any more."""
    talk = talks()
    talk.line.stuff()
    talk.session.write(b"x" * 50_000)
    talk.say(client_frame(CLOSE, closing(1000)))
    assert {"left": 1, "lost": 1} == talk.closed
    talk.line.turn()
    assert talk.line.open
    talk.shop.wait(3.0)
    talk.line.turn()
    assert not talk.line.open


def test_a_peer_that_is_gone(talks: Any) -> None:
    """The session is over, once, whether we tried to close it or not."""
    talk = talks()
    talk.line.far.close()
    talk.line.turn()
    assert {"left": 1, "lost": 1} == talk.closed
    assert 0 == talk.shop.admission.count
    assert 0 == len(talk.shop.life.closings)


def test_a_peer_that_resets_while_it_is_served(talks: Any) -> None:
    """A write says that it was not taken; the loss comes later, by the reactor."""
    talk = talks()
    talk.line.far.close()
    assert not talk.session.write(b"hello")
    assert 0 == talk.session.losses
    talk.line.turn()
    assert 1 == talk.session.losses
    assert not talk.session.write(b"hello")


MISTAKES = {
    "unmasked": b"\x81\x02hi",
    "reserved bit": client_frame(TEXT, b"hi", rsv=4),
    "reserved opcode": client_frame(3, b"hi"),
    "reserved control": client_frame(11),
    "fragmented control": client_frame(PING, fin=False),
    "long control": client_frame(PING, b"x" * 126),
    "lone continuation": client_frame(0, b"hi"),
    "interrupted": client_frame(TEXT, b"hi", fin=False) + client_frame(TEXT, b"hi"),
    "short close": client_frame(CLOSE, b"x"),
    "bad close code": client_frame(CLOSE, closing(1005)),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES.keys())
def test_who_breaks_the_protocol_is_told(talks: Any, mistake: bytes) -> None:
    """With 1002 and our own words; nothing that follows is read, and the end is no reset."""
    talk = talks().opened()
    talk.say(mistake)
    assert "bad_request" == talk.shop.hub.left[0].name
    talk.say(b"ignored")
    assert b"\x88\x0d" + closing(1002, "bad request") == talk.line.far.recv(100)
    assert b"" == talk.line.far.recv(100)
    assert [] == talk.session.messages
    assert b"ignored" not in talk.socket.data
    talk.line.far.close()
    talk.line.turn()
    assert not talk.line.open


@pytest.mark.parametrize(
    "frames",
    [
        [client_frame(TEXT, b"x" * 1001)],
        [client_frame(TEXT, b"x" * 600, fin=False), client_frame(0, b"x" * 600)],
        [b"\x81\xff" + (2**40).to_bytes(8, "big") + b"mask"],
    ],
    ids=["one frame", "fragments", "announced"],
)
def test_a_message_above_the_limit_ends_the_connection(talks: Any, frames: list[bytes]) -> None:
    """With 1009, as soon as it is known how long it will be."""
    talk = talks().opened()
    talk.say(*frames)
    assert b"\x88\x11" + closing(1009, "message too big") == talk.line.hear()


def test_a_message_at_the_limit_is_taken(talks: Any) -> None:
    """Not a byte is lost."""
    talk = talks()
    talk.say(client_frame(TEXT, b"x" * 1000))
    assert [(b"x" * 1000, False)] == talk.session.messages


def test_empty_fragments_cost_nothing(talks: Any) -> None:
    """They never reach the limit of a message, however many there are."""
    talk = talks()
    talk.say(client_frame(TEXT, b"one ", fin=False), *[client_frame(0, fin=False)] * 100)
    talk.shop.clock.advance(0)
    assert b"one " == talk.socket.message_data
    talk.say(client_frame(0, b"message"))
    assert [(b"one message", False)] == talk.session.messages


def test_text_that_is_none_ends_the_connection(talks: Any) -> None:
    """With 1007; binary messages may be anything."""
    talk = talks().opened()
    talk.say(client_frame(TEXT, b"\xe6\xb5"), client_frame(TEXT, b"more"))
    assert b"\x88\x14" + closing(1007, "text must be UTF-8") == talk.line.hear()
    assert [] == talk.session.messages


def deflated(payload: bytes) -> bytes:
    """Deflate a message as a client does (RFC 7692 section 7.2.1)."""
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return (deflater.compress(payload) + deflater.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")


@pytest.fixture
def agreed(talks: Any) -> Talk:
    """Make a talk of a client that agreed to permessage-deflate, after its handshake."""
    talk: Talk = talks(extension=DEFLATE)
    assert OPEN[:-2] + f"Sec-WebSocket-Extensions: {DEFLATE}\r\n\r\n".encode() == talk.line.hear()
    return talk


def test_deflated_messages_come_whole(agreed: Talk) -> None:
    """Fragmented or not, with a ping in between; and plain ones do as ever."""
    text, binary = deflated("测试".encode() * 100), deflated(b"\xff" * 300)
    agreed.say(client_frame(TEXT, text[:9], fin=False, rsv=4), client_frame(PING), client_frame(0, text[9:]))
    agreed.say(client_frame(BINARY, binary, rsv=4), client_frame(TEXT, b"plain"))
    for place in range(len(binary)):
        agreed.say(
            client_frame(0 if place else BINARY, binary[place : place + 1], fin=False, rsv=0 if place else 4)
        )
    agreed.say(client_frame(0))
    expected = [
        ("测试".encode() * 100, False),
        (b"\xff" * 300, True),
        (b"plain", False),
        (b"\xff" * 300, True),
    ]
    assert expected == agreed.session.messages


def test_nothing_of_a_deflated_message_is_kept(agreed: Talk) -> None:
    """A connection that deflates carries no more than the word that it does."""
    idle = {"connected", "factory", "session", "transport", "_perMessageCompress"}
    assert idle == vars(agreed.socket).keys()
    agreed.say(client_frame(TEXT, deflated(b"x" * 300), rsv=4))
    states = {type(value).__module__ for value in vars(agreed.socket).values()}
    assert "zlib" not in states


@pytest.mark.parametrize(
    "frames",
    [
        [client_frame(BINARY, deflated(b"x" * 1001), rsv=4)],
        [client_frame(BINARY, b"x" * 600, fin=False, rsv=4), client_frame(0, b"x" * 600)],
    ],
    ids=["inflated", "deflated"],
)
def test_a_deflated_message_above_the_limit_ends_the_connection(agreed: Talk, frames: list[bytes]) -> None:
    """With 1009, whether it is too big before or after."""
    agreed.say(*frames, client_frame(TEXT, b"more"))
    assert b"\x88\x11" + closing(1009, "message too big") == agreed.line.hear()
    assert [] == agreed.session.messages


def test_deflated_text_that_is_none_ends_the_connection(agreed: Talk) -> None:
    """With 1007, as plain text does."""
    agreed.say(client_frame(TEXT, deflated(b"\xe6\xb5" * 100), rsv=4))
    assert b"\x88\x14" + closing(1007, "text must be UTF-8") == agreed.line.hear()


DEFLATE_MISTAKES = {
    "not deflated": [client_frame(TEXT, b"\xff\xff\xff\xff", rsv=4)],
    "control": [client_frame(PING, deflated(b"x"), rsv=4)],
    "continuation": [client_frame(TEXT, b"x", fin=False, rsv=4), client_frame(0, b"x", rsv=4)],
    "another reserved bit": [client_frame(TEXT, deflated(b"x"), rsv=6)],
}


@pytest.mark.parametrize("mistake", DEFLATE_MISTAKES.values(), ids=DEFLATE_MISTAKES.keys())
def test_who_deflates_wrongly_is_told(agreed: Talk, mistake: list[bytes]) -> None:
    """With 1002 (RFC 7692 section 6); without the agreement any deflated message is wrong, see above."""
    agreed.say(*mistake)
    assert b"\x88\x0d" + closing(1002, "bad request") == agreed.line.hear()
    assert [] == agreed.session.messages


FRAMES = st.builds(
    client_frame,
    st.sampled_from([0, TEXT, BINARY, PING, PONG, CLOSE, 3]),
    st.binary(max_size=20) | st.binary(max_size=20).map(deflated),
    fin=st.booleans(),
    rsv=st.sampled_from([0, 0, 4, 4, 2]),
)


@given(st.lists(FRAMES, min_size=1, max_size=6))
def test_whatever_frames_come(frames: list[bytes]) -> None:
    """They are taken or end the connection; none of them is our mistake."""
    talk = Talk(extension=DEFLATE)
    try:
        with logged("pushd.client.lifecycle") as log:
            talk.say(*frames)
        assert not log.tracebacks
        assert talk.closed["left"] == talk.closed["lost"]
    finally:
        talk.line.close()


def test_a_session_that_does_not_begin_is_ended(talks: Any) -> None:
    """Its protocol demands a first word; who has said it in time is left alone."""
    silent, prompt = talks(joins=False).opened(), talks(joins=False).opened()
    prompt.shop.hub.join(prompt.session, ())
    for talk in (silent, prompt):
        talk.shop.wait(5.0)
    assert b"\x88\x1f" + closing(4014, "nothing was asked for in time") == silent.line.hear()
    assert b"" == prompt.line.hear()


def test_what_waits_is_served_when_the_socket_is_free(talks: Any) -> None:
    """A congestion ends by itself, and the hub hears of it once."""
    talk = talks()
    talk.session.write(b"x" * 50_000)
    talk.session.waiting = True
    assert 50_000 + len(OPEN) == len(talk.line.hear_all())
    assert not talk.session.waiting


def test_who_makes_us_talk_and_does_not_read_is_dropped(talks: Any) -> None:
    """At the limit of what may wait, however small the pieces."""
    talk = talks(buffered_bytes=1000)
    talk.line.stuff()
    while talk.line.open:
        talk.say(client_frame(PING, b"x" * 100))
    assert [SLOW] == talk.shop.hub.left
    assert 1 == talk.session.losses


def test_what_a_dropped_client_has_sent_does_not_matter(talks: Any) -> None:
    """Not even a mistake in the same packet."""
    talk = talks(buffered_bytes=1000)
    talk.line.stuff()
    talk.say(*[client_frame(PING, b"x" * 100)] * 20, b"\x81\x02hi")
    assert [SLOW] == talk.shop.hub.left
    talk.line.turn()
    assert not talk.line.open


@pytest.mark.parametrize("method", ["opened", "received", "received close", "received close lost"])
def test_a_session_that_fails_ends_itself_only(talks: Any, method: str) -> None:
    """The log has the traceback, the client our words or an end."""
    with logged("pushd.client.lifecycle") as log:
        talk = talks(fails=method)
        talk.say(client_frame(TEXT, b"hi"))
        talk.line.turn()
        talk.shop.wait(3.0)
        talk.line.turn()
    assert log.tracebacks
    assert not talk.line.open
    assert 0 == talk.shop.admission.count
    assert (closing(1011) in talk.line.far.recv(1000)) == ("close" not in method)


def test_nothing_is_left_to_the_garbage_collector(talks: Any) -> None:
    """All that belongs to a connection goes with it, by counting references alone."""
    talk = talks()
    talk.say(client_frame(TEXT, b"hi"))
    session, socket = talk.session, weakref.ref(talk.socket)
    talk.line.far.close()
    talk.line.turn()
    gc.disable()
    try:
        talk.socket = None
        assert socket() is session.wire
        talk.session = session = None
        assert socket() is None
    finally:
        gc.enable()


def test_an_idle_connection_carries_next_to_nothing(talks: Any) -> None:
    """Whatever Autobahn would keep for each stands on the class."""
    assert {"connected", "factory", "session", "transport"} == vars(talks().socket).keys()


def test_options_are_read_where_they_were_set(talks: Any) -> None:
    """At the factory, which is Autobahn's, also by connections that are open already."""
    talk = talks().opened()
    assert isinstance(talk.socket.factory, WebSocketServerFactory)
    talk.socket.factory.setProtocolOptions(maxMessagePayloadSize=5)
    talk.say(client_frame(TEXT, b"x" * 5), client_frame(TEXT, b"x" * 6))
    assert [(b"x" * 5, False)] == talk.session.messages
    assert b"\x88\x11" + closing(1009, "message too big") == talk.line.hear()


def test_the_class_stands_for_a_connection_that_autobahn_opened(talks: Any) -> None:
    """Every attribute of a stock connection that frames depend on has the value it has there."""
    factory = WebSocketServerFactory(reactor=object())
    factory.setProtocolOptions(openHandshakeTimeout=0, failByDrop=False, closeHandshakeTimeout=0)
    factory.setProtocolOptions(utf8validateIncoming=False, maxMessagePayloadSize=1000)
    stock: Any = WebSocketServerProtocol()
    stock.factory = factory
    stock.makeConnection(StringTransport())
    stock.dataReceived(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n" % KEY.encode()
    )
    state = vars(stock)
    ours = talks().socket
    shared = {name for name in state if name in vars(WebSocket)}
    different = {name for name in shared if state[name] != getattr(ours, name)}
    assert {"perMessageCompressionAccept", "trafficStats"} == different
    assert state.keys() - shared <= {
        # Twisted's, and the factory's
        "connected", "factory", "transport", "peer",
        # the handshake's
        "_wskey", "http_headers", "http_request_data", "http_request_host", "http_request_params",
        "http_request_path", "http_request_uri", "http_response_data", "http_status_line",
        "openHandshakeTimeoutCall", "wasOpenHandshakeTimeout", "wasServingFlashSocketPolicyFile",
        "websocket_extensions", "websocket_extensions_in_use", "websocket_origin",
        "websocket_protocol_in_use", "websocket_protocols",
        # read only where we do not go: the ends of a connection, promises, events, streaming, pings, UTF-8
        "_results", "_transport_details", "_valid_events", "autoPingPendingSent", "autoPingPendingSeq",
        "droppedByMe", "is_closed", "is_open", "send_queue",
        "send_state", "triggered", "utf8validator", "wasCloseHandshakeTimeout", "wasNotCleanReason",
        "wasServerConnectionDropTimeout",
    }  # fmt: skip


def test_no_name_of_ours_is_one_of_autobahns() -> None:
    """A collision would be silent: what we add must be new, what we replace is listed."""
    added = {name for base in WebSocket.__mro__[:4] for name in vars(base) if not name.startswith("__")}
    replaced = {name for name in added if hasattr(WebSocketServerProtocol, name)}
    hooks = {name for name in replaced if callable(getattr(WebSocketServerProtocol, name))}
    assert {
        "connectionLost", "connectionMade", "dataReceived", "dropConnection", "onMessageBegin",
        "onMessageEnd", "onMessageFrameData", "onMessageFrameEnd", "sendCloseFrame", "sendData",
    } == hooks  # fmt: skip
