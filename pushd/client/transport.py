"""The way out to one client: straight into its socket while nothing waits, through Twisted if not.

Twisted's ``write`` always buffers, and sends in the next turn of the reactor, for several times the work of a
``send``. So an :class:`Outlet` sends by itself, hands only the remainder to Twisted, and lets Twisted ask for
more (a pull producer) to learn that all has left. What waits is handed over piece by piece from a queue that
shares its bytes with the queues of other clients. Everything for the client goes through its outlet, also
what Autobahn writes by itself; only while nothing waits in there may others send in its place, as the hub's
passes do. Nothing can overtake anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeGuard

from twisted.internet.interfaces import IPullProducer, ITransport
from twisted.internet.tcp import Connection
from zope.interface import implementer

from pushd.client.owner import NOBODY, Owner
from pushd.client.sendqueue import NOTHING, SendQueue
from pushd.client.transport_outlet import TransportOutlet
from pushd.interfaces import Socket

__all__ = ["Outlet", "Owner", "TransportOutlet", "end_gently", "outlet_for"]


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

    __slots__ = ("_end", "_limit", "_owner", "_stuck_since", "_transport", "_waiting", "socket")

    def __init__(self, transport: Connection, owner: Owner, limit: int) -> None:
        self._transport = transport
        self.socket: Socket = transport.getHandle()
        self._owner = owner
        self._limit = limit
        # What still has to be handed to Twisted; None: nothing waits anywhere, the socket is ours.
        self._waiting: SendQueue | None = None
        # How the connection ends when nothing waits any more; None: it goes on.
        self._end: Callable[[], None] | None = None
        self._stuck_since = 0.0

    def write(self, data: bytes) -> bool:
        """Send, or keep for later; whether the kernel took everything."""
        sent = 0
        if self._waiting is None:
            try:
                sent = self.socket.send(data)
            except OSError:
                # Full; or broken, which the reactor will find out by itself.
                sent = 0
            if sent == len(data):
                return True
        self.keep(data, sent)
        return False

    def keep(self, data: bytes, sent: int = 0) -> None:
        """Queue what the socket did not take, unless the end was asked for or too many bytes wait already.

        Args:
            data: The whole of what was to be sent. The queue holds a reference and no copy.
            sent: Bytes of ``data`` that the socket took.
        """
        waiting = self._waiting
        if waiting is None:
            self._waiting = SendQueue(data, sent)
            self._stuck_since = 0.0
            self._owner.congested()
            self._transport.registerProducer(self, streaming=False)
        elif self._end is None:
            if waiting.size + len(data) - sent > self._limit:
                self._owner.overflowed()
            else:
                waiting.add(data, sent)

    def stuck(self, now: float) -> float:
        """For how many seconds nothing was taken, as far as it can be told by asking now and then."""
        if self._waiting is None:
            return 0.0
        self._stuck_since = self._stuck_since or now
        return now - self._stuck_since

    def pause_reading(self) -> None:
        """Stop reading from the socket until :meth:`resume_reading`."""
        self._transport.pauseProducing()

    def resume_reading(self) -> None:
        """Read from the socket again, unless the connection is about to end."""
        self._transport.resumeProducing()

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
        self._stuck_since = 0.0
        if self._waiting and (piece := self._waiting.take()):
            self._transport.write(piece)
            return
        # With a producer registered, Twisted would never end the connection.
        self._transport.unregisterProducer()
        if self._end is None:
            self._waiting = None
            self._owner.drained()
        else:
            self._end()

    def stopProducing(self) -> None:
        """The connection is gone: forget what waits and for whom, and take no more."""
        self._end = NOBODY.drained
        self._waiting = NOTHING
        self._owner = NOBODY

    def _end_by(self, end: Callable[[], None]) -> None:
        if self._end is None:
            self._end = end
            if self._waiting is None:
                self._waiting = NOTHING
                end()


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
