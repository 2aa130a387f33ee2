"""How long to wait before trying again."""

from __future__ import annotations

from random import Random

__all__ = ["Backoff"]


class Backoff:
    """Exponential back-off with full jitter: many instances that failed together come back apart.

    Args:
        random: Where the jitter comes from.
        shortest: Upper bound of the first delay, in seconds.
        longest: Upper bound of every delay.
    """

    def __init__(self, random: Random, shortest: float = 0.2, longest: float = 15.0) -> None:
        self._random = random
        self._shortest = shortest
        self._longest = longest
        self._bound = shortest

    def delay(self) -> float:
        """Give the seconds to wait now; the bound of the next delay is twice as high."""
        bound = self._bound
        self._bound = min(2 * bound, self._longest)
        return self._random.uniform(0, bound)

    def reset(self) -> None:
        """Start over: what failed has worked for long enough."""
        self._bound = self._shortest
