"""The way out to one client: straight into its socket while nothing waits, through Twisted if not.

Twisted's ``write`` always buffers, and sends in the next turn of the reactor, for several times the work of a
``send``. So an :class:`Outlet` sends by itself, hands only the remainder to Twisted, and lets Twisted ask for
more (a pull producer) to learn that all has left. Everything for the client goes through its outlet, also
what Autobahn writes by itself; only while nothing waits in there may others send in its place, as the hub's
passes do. Nothing can overtake anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeGuard

from twisted.internet.interfaces import IPullProducer, IPushProducer, ITransport
from twisted.internet.tcp import Connection
from zope.interface import implementer

from pushd.interfaces import Socket

__all__ = ["Outlet", "Owner", "TransportOutlet", "end_gently", "outlet_for"]

_PIECE = 65536
"""Bytes handed to Twisted at once: each piece taken is the socket's sign of life."""


class Owner(Protocol):
    """What an outlet tells about itself. No method may raise."""

    def congested(self) -> None:
        """Not everything has left at once: the socket is not free until :meth:`drained`."""

    def drained(self) -> None:
        """All that waited has left: the next write goes straight to the socket."""

    def overflowed(self) -> None:
        """More would wait than may; what was to be written is dropped. To be ended."""


class _Nobody:
    """The owner of an outlet that leads nowhere any more; taking the real one's place, it unties a cycle."""

    def drained(self) -> None:
        """Nobody cares."""

    congested = overflowed = drained


_NOBODY = _Nobody()


@implementer(IPullProducer)
class Outlet:
    """The outlet of a plain stream socket, TCP or Unix.

    To Autobahn it is the transport.

    Args:
        transport: Owns the socket.
        owner: Told when a congestion ends or gets too big.
        limit: Bytes that may wait when something is added to them; a single write may be larger.

    Attributes:
        socket: What it writes to while nothing waits. Who does so in its place gives :meth:`keep` the rest.
    """

    __slots__ = ("_backlog", "_end", "_limit", "_owner", "_stuck_since", "_transport", "socket")

    def __init__(self, transport: Connection, owner: Owner, limit: int) -> None:
        self._transport = transport
        self.socket: Socket = transport.getHandle()
        self._owner = owner
        self._limit = limit
        # What still has to be handed to Twisted; None: nothing waits anywhere, the socket is ours.
        self._backlog: bytes | bytearray | None = None
        # How the connection ends when nothing waits any more; None: it goes on.
        self._end: Callable[[], None] | None = None
        self._stuck_since = 0.0

    def write(self, data: bytes) -> bool:
        """Send, or keep for later; whether the kernel took everything."""
        if self._backlog is None:
            try:
                sent = self.socket.send(data)
            except OSError:
                # Full; or broken, which the reactor will find out by itself.
                sent = 0
            if sent == len(data):
                return True
            data = data[sent:]
        self.keep(data)
        return False

    def keep(self, data: bytes) -> None:
        """Let it wait, unless it is said after the end, or too much already waits."""
        if self._backlog is None:
            self._backlog = data
            self._stuck_since = 0.0
            self._owner.congested()
            self._transport.registerProducer(self, streaming=False)
        elif self._end is None:
            if len(self._backlog) + len(data) > self._limit:
                self._owner.overflowed()
                return
            if not isinstance(self._backlog, bytearray):
                # Only now is it worth a copy of its own, to which much can be added cheaply.
                self._backlog = bytearray(self._backlog)
            self._backlog += data

    def stuck(self, now: float) -> float:
        """For how many seconds nothing was taken, as far as it can be told by asking now and then."""
        if self._backlog is None:
            return 0.0
        self._stuck_since = self._stuck_since or now
        return now - self._stuck_since

    def loseConnection(self) -> None:
        """End the connection when all that waits has left; nothing can be written any more."""
        self._end_by(self._transport.loseConnection)

    def loseWriteConnection(self) -> None:
        """The same for our direction alone: what the peer still sends does not reset what we have sent."""
        self._end_by(self._transport.loseWriteConnection)

    def abortConnection(self) -> None:
        """Drop the connection and all that waits."""
        self.stopProducing()
        self._transport.abortConnection()

    def resumeProducing(self) -> None:
        """Twisted has nothing left to send: hand it the next piece, or take the socket back."""
        backlog = self._backlog
        self._stuck_since = 0.0
        if backlog:
            self._backlog = backlog[_PIECE:]
            self._transport.write(bytes(backlog[:_PIECE]))
            return
        # With a producer registered, Twisted would never end the connection.
        self._transport.unregisterProducer()
        if self._end is None:
            self._backlog = None
            self._owner.drained()
        else:
            self._end()

    def stopProducing(self) -> None:
        """The connection is gone: forget what waits and for whom, and take no more."""
        self._end = _NOBODY.drained
        self._backlog = b""
        self._owner = _NOBODY

    def _end_by(self, end: Callable[[], None]) -> None:
        if self._end is None:
            self._end = end
            if self._backlog is None:
                self._backlog = b""
                end()


@implementer(IPushProducer)
class TransportOutlet:
    """The outlet of any other transport, above all TLS: it knows what Twisted's own buffer tells.

    Args:
        transport: Takes bytes, and pauses its producer when it has too many.
        owner: See :class:`Outlet`.
        limit: Bytes that may be added while the transport has too many.
    """

    __slots__ = ("_ended", "_held", "_limit", "_owner", "_stuck_since", "_transport")

    def __init__(self, transport: Any, owner: Owner, limit: int) -> None:
        self._transport = transport
        self._owner = owner
        self._limit = limit
        # Bytes added since the transport had too many; None: it takes more.
        self._held: int | None = None
        self._ended = False
        self._stuck_since = 0.0
        transport.registerProducer(self, True)

    @property
    def socket(self) -> Socket:
        """Itself: there is no shorter way."""
        return self

    def send(self, data: bytes, /) -> int:  # noqa: ARG002  # see above
        """Take nothing: all goes to :meth:`keep`."""
        return 0

    def keep(self, data: bytes) -> None:
        """See :meth:`write`."""
        self.write(data)

    def write(self, data: bytes) -> bool:
        """Hand over to the transport; whether it takes more."""
        if self._ended:
            return False
        if self._held is not None:
            self._held += len(data)
            if self._held > self._limit:
                self._owner.overflowed()
                return False
        self._transport.write(data)
        return self._held is None

    def stuck(self, now: float) -> float:
        """For how many seconds the transport has had too many, see :meth:`Outlet.stuck`."""
        if self._held is None:
            return 0.0
        self._stuck_since = self._stuck_since or now
        return now - self._stuck_since

    def loseConnection(self) -> None:
        """End the connection when all that waits has left; nothing can be written any more."""
        if not self._ended:
            self._ended = True
            self._transport.unregisterProducer()
            self._transport.loseConnection()

    loseWriteConnection = loseConnection

    def abortConnection(self) -> None:
        """Drop the connection and all that waits."""
        self.stopProducing()
        self._transport.abortConnection()

    def pauseProducing(self) -> None:
        """The transport has too many bytes."""
        self._held, self._stuck_since = 0, 0.0
        self._owner.congested()

    def resumeProducing(self) -> None:
        """The transport has sent them all."""
        self._held = None
        self._owner.drained()

    def stopProducing(self) -> None:
        """The connection is gone, see :meth:`Outlet.stopProducing`."""
        self._ended = True
        self._owner = _NOBODY


def outlet_for(transport: ITransport, owner: Owner, limit: int) -> Outlet | TransportOutlet:
    """Give the outlet that suits ``transport``: its socket is only touched when nothing stands in between."""
    if _is_plain(transport):
        return Outlet(transport, owner, limit)
    return TransportOutlet(transport, owner, limit)


def end_gently(transport: Any) -> None:
    """End when all has left; where that can be told apart, what the peer still sends does not reset it.

    To read on until the peer ends, and for how long, is the caller's (RFC 9112 section 9.6).
    """
    if _is_plain(transport):
        transport.loseWriteConnection()
    else:
        transport.loseConnection()


def _is_plain(transport: ITransport) -> TypeGuard[Connection]:
    return isinstance(transport, Connection) and not transport.TLS
