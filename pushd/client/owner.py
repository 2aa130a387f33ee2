"""The interface by which an outlet tells its connection about congestion."""

from __future__ import annotations

from typing import Protocol

__all__ = ["NOBODY", "Owner"]


class Owner(Protocol):
    """The connection that an outlet belongs to. No method may raise."""

    def congested(self) -> None:
        """Not everything has left at once: the socket is not free until :meth:`drained`."""

    def drained(self) -> None:
        """All waiting bytes have left: the next write goes straight to the socket."""

    def overflowed(self) -> None:
        """More bytes would wait than the limit allows. The outlet drops them, and the connection must end."""


class _Nobody:
    """The owner of an outlet whose connection is gone. Replacing the real owner breaks a reference cycle."""

    def drained(self) -> None:
        """Do nothing."""

    congested = overflowed = drained


NOBODY = _Nobody()
