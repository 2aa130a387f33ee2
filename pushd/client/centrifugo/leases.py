"""Until when a connection's tokens hold: its own, and those of single subscriptions.

No timer stands behind it. Whoever looks after all connections compares ``first`` with the clock.
"""

from __future__ import annotations

from math import inf

__all__ = ["CONNECTION", "Leases"]

CONNECTION = ""
"""The lease of the connection itself; broadcasts, its only nameless channel, live as long as it does."""


class Leases:
    """Ends by channel, in seconds of one clock. What has no end takes no room."""

    __slots__ = ("_ends",)

    def __init__(self) -> None:
        self._ends: dict[str, float] = {}

    @property
    def first(self) -> float:
        """When the next one ends, or infinity."""
        return min(self._ends.values(), default=inf)

    def __contains__(self, channel: str) -> bool:
        """Return True if ``channel`` has an end: a subscription's stands on a token of its own."""
        return channel in self._ends

    def grant(self, channel: str, end: float) -> None:
        """Let ``channel`` hold until ``end``, whatever was granted before."""
        if end == inf:
            self.drop(channel)
        else:
            self._ends[channel] = end

    def drop(self, channel: str) -> None:
        """Forget about ``channel``."""
        self._ends.pop(channel, None)

    def take_ended(self, now: float) -> list[str]:
        """Give the channels whose time is over, and forget them."""
        ended = [channel for channel, end in self._ends.items() if end <= now]
        for channel in ended:
            self.drop(channel)
        return ended
