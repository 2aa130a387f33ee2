"""What clients send, served within a budget: a flood of tiny frames takes no other client's turn.

Work is counted in steps of the frame parser. A read is served in the turn in which it came, as far as the
budget reaches. The rest waits in the connection, which reads nothing meanwhile. All such connections share
the short turns that passes of messages have, too.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Protocol

from pushd.turns import Turns

__all__ = ["Input", "InputQueue", "Unread"]

_AT_ONCE = 200
"""Steps that all connections together may take at once, until the queue runs: about two milliseconds."""

_GUARANTEED = 4
"""Steps that every read may take at once: two frames. So no flood delays the answer to a heartbeat."""

_SLICE = 32
"""Steps of one connection before it is the next one's turn: a third of a millisecond."""

_STEP_BYTES = 4096
"""Bytes of a whole message that count as one more step: they are inflated, checked and read."""


class Unread:
    """Bytes that were received and not parsed yet.

    Args:
        data: The bytes.
    """

    __slots__ = ("_begin", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._begin = 0

    def add(self, data: bytes) -> None:
        """Append ``data``; rare, so that the copy does not matter."""
        self._data = self._data[self._begin :] + data
        self._begin = 0

    def take(self, size: int) -> bytes:
        """Remove and return the next bytes, up to ``size``."""
        piece = self._data[self._begin : self._begin + size]
        self._begin += len(piece)
        return piece


class Input(Protocol):
    """A connection with input that waits."""

    def serve(self) -> bool:
        """Parse input until the budget is used up; True if more is left. Must not raise."""


class InputQueue:
    """The budget of all connections, and the queue of those that have used theirs up.

    Args:
        turns: Runs what takes long.

    Attributes:
        left: Steps left to the connection that is being served. Every step takes one off.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        # In this kind of a dictionary the first is found at once, however many were removed before it.
        self._waiting: OrderedDict[Input, None] = OrderedDict()
        self._running = False
        self.left = _AT_ONCE

    def begin(self) -> None:
        """Let a read begin: some steps are its own, the others it shares with all other reads."""
        self.left = max(self.left, _GUARANTEED)

    def charge(self, size: int) -> None:
        """Count the work on a whole message of ``size`` bytes."""
        self.left -= size // _STEP_BYTES

    def add(self, connection: Input) -> None:
        """Serve ``connection`` in later turns, after those that wait already."""
        self._waiting.setdefault(connection)
        if not self._running:
            self._running = True
            self._turns.add(self._run())

    def discard(self, connection: Input) -> None:
        """Serve ``connection`` no more."""
        self._waiting.pop(connection, None)

    def _run(self) -> Iterator[None]:
        try:
            while self._waiting:
                self._serve_next()
                yield
            self._running = False
        except Exception:
            # One connection's failure must not keep the input of all others waiting.
            self._turns.add(self._run())
            raise

    def _serve_next(self) -> None:
        connection, _ = self._waiting.popitem(last=False)
        self.left = _SLICE
        if connection.serve():
            self._waiting.setdefault(connection)
        self.left = _AT_ONCE
