"""The queue of bytes for one client's socket, which shares its bytes with the queues of other clients.

A large message to a thousand slow clients exists once: each queue holds a view of it. Bytes are copied only
piece by piece, when the transport takes the next piece.
"""

from __future__ import annotations

from collections import deque

__all__ = ["NOTHING", "PIECE", "SendQueue"]

PIECE = 65536
"""Bytes that leave a queue at once, at most. Each piece that the socket takes is a sign of life."""

_SMALL = 4096
"""Size in bytes below which an addition is copied.

A view costs some 200 bytes, more than most answers to one client have.
"""


class SendQueue:
    """A first-in, first-out queue of bytes.

    Args:
        data: The first bytes of the queue, shared and not copied.
        sent: Bytes at the start of ``data`` that have left already.

    Attributes:
        size: Bytes in the queue.
    """

    __slots__ = ("_buffers", "size")

    def __init__(self, data: bytes = b"", sent: int = 0) -> None:
        self.size = len(data) - sent
        # Views of shared bytes, and buffers of this queue alone. Only the last buffer grows.
        self._buffers: deque[memoryview | bytearray] = deque()
        if self.size:
            self._buffers.append(memoryview(data)[sent:])

    def add(self, data: bytes, sent: int = 0) -> None:
        """Append ``data`` without its first ``sent`` bytes."""
        view = memoryview(data)[sent:]
        self.size += len(view)
        if len(view) >= _SMALL:
            self._buffers.append(view)
        elif self._buffers and isinstance(self._buffers[-1], bytearray):
            self._buffers[-1] += view
        elif view:
            self._buffers.append(bytearray(view))

    def take(self) -> bytes:
        """Remove and return the next piece: up to :data:`PIECE` bytes, none only if the queue is empty."""
        if not self._buffers:
            return b""
        first = self._buffers[0]
        piece = bytes(memoryview(first)[:PIECE])
        self.size -= len(piece)
        if len(piece) == len(first):
            self._buffers.popleft()
        elif isinstance(first, bytearray):
            # CPython moves the start of the buffer and copies only when half of it is free.
            del first[:PIECE]
        else:
            self._buffers[0] = first[PIECE:]
        return piece


NOTHING = SendQueue()
"""The queue of every outlet that has ended. It stays empty."""
