"""Whether a consumer hears: what this instance sends to itself must come back. Pure: times are arguments."""

from __future__ import annotations

from random import Random

__all__ = ["Canary"]

_PERIOD = 15.0
"""Seconds between two canaries of one instance, give or take a third so that instances spread."""

_SILENCE = 20.0
"""Seconds of complete silence after which a consumer is deaf, though a canary stands in its stream."""


class Canary:
    """The one canary that is on its way, if any.

    Silence counts only once the broker has confirmed the canary: before that, it is the publisher that
    has a problem, a memory alarm for instance, and the consumer is well.

    Args:
        random: Makes names and jitter.

    Attributes:
        heard_at: When the consumer was last delivered anything.
    """

    def __init__(self, random: Random) -> None:
        self.heard_at = 0.0
        self._random = random
        self._name = ""
        self._confirmed_at: float | None = None
        self._due_at = 0.0

    def name(self) -> str:
        """Make a name unlike all others."""
        return f"{self._random.getrandbits(64):016x}"

    def send(self, now: float) -> str:
        """Give the next one its name; the last one is forgotten."""
        self._name = self.name()
        self._confirmed_at = None
        self._due_at = now + self._random.uniform(_PERIOD * 2 / 3, _PERIOD * 4 / 3)
        return self._name

    def confirmed(self, name: str, now: float) -> None:
        """The broker has it; it may have been back before this is known."""
        if name == self._name:
            self._confirmed_at = now

    def back(self, name: str) -> None:
        """The consumer was delivered what may be it."""
        if name == self._name:
            self._name = ""
            self._confirmed_at = None

    def due(self, now: float) -> bool:
        """Tell whether it is time for the next one; one that was confirmed is waited for."""
        return now >= self._due_at and self._confirmed_at is None

    def deaf(self, now: float) -> bool:
        """Tell whether the consumer hears nothing though it should."""
        return self._confirmed_at is not None and now - max(self._confirmed_at, self.heard_at) > _SILENCE
