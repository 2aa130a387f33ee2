"""pika's protocol for Twisted, with its faults mended.

``TwistedProtocolConnection`` splits what was read into frames in time quadratic in its size; it drops the
connection on properties it cannot decode (a date beyond the year 9999 in a header), and again at every
attempt to resume a stream there; it hides why a connection ended; and it waits for ever for a dead peer to
agree to the end. docs/adr/0002-pika-in-one-module.md says what of it is touched to mend that.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct, unpack_from
from typing import TYPE_CHECKING, Any, cast

from pika.adapters.twisted_connection import TwistedProtocolConnection
from pika.exceptions import AMQPError
from pika.frame import Header, decode_frame
from pika.spec import FRAME_HEADER
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

if TYPE_CHECKING:
    from pika import ConnectionParameters
    from pika.connection import Connection

__all__ = ["GRACE", "Wire"]

_log = Logger()

GRACE = 5.0
"""Seconds a peer has to end the connection in good order before it is cut."""

_OVERHEAD = 8
"""Bytes of a frame besides its payload: type, channel, size and end mark (AMQP 0-9-1 section 4.2.3)."""

_size = Struct(">L").unpack_from


class Wire(TwistedProtocolConnection):
    """One connection, from the first byte to the last.

    Args:
        clock: For heartbeats and the grace at the end.
        who: Who logs in.

    Attributes:
        opened: Fires when logged in; fails with ``cause``.
        cause: Why it ended: what the broker or pika said, else what the transport said; ``None`` before.
            ``closed`` fires with it, and pika's channels are closed with it.
    """

    def __init__(self, clock: IReactorTime, who: ConnectionParameters) -> None:
        super().__init__(who, custom_reactor=clock)
        self.opened: Deferred[Any] = cast("Deferred[Any]", self.ready).addErrback(self._why)
        self.cause: Exception | None = None
        self._clock = clock
        self._rest = b""
        self._fault: Exception | None = None
        self._cut: IDelayedCall | None = None

    @property
    def engine(self) -> Connection:
        """What speaks AMQP under the adapter: its channels call back, without a Deferred per delivery."""
        return self._impl

    def cut(self) -> None:
        """End the connection now, if there is one."""
        if self.transport is not None and self.cause is None:
            cast("_Leaving", self.transport).abortConnection()

    def cut_later(self) -> None:
        """Give the peer some time to end the connection."""
        if self._cut is None:
            self._cut = self._clock.callLater(GRACE, self.cut)

    # Called by Twisted.

    def makeConnection(self, transport: Any) -> None:
        """Begin to speak AMQP."""
        # Otherwise a publication that follows an acknowledgement waits for the broker's delayed ACK: 40 ms.
        transport.setTcpNoDelay(True)
        super().makeConnection(cast("Any", _Leaving(transport, self.cut_later)))

    def dataReceived(self, data: bytes) -> None:
        """Hand over the frames that are complete now; what goes wrong with them ends this connection only."""
        hand_over = super().dataReceived
        buffer, start = self._rest + data, 0
        try:
            while (end := _frame_end(buffer, start)) <= len(buffer):
                # Each alone: for each, pika copies everything that is behind it.
                frame, start = buffer[start:end], end
                try:
                    hand_over(frame)
                except Exception:  # noqa: BLE001  # whatever it is, unless it is about properties
                    self._hand_over_without_properties(frame)
        except Exception as error:  # noqa: BLE001  # whatever it is
            if not isinstance(error, AMQPError):  # else it is no AMQP what came
                _log.failure("what the broker sent could not be handled")
            self._fault = error
            self.cut()
        self._rest = buffer[start:]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Find out why, before pika puts the transport's word in the place of its own."""
        if self._cut is not None and self._cut.active():
            self._cut.cancel()
        self.cause = self._impl._error or self._fault or cast("Exception", reason.value)  # noqa: SLF001
        super().connectionLost(Failure(self.cause))

    def _hand_over_without_properties(self, frame: bytes) -> None:
        """Do what pika does with a header it has read, for one that it could not read and still holds.

        Raises:
            Exception: The one being handled, if it is about something else.
        """
        if _is_readable(frame):
            raise  # noqa: PLE0704  # see above
        self._impl._trim_frame_buffer(len(frame))  # noqa: SLF001
        channel, body_size = unpack_from(">H", frame, 1)[0], unpack_from(">Q", frame, 11)[0]
        nothing = cast("Any", None)  # pika's channels hand it on as it is
        self._impl._process_frame(Header(channel, body_size, nothing))  # noqa: SLF001

    def _why(self, failure: Failure) -> Failure:
        return failure if self.cause is None else Failure(self.cause)


class _Leaving:
    """What pika needs of a transport, and an end that comes.

    Over TLS, or with unsent bytes, ``loseConnection`` waits for a peer that may be dead.

    Args:
        transport: The real one.
        leaving: Called when it is asked to end.
    """

    def __init__(self, transport: ITCPTransport, leaving: Callable[[], None]) -> None:
        self.write: Callable[[bytes], None] = transport.write
        self.abortConnection: Callable[[], None] = transport.abortConnection
        self._transport = transport
        self._leaving = leaving

    def loseConnection(self) -> None:
        """End when everything is written, or a little later."""
        self._transport.loseConnection()
        self._leaving()


def _frame_end(buffer: bytes, start: int) -> int:
    """Give where the frame at ``start`` ends; that may be beyond the buffer."""
    if len(buffer) - start < _OVERHEAD:
        return start + _OVERHEAD
    size: int = _size(buffer, start + 3)[0]
    return start + _OVERHEAD + size


def _is_readable(frame: bytes) -> bool:
    """Tell whether it is anything but a header with properties that pika cannot decode."""
    if frame[0] != FRAME_HEADER:
        return True
    try:
        decode_frame(frame)
    except (ArithmeticError, LookupError, OSError, RecursionError, TypeError, ValueError):
        return False
    return True
