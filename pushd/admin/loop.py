"""How late the reactor is: a tick every second, and by how much the ticks of the last minute came late."""

from __future__ import annotations

from collections import deque

from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["LoopLag"]

_EVERY = 1.0
_TICKS = 60


class LoopLag:
    """Watches the reactor it runs in.

    Args:
        clock: The reactor.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._call: IDelayedCall | None = None
        self._lags: deque[float] = deque(maxlen=_TICKS)

    @property
    def worst(self) -> float:
        """Seconds by which the latest tick of the last minute was late."""
        return max(self._lags, default=0.0)

    def start(self) -> None:
        """Begin to tick."""
        self._due = self._clock.seconds() + _EVERY
        self._call = self._clock.callLater(_EVERY, self._tick)

    def stop(self) -> None:
        """End; does nothing when it does not tick."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _tick(self) -> None:
        self._lags.append(self._clock.seconds() - self._due)
        self.start()
