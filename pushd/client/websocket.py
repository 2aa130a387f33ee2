"""WebSockets by Autobahn, with all taken out that a connection of ours would pay for and never use.

The only importer of Autobahn. What Autobahn copies into every connection (options, counters, a fresh state)
stands here once, as attributes of the class; an instance carries only what differs. What a handshake leaves
behind is dropped when it is done. Pings, deadlines and limits are the sweep's and the edge's business.
"""

from __future__ import annotations

from typing import Any

from autobahn.twisted.websocket import WebSocketServerProtocol
from autobahn.util import wildcards2patterns
from autobahn.wamp.types import TransportDetails
from twisted.internet.interfaces import ITransport

from pushd.client.lifecycle import Carrier, Lifecycle
from pushd.client.session import Session
from pushd.client.transport import outlet_for
from pushd.disconnect import BAD_REQUEST, INVALID_TEXT, TOO_BIG, Disconnect

__all__ = ["WebSocket", "WebSockets"]

_PING = b"\x89\x00"
"""A ping frame without payload (RFC 6455 section 5.5.2)."""

_HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: pushd\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n"
)
"""All of a client's request that Autobahn has to see: the edge has read the rest, and read it strictly."""

_LEFTOVERS = (
    "_wskey", "http_headers", "http_request_data", "http_request_host", "http_request_params",
    "http_request_path", "http_request_uri", "http_response_data", "http_status_line", "websocket_extensions",
    "websocket_extensions_in_use", "websocket_origin", "websocket_protocol_in_use", "websocket_protocols",
    "websocket_version",
)  # fmt: skip
"""What a handshake leaves on the instance; after it Autobahn reads only the version, which the class has."""

_FAILURES = {1007: INVALID_TEXT, 1009: TOO_BIG}
"""Reasons for which Autobahn fails a connection; all others are the peer's mistakes (1002)."""


class _Nothing:
    """Stands for what is never looked at: loggers, counters, promises. Counts to 0, answers every call."""

    def __getattr__(self, name: str) -> Any:
        return 0 if name.startswith(("incoming", "outgoing", "preopen")) else self

    def __setattr__(self, name: str, value: object) -> None:
        """Forget it."""

    def __call__(self, *_: object, **__: object) -> None:
        """Do nothing."""


class WebSockets:
    """What all WebSockets of the port share; to Autobahn it is their factory.

    Args:
        life: What they share with all other connections.
        message_size: Most bytes of a message from a client.
    """

    # What Autobahn reads of a factory. Without externalPort any port in Host is right.
    isServer = True
    isSecure = False
    allowNullOrigin = True
    externalPort = port = server = None
    headers: dict[str, str] = {}  # noqa: RUF012  # read only

    def __init__(self, life: Lifecycle, message_size: int) -> None:
        self.life = life
        self.message_size = message_size

    def accept(self, transport: ITransport, session: Session, key: str) -> WebSocket:
        """Take a connection over whose request was found good, and answer the handshake.

        Args:
            key: ``Sec-WebSocket-Key``.

        Returns:
            The protocol to which ``transport`` has to give what comes from now on.
        """
        socket = WebSocket(self, session)
        socket.makeConnection(outlet_for(transport, socket, self.life.buffered_bytes))
        socket.dataReceived(_HANDSHAKE % key.encode())
        return socket


class WebSocket(Carrier, WebSocketServerProtocol):  # type: ignore[misc]
    """One WebSocket. Of ours it has ``session`` alone: the rest of its namespace is Autobahn's."""

    # Options, so that no default decides. The edge has checked version, origin and limits; the sweep
    # keeps deadlines and pings; nothing is compressed.
    versions = (13,)
    webStatus = serveFlashSocketPolicy = failByDrop = echoCloseCodeReason = False
    requireMaskedClientFrames = applyMask = True
    maskServerFrames = logOctets = logFrames = trackTimings = False
    openHandshakeTimeout = closeHandshakeTimeout = autoPingInterval = autoPingTimeout = 0
    maxConnections = trustXForwardedFor = autoFragmentSize = maxFramePayloadSize = 0
    allowedOriginsPatterns = wildcards2patterns(["*"])
    utf8validateIncoming = False  # done on the whole message, in onMessageEnd
    maxMessagePayloadSize = property(lambda self: self.factory.message_size)
    perMessageCompressionAccept = staticmethod(lambda _offers: None)

    # The state of a connection that just began, in place of connectionMade().
    state = WebSocketServerProtocol.STATE_CONNECTING
    data = b""
    send_state = WebSocketServerProtocol.SEND_STATE_GROUND
    send_queue = ()
    websocket_version = 13
    current_frame = trackedTimings = _perMessageCompress = None
    inside_message = triggered = closedByMe = failedByMe = droppedByMe = wasClean = False
    wasMaxFramePayloadSizeExceeded = wasMaxMessagePayloadSizeExceeded = False
    wasServingFlashSocketPolicyFile = False
    wasNotCleanReason = localCloseCode = localCloseReason = remoteCloseCode = remoteCloseReason = None
    openHandshakeTimeoutCall = closeHandshakeTimeoutCall = None
    autoPingTimeoutCall = autoPingPending = autoPingPendingCall = None
    _transport_details = TransportDetails()
    # What Autobahn logs would quote the peer.
    log = trafficStats = is_open = is_closed = _Nothing()

    answers = True

    def __init__(self, factory: WebSockets, session: Session) -> None:
        self.factory = factory
        self.session: Session | None = session

    # What Twisted tells.

    def connectionMade(self) -> None:
        """Begin, see above."""

    def dataReceived(self, data: bytes) -> None:
        """Take bytes; all of Autobahn and of a session that is not told otherwise runs inside of this."""
        if self.session is not None:
            self.session.heard_at = self.factory.life.clock.seconds()
        if self.state != self.STATE_CLOSED:
            self.data += data
            self.guarded(self.consumeData)

    # What Autobahn tells.

    def onConnect(self, request: object) -> None:
        """Accept."""

    def failHandshake(self, reason: str, code: int = 400, responseHeaders: object = None) -> None:  # noqa: ARG002
        """Drop what cannot be: the request is one of ours."""
        self.abort()

    def onOpen(self) -> None:
        """Forget the handshake, begin the session."""
        for name in _LEFTOVERS:
            delattr(self, name)
        self.guarded(self.factory.life.open, self, self.session)

    def onMessageEnd(self) -> None:
        """Pass a message on, once it is known to be what it says it is."""
        payload, self.message_data = b"".join(self.message_data), None
        if self.failedByMe or self.session is None:
            return
        if not self.message_is_binary and not _is_text(payload):
            self.failedByMe = True
            self.session.close(INVALID_TEXT)
        else:
            self.session.received(payload, binary=self.message_is_binary)

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:  # noqa: ARG002, FBT001, FBT002
        """Send what Autobahn itself has to say."""
        self.transport.write(data)

    def sendCloseFrame(
        self,
        code: int | None = None,
        reasonUtf8: bytes | None = None,
        isReply: bool = False,  # noqa: FBT001, FBT002
    ) -> None:
        """Answer the peer's close; or, when it is Autobahn that fails the connection, say so by our rules."""
        if isReply:
            super().sendCloseFrame(code, reasonUtf8, isReply=True)
            self.over()
        elif self.session is not None:
            self.session.close(_FAILURES.get(code, BAD_REQUEST))

    def dropConnection(self, abort: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        """End it when all has left; never by a reset, which could overtake what has."""
        self.state = self.STATE_CLOSED
        self.over()
        self.transport.loseConnection()

    # What a session asks.

    def ping(self) -> None:
        """Send a ping frame, the same for all."""
        if self.state == self.STATE_OPEN:
            self.transport.write(_PING)

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


def _is_text(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True
