"""What all connections of the public port have in common from their first byte to their last."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from pushd.client.admission import Admission
from pushd.client.deadlines import Deadlines
from pushd.client.input import InputQueue
from pushd.client.session import Session
from pushd.disconnect import INTERNAL_ERROR, SILENT, SLOW
from pushd.interfaces import Socket, Wire
from pushd.stats import Stats

if TYPE_CHECKING:
    from pushd.client.transport import Outlet, TransportOutlet

__all__ = ["Carrier", "Lifecycle"]

_log = Logger()


class Lifecycle:
    """The collaborators and limits that connections share.

    Args:
        clock: Tells the time.
        stats: Counts.
        admission: Told who has left.
        inputs: Serves what clients send and is too much for one turn.
        handshake_timeout: Seconds for a request, and for what a protocol demands before anything else.
        close_timeout: Seconds for an end that waits for the peer.
        buffered_bytes: See :class:`pushd.client.transport.Outlet`.

    Attributes:
        requests: Connections that have not said yet, in full, what they want.
        greetings: Those whose session has not begun.
        closings: Those that are to end.
    """

    def __init__(
        self,
        clock: IReactorTime,
        stats: Stats,
        admission: Admission,
        inputs: InputQueue,
        *,
        handshake_timeout: float,
        close_timeout: float,
        buffered_bytes: int,
    ) -> None:
        self.clock = clock
        self.stats = stats
        self.admission = admission
        self.inputs = inputs
        self.buffered_bytes = buffered_bytes
        self.requests = Deadlines(clock, handshake_timeout)
        self.greetings = Deadlines(clock, handshake_timeout)
        self.closings = Deadlines(clock, close_timeout)
        self._numbers = count(1)

    @property
    def deadlines(self) -> tuple[Deadlines, ...]:
        """All of them, for the sweep."""
        return self.requests, self.greetings, self.closings

    def open(self, carrier: Carrier, session: Session) -> None:
        """Begin a session on a connection whose handshake is done."""
        session.number = next(self._numbers)
        session.opened_at = session.heard_at = session.pinged_at = self.clock.seconds()
        self.stats.opened[session.protocol] += 1
        session.opened(carrier)
        if carrier.session is session and session not in session.hub.connections:
            # Its protocol has a handshake of its own.
            self.greetings.add(carrier)


class Shared(Protocol):
    """What a carrier finds behind ``factory``."""

    @property
    def life(self) -> Lifecycle:
        """What it shares with all others."""


class Carrier(Wire):
    """The common half of every wire; the other half is a protocol of Twisted's.

    Attributes:
        factory: What it shares with its like.
        session: Whom it carries; ``None`` once that is over, which also unties what would be a cycle.
        transport: Its outlet.
    """

    factory: Shared
    session: Session | None
    transport: Outlet | TransportOutlet

    @property
    def socket(self) -> Socket:
        """The outlet's own."""
        return self.transport.socket

    def keep(self, data: bytes, sent: int = 0) -> None:
        """Queue what the socket did not take, see :meth:`pushd.interfaces.Connection.keep`."""
        self.transport.keep(data, sent)

    @property
    def write(self) -> Callable[[bytes], bool]:
        """The outlet's own."""
        return self.transport.write

    def stuck(self, now: float) -> float:
        """See :meth:`pushd.client.transport.Outlet.stuck`."""
        return self.transport.stuck(now)

    def abort(self) -> None:
        """Drop the connection now."""
        self.over()
        self.transport.abortConnection()

    def over(self) -> None:
        """The session is over, and the rest of the connection has little time."""
        session, self.session = self.session, None
        if session is not None:
            self.factory.life.greetings.discard(self)
            self.factory.life.closings.add(self)
            self.factory.life.admission.release(session.peer)
            session.lost()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002  # all ends are alike
        """Twisted: nothing can be sent or will come any more."""
        self.guarded(self.over)
        self.factory.life.closings.discard(self)
        self.transport.stopProducing()

    def congested(self) -> None:
        """The outlet: something waits."""
        if self.session is not None:
            self.guarded(self.session.congested)

    def drained(self) -> None:
        """The outlet: all that waited has left."""
        if self.session is not None:
            self.guarded(self.session.drained)

    def overflowed(self) -> None:
        """The outlet: the client makes us say more than it reads."""
        if self.session is not None:
            self.guarded(self.session.hub.leave, self.session, SLOW)
        self.guarded(self.abort)

    def overdue(self) -> None:
        """A deadline: the session has not begun, or the connection does not end."""
        if self.session is None:
            self.guarded(self.abort)
        elif self.session.silent:
            self.guarded(self.session.close, SILENT)

    def guarded(self, function: Callable[..., object], *arguments: object) -> None:
        """Call; what goes wrong is logged, and ends this connection and no other."""
        try:
            function(*arguments)
        except Exception:  # noqa: BLE001  # whatever it is, it ends this connection only
            _log.failure("a client's connection failed")
            self._fail()

    def _fail(self) -> None:
        try:
            if self.session is not None:
                self.session.close(INTERNAL_ERROR)
                return
        except Exception:  # noqa: BLE001  # as above
            _log.failure("a client's connection could not be closed")
        self.transport.abortConnection()
