"""What has to happen within a time that is the same for all: a queue in the order of the ends, no timers."""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

from twisted.internet.interfaces import IReactorTime

__all__ = ["Deadlines", "Late"]


class Late(Protocol):
    """What a deadline is set for."""

    def overdue(self) -> None:
        """The time is over. Must not raise."""


class Deadlines:
    """A common time limit for many.

    Args:
        clock: Tells the time.
        seconds: The limit; the same for all, so that who came first ends first.
    """

    def __init__(self, clock: IReactorTime, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        # In this kind of a dictionary the first is found at once, however many were there before it.
        self._ends: OrderedDict[Late, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._ends)

    def add(self, late: Late) -> None:
        """Start the time of ``late``, anew if it runs already."""
        self._ends.pop(late, None)
        self._ends[late] = self._clock.seconds() + self._seconds

    def discard(self, late: Late) -> None:
        """It came in time."""
        self._ends.pop(late, None)

    def expire(self) -> None:
        """Tell those whose time is over; each once."""
        now = self._clock.seconds()
        while self._ends:
            late, end = next(iter(self._ends.items()))
            if end > now:
                break
            del self._ends[late]
            late.overdue()
