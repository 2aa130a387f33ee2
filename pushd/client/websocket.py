"""WebSockets by Autobahn, with all taken out that a connection of ours would pay for and never use.

The only importer of Autobahn. The edge has read the request, and strictly; so the handshake is answered here,
and Autobahn begins with an open connection: frames, fragments, control frames and the closing handshake are
its work. What it would copy into every connection is read at the factory (options) or stands here once, as
attributes of the class (a fresh state, counters nobody asks for); an instance carries only what differs.
Pings and deadlines are the sweep's business. The budget of what a
connection may send is the business of :mod:`pushd.client.budgeted`.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha1
from operator import attrgetter
from typing import Any, TypeVar

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.interfaces import ITransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from pushd.client.budgeted import BudgetedInput
from pushd.client.lifecycle import Carrier, Lifecycle
from pushd.client.session import Session
from pushd.client.transport import outlet_for
from pushd.deflate import CorruptError, ExcessError, inflate
from pushd.disconnect import BAD_REQUEST, INVALID_TEXT, TOO_BIG, Disconnect

__all__ = ["WebSocket", "WebSockets"]

_PING = b"\x89\x00"
"""A ping frame without payload (RFC 6455 section 5.5.2)."""

_OPEN = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %b\r\n%b\r\n"
)
"""The answer to a handshake (RFC 6455 section 4.2.2). No subprotocol is ever chosen."""

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""See RFC 6455 section 1.3."""

_FAULTS: dict[type[Exception], Disconnect] = {
    CorruptError: BAD_REQUEST,
    ExcessError: TOO_BIG,
    UnicodeDecodeError: INVALID_TEXT,
}
"""What can be wrong with a whole message."""

_FAILURES = {1007: INVALID_TEXT, 1009: TOO_BIG}
"""Reasons for which Autobahn fails a connection; all others are the peer's mistakes (1002)."""


class _Silence:
    """A logger for what would quote the peer."""

    def debug(self, *_: object, **__: object) -> None:
        """Forget it."""

    info = warn = error = debug


class _Uncounted:
    """Counters that stay at 0: nobody asks for them."""

    def __getattr__(self, name: str) -> int:
        return 0

    def __setattr__(self, name: str, value: object) -> None:
        """Forget it."""


class _Whole:
    """To Autobahn the extension of a connection that agreed to it; what it is given, it gives back.

    A message is inflated when all of it is there, and only then is anything spent on it.
    """

    EXTENSION_NAME = "permessage-deflate"

    def start_decompress_message(self) -> None:
        """Autobahn: a deflated message begins."""

    end_decompress_message = start_decompress_message

    def decompress_message_data(self, data: bytes, **_: object) -> bytes:
        """Autobahn: a part of it came, no larger than a message may be."""
        return data


_WHOLE = _Whole()

_Protocol = TypeVar("_Protocol", bound=type[WebSocketServerProtocol])


def _without_copies(protocol: _Protocol) -> _Protocol:
    """Make every option that Autobahn would copy into a connection one that is read at the factory."""
    for option in protocol.CONFIG_ATTRS:
        setattr(protocol, option, property(attrgetter(f"factory.{option}")))
    return protocol


@_without_copies
class WebSocket(BudgetedInput, Carrier, WebSocketServerProtocol):  # type: ignore[misc]
    """One WebSocket. Apart from ``session`` and the budgeted input, its namespace is Autobahn's."""

    # The state of a connection that was just opened.
    state = WebSocketServerProtocol.STATE_OPEN
    websocket_version = 13
    data = b""
    current_frame: Any = None
    message_data: Any = None
    trackedTimings: Any = None
    _perMessageCompress: Any = None
    inside_message = closedByMe = failedByMe = wasClean = False
    localCloseCode = localCloseReason = remoteCloseCode = remoteCloseReason = None
    closeHandshakeTimeoutCall = autoPingTimeoutCall = autoPingPending = autoPingPendingCall = None
    wasMaxFramePayloadSizeExceeded = wasMaxMessagePayloadSizeExceeded = False
    log: Any = _Silence()
    trafficStats: Any = _Uncounted()

    maxMessagePayloadSize: int
    _isMessageCompressed: bool

    def __init__(self) -> None:
        """Begin as the class stands."""

    def begin(self, session: Session, *, deflates: bool) -> None:
        """Carry a session; of one that deflates, messages may come deflated."""
        self.session = session
        if deflates:
            self._perMessageCompress = _WHOLE

    # What Twisted tells.

    def connectionMade(self) -> None:
        """Begin, see above."""

    def dataReceived(self, data: bytes) -> None:
        """Take bytes; all of Autobahn and of a session that is not told otherwise runs inside of this."""
        if self.session is not None:
            self.session.heard_at = self.factory.life.clock.seconds()
        if self.state == self.STATE_CLOSED:
            return
        self.take_in(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Drop the input that waits, because the connection is gone."""
        super().connectionLost(reason)
        self.forget()

    # What Autobahn tells.

    def onMessageBegin(self, isBinary: bool) -> None:  # noqa: FBT001  # as Autobahn calls it
        """Begin a message. The payload of a message with one frame is never copied."""
        super().onMessageBegin(isBinary)
        self.message_data = b""

    def onMessageFrameData(self, payload: bytes) -> None:
        """Append a part of a message to one buffer, because a message may have very many tiny parts."""
        if not self.message_data:
            self.message_data = payload
        elif payload:
            if isinstance(self.message_data, bytes):
                self.message_data = bytearray(self.message_data)
            self.message_data += payload

    def onMessageFrameEnd(self) -> None:
        """Do nothing: the payload has been appended already."""

    def onMessageEnd(self) -> None:
        """Pass a message on, once it is known to be what it says it is."""
        payload, self.message_data = bytes(self.message_data), None
        if self.failedByMe or self.session is None:
            return
        try:
            if self._isMessageCompressed:
                payload = inflate(payload, self.maxMessagePayloadSize)
            self.factory.life.inputs.charge(len(payload))
            if not self.message_is_binary:
                payload.decode()
        except tuple(_FAULTS) as error:
            self.failedByMe = True
            self.session.close(_FAULTS[type(error)])
        else:
            self.session.received(payload, binary=self.message_is_binary)

    def sendData(self, data: bytes, *_: object, **__: object) -> None:
        """Send what Autobahn itself has to say."""
        self.transport.write(data)

    def sendCloseFrame(
        self, code: int | None = None, reasonUtf8: bytes | None = None, isReply: object = None
    ) -> None:
        """Answer the peer's close; or, when it is Autobahn that fails the connection, say so by our rules."""
        if isReply:
            super().sendCloseFrame(code, reasonUtf8, isReply=True)
            self.over()
        elif self.session is not None:
            self.session.close(_FAILURES.get(code or 0, BAD_REQUEST))

    def dropConnection(self, *_: object, **__: object) -> None:
        """End it when all has left; never by a reset, which could overtake what has."""
        self.state = self.STATE_CLOSED
        self.over()
        self.transport.loseConnection()

    def over(self) -> None:
        """End the session. Input that it has paused goes on, because the peer's close frame must be read."""
        super().over()
        if self.held:
            self.resume()

    # What a session asks.

    def ping(self) -> None:
        """Send a ping frame, the same for all."""
        if self.state == self.STATE_OPEN:
            self.transport.write(_PING)

    def abort(self) -> None:
        """Drop the connection and the waiting input now."""
        self.state = self.STATE_CLOSED
        super().abort()

    def close(self, disconnect: Disconnect) -> None:
        """Send a close frame, see :meth:`pushd.interfaces.Wire.close`."""
        if self.state != self.STATE_OPEN or self.session is None:
            return
        super().sendCloseFrame(self.session.close_code(disconnect), disconnect.text.encode())
        if self.failedByMe:
            # Nothing it still sends can be understood, not even a close frame (RFC 6455 section 7.1.7).
            self.state = self.STATE_CLOSED
            self.transport.loseWriteConnection()
        self.over()


class WebSockets(WebSocketServerFactory):
    """What all WebSockets of the port share. It does not listen: the edge hands connections over.

    Args:
        life: What they share with all other connections.
        message_size: Most bytes of a message from a client.
    """

    protocol: Any = WebSocket

    def __init__(self, life: Lifecycle, message_size: int) -> None:
        super().__init__(server="", reactor=life.clock)
        self.life = life
        # All that concern an open connection, so that no default decides; requests are the edge's.
        self.setProtocolOptions(
            requireMaskedClientFrames=True,
            applyMask=True,
            maskServerFrames=False,
            # Done on the whole message, in onMessageEnd.
            utf8validateIncoming=False,
            maxFramePayloadSize=0,
            maxMessagePayloadSize=message_size,
            autoFragmentSize=0,
            failByDrop=False,
            echoCloseCodeReason=False,
            # Limits of time are the sweep's.
            openHandshakeTimeout=0,
            closeHandshakeTimeout=0,
            autoPingInterval=0,
            autoPingTimeout=0,
        )

    def accept(self, transport: ITransport, session: Session, key: str, extension: str = "") -> WebSocket:
        """Take a connection over whose request was found good, and answer the handshake.

        Args:
            key: ``Sec-WebSocket-Key``.
            extension: What was agreed, as the answer says it: the client may deflate its messages.

        Returns:
            The protocol to which ``transport`` has to give what comes from now on.
        """
        socket: Any = self.buildProtocol(None)
        socket.begin(session, deflates=bool(extension))
        outlet = outlet_for(transport, socket, self.life.buffered_bytes)
        socket.makeConnection(outlet)
        outlet.write(_answer(key, extension))
        socket.guarded(self.life.open, socket, session)
        built: WebSocket = socket
        return built


def _answer(key: str, extension: str) -> bytes:
    proof = b64encode(sha1(key.encode() + _GUID, usedforsecurity=False).digest())
    agreed = f"Sec-WebSocket-Extensions: {extension}\r\n" if extension else ""
    return _OPEN % (proof, agreed.encode())
