"""The input of a WebSocket: parsed as far as the budget reaches, while the rest waits.

Autobahn parses all its input in one loop, and copies the rest of the input at each step. So this module gives
Autobahn small bites, and asks for one step at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pushd.client.input import Unread

__all__ = ["BudgetedInput"]

_BITE = 1024
"""Bytes that the parser is given at once, unless more of one frame is missing."""


class BudgetedInput:
    """The input half of a WebSocket. The other halves are a carrier and Autobahn's parser.

    Attributes:
        unread: Input that waits. While it is there, nothing is read. ``None``: input is served as it comes.
        held: Whether the session has paused its input.
    """

    unread: Unread | None = None
    held = False

    # Provided by the carrier and by Autobahn.
    factory: Any
    session: Any
    transport: Any
    guarded: Callable[..., None]
    state: int
    STATE_CLOSED: int
    data: bytes
    current_frame: Any
    current_frame_masker: Any
    processData: Callable[[], bool]

    @property
    def answers(self) -> bool:
        """True if the connection reads, so that a pong can arrive."""
        return self.unread is None

    def take_in(self, data: bytes) -> None:
        """Take bytes from the socket, and parse them if no earlier bytes wait."""
        if self.unread is not None:  # TLS hands on what it had deciphered when it was paused
            self.unread.add(data)
            return
        if len(data) > _BITE:
            self.unread = Unread(data)
            data = self.unread.take(_BITE)
        self.data += data
        self.factory.life.inputs.begin()
        self.guarded(self._work)

    def forget(self) -> None:
        """Drop the input that waits, because the connection is gone."""
        self.unread = None
        self.factory.life.inputs.discard(self)

    def serve(self) -> bool:
        """Parse input until the budget is used up; True if the queue must serve this connection again."""
        if self.state == self.STATE_CLOSED:
            self._read_on()
        else:
            self.guarded(self._work)
        return self.unread is not None and not self.held

    def pause(self) -> None:
        """Stop reading, and hand no message over until :meth:`resume`."""
        self.held = True
        self._stop_reading()

    def resume(self) -> None:
        """Hand messages over again, the first one in a later turn of the reactor."""
        self.held = False
        if self.unread is not None:
            self.factory.life.inputs.add(self)

    def _work(self) -> None:
        """Parse input as far as the budget reaches. A failure of the parser drops the rest."""
        left = False
        try:
            left = self._take()
        finally:
            if left:
                self._stop_reading()
            elif self.unread is not None:
                self._read_on()

    def _take(self) -> bool:
        """Let the parser work; True if the budget or the session ended it, and not the lack of more bytes."""
        inputs = self.factory.life.inputs
        while inputs.left > 0 and not self.held:
            inputs.left -= 1
            if not self.processData() and (self.unread is None or not self._bite(self.unread)):
                return self.held
            if self.state == self.STATE_CLOSED:
                return False
        return True

    def _bite(self, unread: Unread) -> bool:
        """Give the parser its next bytes, or the whole rest of a frame. Returns False if none are left."""
        frame = self.current_frame
        size = 0 if frame is None else frame.length - self.current_frame_masker.pointer()
        piece = unread.take(max(size, _BITE))
        self.data += piece
        return bool(piece)

    def _stop_reading(self) -> None:
        """Stop reading, and join the queue unless the session has paused the input."""
        if self.unread is None:
            self.unread = Unread(b"")
        self.transport.pause_reading()
        if not self.held:
            self.factory.life.inputs.add(self)

    def _read_on(self) -> None:
        """Read again. The time in which the connection read nothing does not count as the peer's silence."""
        self.unread = None
        if self.session is not None:
            self.session.heard_at = self.factory.life.clock.seconds()
        self.transport.resume_reading()
