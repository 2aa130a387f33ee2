"""Callers that wait until the history of this instance includes a message.

A history is told up to the hub's tip. A message above the tip is in the log, but no client is shown it yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from math import inf

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from pushd.turns import Turns
from pushd.waiters import Waiters

__all__ = ["TipWaiters"]

_LONGEST = 5.0
"""Seconds after which a caller is answered anyway: the broker has confirmed its publication."""

_Key = tuple[int, int]
"""The offset, and a number that makes the key unique."""


class TipWaiters:
    """Deferreds that wait for the tip to reach an offset.

    Args:
        clock: Bounds the time.
        turns: Runs the callbacks. Each may write an answer, and a pass may end the wait of thousands.
    """

    def __init__(self, clock: IReactorTime, turns: Turns) -> None:
        self._turns = turns
        self._numbers = count()
        self._waiters: Waiters[_Key] = Waiters(clock, _LONGEST)

    def __len__(self) -> int:
        return len(self._waiters)

    def wait(self, offset: int) -> Deferred[None]:
        """Fire once the tip has reached ``offset``, or after :data:`_LONGEST` seconds without it."""
        return self._waiters.wait((offset, next(self._numbers))).addCallback(lambda _: None)

    def reached(self, tip: float) -> None:
        """End the waits for offsets up to ``tip``, a callback in each step of a job."""
        due = [key for key in self._waiters if key[0] <= tip]
        if due:
            self._turns.add(self._fire(due))

    def release(self) -> None:
        """End all waits: the log was reset, so their offsets no longer exist."""
        self.reached(inf)

    def _fire(self, keys: Sequence[_Key]) -> Iterator[None]:
        for key in keys:
            self._waiters.fire(key, 0)
            yield
