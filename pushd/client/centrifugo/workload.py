"""The work that the commands of all clients cause: counted, bounded in each turn, and shared out.

Work is counted as what it costs, whatever the length of the answer: commands read, messages and members
looked at, bytes encoded. A command is carried out in the turn in which it came, as far as that turn's budget
reaches. The rest is done in later turns, a slice for each client after the other.
"""

from __future__ import annotations

from collections.abc import Iterator

from twisted.internet.interfaces import IReactorTime

from pushd.turns import Group, Turns

__all__ = ["COMMAND", "SLICE", "TELL", "Workload", "of_bytes"]

COMMAND = 20
"""Units of a command without its work. A unit is about a microsecond."""

TELL = 10
"""Units of telling another client something: a call of the kernel."""

SLICE = 500
"""Units of one client before it is the next one's turn."""

_AT_ONCE = 2000
"""Units that all clients together may cause in the turn in which their commands came."""

_BYTES = 500
"""Bytes to be read or encoded that count a unit."""


def of_bytes(size: int) -> int:
    """Return the units that reading or encoding ``size`` bytes counts."""
    return size // _BYTES


class Workload:
    """The work of all clients of this protocol on one instance.

    Args:
        clock: Tells when a turn is over.
        turns: Runs what is too much for one turn.

    Attributes:
        done: Units done so far.
    """

    def __init__(self, clock: IReactorTime, turns: Turns) -> None:
        self._clock = clock
        self._jobs = Group(turns)
        self.done = 0
        # The value of ``done`` at which this turn's budget is used up; None: nothing was done in this turn.
        self._limit: int | None = None

    def charge(self, units: int) -> None:
        """Count work."""
        self.done += units

    def at_once(self) -> int:
        """Return the units that a client may cause in this turn: a slice, or what is left for all clients."""
        if self._limit is None:
            self._limit = self.done + _AT_ONCE
            self._clock.callLater(0, self._next_turn)
        return max(0, min(SLICE, self._limit - self.done))

    def add(self, job: Iterator[None]) -> None:
        """Run ``job`` in later turns. A step of it does about a slice."""
        self._jobs.add(job)

    def _next_turn(self) -> None:
        self._limit = None
