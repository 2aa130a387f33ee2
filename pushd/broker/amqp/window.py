"""When to acknowledge what was delivered. Pure arithmetic on delivery tags."""

from __future__ import annotations

from collections import deque

__all__ = ["Window"]


class Window:
    """What one consumer was delivered and nobody has finished with yet.

    The broker sends at most ``prefetch`` messages beyond the last acknowledged one, so a reader that
    stops acknowledging stops the flow. :meth:`due` gives a tag once a quarter of the window is finished,
    so that one acknowledgement (``multiple``) covers many deliveries. :meth:`rest` gives what :meth:`due`
    holds back. Its caller asks about once a second: RabbitMQ closes a channel that leaves a delivery
    unacknowledged for ``consumer_timeout``, 30 minutes by default.

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
        """Return the tag to acknowledge up to, or 0 while less than a batch is finished.

        No tag is returned twice.
        """
        return self._take(self._batch)

    def rest(self) -> int:
        """Return the tag of the last finished delivery, or 0 if it was returned before."""
        return self._take(1)

    def _take(self, least: int) -> int:
        done = self._pending[0][1] - 1 if self._pending else self._last
        if done - self._acknowledged < least:
            return 0
        self._acknowledged = done
        return done
