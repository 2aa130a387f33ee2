"""pika's AMQP engine on a Twisted transport.

``pika.connection.Connection`` speaks the protocol and leaves four things to a subclass: bytes out, timers,
and beginning and end of the stream. It keeps the true cause of an end and cuts peers that never answer.
Frames are split here, which pika does in time quadratic in the size of a read; and a message whose
properties pika cannot read (a date beyond the year 9999 in a header) arrives without properties, where
pika would drop the connection, and again at every attempt to resume a stream.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import unpack_from
from typing import Any

from pika.connection import Connection, Parameters
from pika.frame import Header, decode_frame
from pika.spec import FRAME_HEADER
from twisted.internet.interfaces import IDelayedCall, IReactorTime, ITCPTransport

__all__ = ["GRACE", "Wire"]

GRACE = 5.0
"""Seconds a peer has to end the connection in good order before it is cut."""

_OVERHEAD = 8
"""Bytes of a frame besides its payload: type, channel, size and end mark (AMQP 0-9-1 section 4.2.3)."""


class Wire(Connection):
    """One connection, from the first byte to the last.

    Args:
        clock: For heartbeats and the grace at the end.
        transport: Where the bytes go.
        parameters: Who logs in.
        opened: Called when logged in.
    """

    def __init__(
        self,
        clock: IReactorTime,
        transport: ITCPTransport,
        parameters: Parameters,
        opened: Callable[[Connection], None],
    ) -> None:
        self._clock = clock
        self._socket = transport
        self._rest = b""
        self._cut: IDelayedCall | None = None
        super().__init__(
            parameters,
            on_open_callback=opened,
            on_open_error_callback=lambda *_: None,  # whoever calls ended() knows
            internal_connection_workflow=False,
        )
        self._on_stream_connected()

    def received(self, data: bytes) -> None:
        """Handle the frames that are complete now."""
        self.bytes_received += len(data)  # heartbeats look at it
        buffer = self._rest + data
        start = 0
        while (end := _frame_end(buffer, start)) <= len(buffer):
            self._process_frame(_decode(buffer[start:end]))
            start = end
        self._rest = buffer[start:]

    def ended(self, reason: Exception) -> Exception:
        """The transport is gone; pika's channels learn it from here.

        Returns:
            Why: what the broker or pika said before ``reason``, if anything.
        """
        if self._cut is not None and self._cut.active():
            self._cut.cancel()
        cause: Exception = self._error or reason
        self._on_stream_terminated(cause)
        return cause

    def cut(self) -> None:
        """End the connection now."""
        self._socket.abortConnection()

    def cut_later(self) -> None:
        """Give the peer some time to end the connection."""
        if self._cut is None:
            self._cut = self._clock.callLater(GRACE, self._socket.abortConnection)

    # What pika asks of an adapter.

    def _adapter_call_later(self, delay: float, callback: Callable[[], None]) -> IDelayedCall:
        return self._clock.callLater(delay, callback)

    def _adapter_remove_timeout(self, timeout_id: Any) -> None:
        if timeout_id.active():
            timeout_id.cancel()

    def _adapter_emit_data(self, data: bytes) -> None:
        self._socket.write(data)

    def _adapter_disconnect_stream(self) -> None:
        # Over TLS, or with unsent bytes, this waits for a peer that may be dead.
        self._socket.loseConnection()
        self.cut_later()

    def _adapter_connect_stream(self) -> None:
        raise AssertionError("the transport is connected before there is a Wire")

    def _adapter_add_callback_threadsafe(self, callback: Callable[[], None]) -> None:  # noqa: ARG002
        raise AssertionError("everything here happens in the reactor thread")


def _frame_end(buffer: bytes, start: int) -> int:
    """Give where the frame at ``start`` ends; that may be beyond the buffer."""
    if buffer.startswith(b"AMQP", start):
        return start + 8  # the broker speaks another version, and says which
    if len(buffer) - start < _OVERHEAD:
        return start + _OVERHEAD
    size: int = unpack_from(">L", buffer, start + 3)[0]
    return start + _OVERHEAD + size


def _decode(data: bytes) -> Any:
    """Decode exactly one frame."""
    try:
        return decode_frame(data)[1]
    except (ArithmeticError, LookupError, OSError, TypeError, ValueError):
        if data[0] != FRAME_HEADER:
            raise
        channel, body_size = unpack_from(">H", data, 1)[0], unpack_from(">Q", data, 11)[0]
        return Header(channel, body_size, None)  # type: ignore[arg-type]  # how Channel tells
