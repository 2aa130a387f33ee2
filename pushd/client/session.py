"""One client of one protocol: what the hub calls a connection, joined to the wire that carries it.

A protocol (raw, centrifugo, sse) is a subclass that answers ``opened``, ``received`` and ``missed``.
It never touches a socket: bytes go out through ``write``, the end is asked of the wire.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pushd.disconnect import EXPIRED

if TYPE_CHECKING:
    from pushd.disconnect import Disconnect
    from pushd.hub import Hub
    from pushd.interfaces import Encoding, Wire

__all__ = ["Session"]


class Session:
    """The state of one client, in one slotted object.

    Args:
        hub: Where it joins once it is open.
        encoding: How messages become bytes for it.

    Attributes:
        cursor, channels, waiting: The hub's, see :class:`pushd.interfaces.Connection`.
        wire: The connection underneath, from ``opened`` on.
        number, peer, opened_at: For operators, see :class:`pushd.interfaces.Connection`; set by the edge.
        heard_at: When the peer last proved that it lives, in reactor seconds; kept by the wire.
        pinged_at: When the last ping left; unanswered while ``heard_at`` is before it; kept by the sweep.
        expires_at: When :meth:`expired` is due, in reactor seconds, or infinity; looked at by the sweep.
        leaves_at: When the connection's age is reached, or infinity; kept by the sweep.
    """

    __slots__ = (
        "channels", "cursor", "encoding", "expires_at", "heard_at", "hub", "leaves_at", "number", "opened_at",
        "peer", "pinged_at", "socket", "waiting", "wire", "write",
    )  # fmt: skip

    protocol: ClassVar[str]

    def __init__(self, hub: Hub, encoding: Encoding) -> None:
        self.hub = hub
        self.encoding = encoding
        self.cursor = 0
        self.channels: set[str] = set()
        self.waiting = True
        self.number = 0
        self.peer = ""
        self.opened_at = 0.0
        self.heard_at = 0.0
        self.pinged_at = 0.0
        self.leaves_at = float("inf")
        self.expires_at = float("inf")

    @property
    def silent(self) -> bool:
        """Whether it is the client's turn to say what it wants, before anything else can happen."""
        return self not in self.hub.connections

    def opened(self, wire: Wire) -> None:
        """The handshake is done and its bytes are on their way; subclasses join the hub here."""
        self.wire = wire
        self.socket, self.write = wire.socket, wire.write

    def received(self, payload: bytes, *, binary: bool) -> None:
        """Take one whole message from the client."""

    def keep(self, data: bytes, sent: int = 0) -> None:
        """Queue what the socket did not take, see :meth:`pushd.interfaces.Connection.keep`."""
        self.wire.keep(data, sent)

    def congested(self) -> None:
        """The socket did not take everything; a session that has joined is not served until it has."""
        self.hub.congested(self)

    def drained(self) -> None:
        """The socket has taken all that waited; a session that has joined is served from now on."""
        self.hub.drained(self)

    def lost(self) -> None:
        """The connection is gone, whoever ended it; called once, also after :meth:`close`."""
        self.hub.leave(self)

    def close(self, disconnect: Disconnect) -> None:
        """End the connection for a named reason; nothing is written to it afterwards."""
        self.hub.leave(self, disconnect)
        self.wire.close(disconnect)

    def close_code(self, disconnect: Disconnect) -> int:
        """Give what a WebSocket's close frame says; by default the code of plain ones."""
        return disconnect.code

    def ping(self) -> None:
        """Keep the connection alive, and ask the peer for a sign of life; by default the wire's own way."""
        self.wire.ping()

    def expired(self) -> None:
        """What the client was let in with has come to its end; by default the connection's end, too."""
        self.close(EXPIRED)

    def missed(self) -> None:
        """Tell the client that messages may be missing; by default by ending the connection."""
        raise AssertionError("each protocol has its own way of saying it")
