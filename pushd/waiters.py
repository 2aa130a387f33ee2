"""Deferreds that wait for a key, each for a bounded time. One timer serves all of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["Waiters"]

_Key = TypeVar("_Key", bound=Hashable)


class Waiters(Generic[_Key]):
    """Deferreds by key. Each fires once with a number, or with 0 when its time is over.

    Args:
        clock: Runs the timer.
        seconds: Longest time that a Deferred waits.
    """

    def __init__(self, clock: IReactorTime, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._waiting: dict[_Key, tuple[float, Deferred[int]]] = {}  # oldest first
        self._timer: IDelayedCall | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[_Key]:
        return iter(self._waiting)

    def wait(self, key: _Key) -> Deferred[int]:
        """Return a Deferred for a key that no other Deferred waits for."""
        waiting: Deferred[int] = Deferred()
        self._waiting[key] = self._clock.seconds() + self._seconds, waiting
        if self._timer is None:
            self._timer = self._clock.callLater(self._seconds, self._expire)
        return waiting

    def fire(self, key: _Key, number: int) -> bool:
        """Fire the Deferred that waits for a key. Return False if there is none."""
        _, waiting = self._waiting.pop(key, (0.0, None))
        if waiting is None:
            return False
        waiting.callback(number)
        return True

    def release(self) -> None:
        """Fire all Deferreds with 0, and stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for key in list(self._waiting):
            self.fire(key, 0)

    def _expire(self) -> None:
        """Fire what has waited long enough; come back for the next one."""
        self._timer = None
        now = self._clock.seconds()
        for key in [key for key, (end, _) in self._waiting.items() if end <= now]:
            self.fire(key, 0)
        self._restart(now)

    def _restart(self, now: float) -> None:
        first = next(iter(self._waiting.values()), None)
        if first is not None and self._timer is None:
            self._timer = self._clock.callLater(max(0.0, first[0] - now), self._expire)
