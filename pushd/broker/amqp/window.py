"""When to acknowledge what was delivered. Pure arithmetic on delivery tags."""

from __future__ import annotations

from collections import deque

__all__ = ["Window"]


class Window:
    """What one consumer was delivered and nobody has finished with yet.

    The broker sends at most ``prefetch`` messages beyond the last acknowledged one, so a reader that
    stops acknowledging stops the flow. A part of them is acknowledged at once (``multiple``); what is
    left over stays unacknowledged until there is more, which costs nothing.

    Args:
        prefetch: How many the broker sends ahead.
    """

    def __init__(self, prefetch: int) -> None:
        self._batch = max(1, prefetch // 4)
        self._pending: deque[tuple[int, int]] = deque()  # offset and tag
        self._last = 0
        self._acknowledged = 0

    @property
    def waiting(self) -> bool:
        """Whether something was handed on that is not finished."""
        return bool(self._pending)

    def handed_on(self, tag: int, offset: int) -> None:
        """What came with ``tag`` was handed on, to be finished as ``offset``."""
        self._pending.append((offset, tag))
        self._last = tag

    def skipped(self, tag: int) -> None:
        """What came with ``tag`` concerns nobody else."""
        self._last = tag

    def finished(self, offset: int) -> None:
        """Everything up to ``offset`` is finished."""
        pending = self._pending
        while pending and pending[0][0] <= offset:
            pending.popleft()

    def due(self) -> int:
        """Give the tag to acknowledge up to now, or 0; it is not given twice."""
        done = self._pending[0][1] - 1 if self._pending else self._last
        if done - self._acknowledged < self._batch:
            return 0
        self._acknowledged = done
        return done
