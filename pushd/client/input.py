"""A budget for the input of clients, so that a flood of tiny frames takes no other client's turn.

Work is counted in steps of the frame parser. A read is served in the turn in which it came, as far as the
budget reaches. The connection keeps the rest and reads nothing meanwhile. All such connections share the
short turns of the reactor that passes of messages use as well.
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
"""Steps of one connection before the next connection is served: a third of a millisecond."""

_STEP_BYTES = 4096
"""Bytes of a whole message that count as one more step: the daemon inflates, checks and reads them."""


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
    """The budget of all connections, and the queue of connections with input beyond the budget.

    Args:
        turns: Runs what takes long.

    Attributes:
        left: Steps left to the connection that is being served. The connection decrements it.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        # In this kind of a dictionary the first is found at once, however many were removed before it.
        self._waiting: OrderedDict[Input, None] = OrderedDict()
        self._running = False
        self.left = _AT_ONCE

    def begin(self) -> None:
        """Begin a read: some steps are reserved for this read, all others are shared with other reads."""
        self.left = max(self.left, _GUARANTEED)

    def charge(self, size: int) -> None:
        """Count the work on a whole message of ``size`` bytes."""
        self.left -= size // _STEP_BYTES

    def add(self, connection: Input) -> None:
        """Serve ``connection`` in later turns, after the connections that wait already."""
        self._waiting.setdefault(connection)
        if not self._running:
            self._running = True
            self._turns.add(self._run())

    def discard(self, connection: Input) -> None:
        """Remove ``connection``: its input is not served again."""
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
