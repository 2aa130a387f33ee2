"""What an outlet tells the connection that it belongs to."""

from __future__ import annotations

from typing import Protocol

__all__ = ["NOBODY", "Owner"]


class Owner(Protocol):
    """What an outlet tells about itself. No method may raise."""

    def congested(self) -> None:
        """Not everything has left at once: the socket is not free until :meth:`drained`."""

    def drained(self) -> None:
        """All that waited has left: the next write goes straight to the socket."""

    def overflowed(self) -> None:
        """More would wait than may; what was to be written is dropped. To be ended."""


class _Nobody:
    """The owner of an outlet that leads nowhere any more; taking the real one's place, it unties a cycle."""

    def drained(self) -> None:
        """Nobody cares."""

    congested = overflowed = drained


NOBODY = _Nobody()
