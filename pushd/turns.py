"""Long loops in short turns: no turn of the reactor takes longer than a few milliseconds.

A job is an iterator that does a little at each step. All jobs share the turn; what is left goes on in
the next one, so that reading, pings and handshakes have their share in between.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pushd.stats import Stats

__all__ = ["Group", "Turns"]

_log = Logger()

_SHORT = 0.005
"""Seconds after which a turn ends at the next step, when the reactor has little else to do."""

_LONG = 0.010
"""The same when it has: as long as all else took since the turn was asked for, but no longer than this.

In a herd of new clients, jobs would else have a small part of the time, and a broadcast take long.
"""


class Turns:
    """Runs jobs, each for one step in turn.

    Args:
        clock: Gives turns, and measures them.
        stats: Keeps the longest.
    """

    def __init__(self, clock: IReactorTime, stats: Stats) -> None:
        self._clock = clock
        self._stats = stats
        self._jobs: deque[Iterator[None]] = deque()
        self._scheduled = False
        self._asked_at = 0.0

    def add(self, job: Iterator[None]) -> None:
        """Take a job; its first step is in the next turn."""
        self._jobs.append(job)
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._asked_at = self._clock.seconds()
            self._clock.callLater(0, self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        began, jobs, took = self._clock.seconds(), self._jobs, 0.0
        longest = min(max(_SHORT, began - self._asked_at), _LONG)
        while jobs and took < longest:
            job = jobs.popleft()
            if _step(job):
                jobs.append(job)
            took = self._clock.seconds() - began
        self._stats.longest_turn = max(self._stats.longest_turn, took)
        if jobs:
            self._schedule()


class Group:
    """Jobs that have one job's part of the turns together: however many they are, other jobs have theirs.

    Args:
        turns: Runs the group.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._jobs: deque[Iterator[None]] = deque()
        self._running = False

    def add(self, job: Iterator[None]) -> None:
        """Take a job; its first step is in a later turn."""
        self._jobs.append(job)
        if not self._running:
            self._running = True
            self._turns.add(self._run())

    def _run(self) -> Iterator[None]:
        while self._jobs:
            job = self._jobs.popleft()
            if _step(job):
                self._jobs.append(job)
            yield
        self._running = False


def _step(job: Iterator[None]) -> bool:
    """Do one step; whether there are more. A job that fails is over, and no other is touched."""
    try:
        next(job)
    except StopIteration:
        return False
    except Exception:  # noqa: BLE001  # whatever it is, it ends this job only
        _log.failure("a job failed")
        return False
    return True
