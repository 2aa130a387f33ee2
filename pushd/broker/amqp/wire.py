"""pika's protocol for Twisted, with its faults mended.

``TwistedProtocolConnection`` splits what was read into frames in time quadratic in its size; it drops the
connection on properties it cannot decode (a date beyond the year 9999 in a header), and again at every
attempt to resume a stream there; it assembles every body, however large; it hides why a connection ended; and
it waits for ever for a dead peer to agree to the end. docs/adr/0002-pika-in-one-module.md says what of it is
touched to mend that.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING, Any, cast

from pika.adapters.twisted_connection import TwistedProtocolConnection
from pika.exceptions import AMQPError
from pika.frame import Header, decode_frame
from pika.spec import FRAME_BODY, FRAME_END, FRAME_HEADER
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from pushd.broker.amqp.header import ContentHeader, body_size, read

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
_channel = Struct(">H").unpack_from


class Wire(TwistedProtocolConnection):
    """One connection, from the first byte to the last.

    Args:
        clock: For heartbeats and the grace at the end.
        who: Who logs in.
        max_body_bytes: The largest body that is kept. A larger one is delivered as an empty body, with a
            :class:`ContentHeader` that says so.

    Attributes:
        opened: Fires when logged in; fails with ``cause``.
        cause: Why it ended: what the broker or pika said, else what the transport said; ``None`` before.
            ``closed`` fires with it, and pika's channels are closed with it.
    """

    def __init__(
        self, clock: IReactorTime, who: ConnectionParameters, max_body_bytes: int = sys.maxsize
    ) -> None:
        super().__init__(who, custom_reactor=clock)
        self.opened: Deferred[Any] = cast("Deferred[Any]", self.ready).addErrback(self._why)
        self.cause: Exception | None = None
        self._clock = clock
        self._max_body_bytes = max_body_bytes
        self._skipping: dict[int, int] = {}  # by channel, the bytes still to come of a body that is too large
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
                if self._skipping and self._skip(frame):
                    continue
                if frame[0] == FRAME_HEADER and body_size(frame) > self._max_body_bytes:
                    self._skip_body(frame)
                    continue
                try:
                    hand_over(frame)
                except Exception:  # noqa: BLE001  # whatever it is, unless it is about properties
                    self._hand_over_header(frame)
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

    def _hand_over_header(self, frame: bytes) -> None:
        """Do what pika does with a header it has read, for one that it could not read and still holds.

        Raises:
            Exception: The one being handled, if it is about something else.
        """
        if _is_readable(frame):
            raise  # noqa: PLE0704  # see above
        self._impl._trim_frame_buffer(len(frame))  # noqa: SLF001
        self._process_header(frame, _properties(frame), body_size(frame))

    def _skip_body(self, frame: bytes) -> None:
        """Hand over a message with a body that is too large as one without a body."""
        self._impl.bytes_received += len(frame)  # what pika's heartbeat goes by
        self._skipping[_channel(frame, 1)[0]] = body_size(frame)
        self._process_header(frame, _properties(frame, too_large=True), 0)

    def _skip(self, frame: bytes) -> bool:
        """Return True for a frame of a body that is skipped."""
        (channel,) = _channel(frame, 1)
        left = self._skipping.pop(channel, 0)
        if frame[0] != FRAME_BODY or not left:  # another frame of this channel: the body is given up
            return False
        self._impl.bytes_received += len(frame)
        left -= len(frame) - _OVERHEAD
        if left > 0:
            self._skipping[channel] = left
        return True

    def _process_header(self, frame: bytes, properties: ContentHeader | None, size: int) -> None:
        # pika's channels hand properties on as they are.
        self._impl._process_frame(Header(_channel(frame, 1)[0], size, cast("Any", properties)))  # noqa: SLF001

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
    """Return True for anything but a whole header whose properties pika cannot decode."""
    if frame[0] != FRAME_HEADER or frame[-1] != FRAME_END:
        return True
    try:
        decode_frame(frame)
    except Exception:  # noqa: BLE001  # whatever a publisher found
        return False
    return True


def _properties(frame: bytes, *, too_large: bool = False) -> ContentHeader | None:
    try:
        return read(frame, too_large=too_large)
    except ValueError:
        return None
