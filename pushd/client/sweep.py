"""All that happens to clients by the clock, in one place: pings, silence, stalls, age, deadlines.

There is no timer for each connection. One timer ticks, and not often, because a process that sleeps pays for
being woken. At each tick some clients have their turn, in slices; in the course of a round all have had it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, inf
from typing import TYPE_CHECKING, cast

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from pushd.client.deadlines import Deadlines
from pushd.client.session import Session
from pushd.disconnect import INTERNAL_ERROR, NO_PONG, STALE, STALLED

if TYPE_CHECKING:
    from pushd.hub import Hub
    from pushd.turns import Turns

__all__ = ["Pace", "Sweep"]

_log = Logger()

_TICKS = 10
"""Ticks of a round."""

_STEP = 50
"""Clients looked after in one step of a slice."""

_LONGEST_ROUND = 5.0
"""Seconds by which anything here may come late."""

_SPREAD = 0.2
"""The share of its age by which a connection may end earlier: those that came together go one by one."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The times, in seconds.

    Attributes:
        ping_interval: From one ping of a connection to the next.
        ping_timeout: How long the answer may take.
        stall_timeout: How long a socket may take nothing of what waits for it.
        connection_age: When a connection should move on at the latest; 0 means never.
        heartbeat_interval: From one heartbeat of a stream of ``/events`` to the next; None: ping_interval.
    """

    ping_interval: float
    ping_timeout: float
    stall_timeout: float
    connection_age: float
    heartbeat_interval: float | None = None

    def interval(self, protocol: str) -> float:
        """Return the seconds between two pings of a connection."""
        return self.heartbeat_interval or self.ping_interval if protocol == "sse" else self.ping_interval

    @property
    def tick(self) -> float:
        """A round is short enough for the shortest of the times."""
        shortest = min(self.ping_interval, self.interval("sse"), self.ping_timeout, self.stall_timeout)
        return min(_LONGEST_ROUND, shortest / 5) / _TICKS


class Sweep:
    """The timer and what it does.

    Args:
        clock: Paces it.
        hub: Whose clients it looks after.
        turns: Runs what takes long.
        pace: The times.
        deadlines: Looked at in each tick.
        share: Draws a number from 0 to 1, for the age of each connection.
    """

    def __init__(
        self,
        clock: IReactorTime,
        hub: Hub,
        turns: Turns,
        pace: Pace,
        deadlines: Sequence[Deadlines],
        *,
        share: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._hub = hub
        self._turns = turns
        self._pace = pace
        self._deadlines = deadlines
        self._share = share
        self._round: list[Session] = []
        self._each = 0
        self._busy = False
        self._timer = LoopingCall(self._tick)
        self._timer.clock = clock

    def start(self) -> None:
        """Begin."""
        ticking = self._timer.start(self._pace.tick, now=False)
        ticking.addErrback(lambda failure: _log.failure("the sweep ended", failure=failure))

    def stop(self) -> None:
        """End."""
        if self._timer.running:
            self._timer.stop()

    def _tick(self) -> None:
        for deadlines in self._deadlines:
            deadlines.expire()
        if not self._round:
            self._round = cast("list[Session]", list(self._hub.connections))
            self._each = ceil(len(self._round) / _TICKS)
        if self._round and not self._busy:
            self._busy = True
            self._turns.add(self._visit(max(0, len(self._round) - self._each)))

    def _visit(self, left: int) -> Iterator[None]:
        """Look after clients of this round until ``left`` are left."""
        try:
            while len(self._round) > left:
                now = self._clock.seconds()
                for _ in range(min(_STEP, len(self._round) - left)):
                    session = self._round.pop()
                    if session in self._hub.connections:
                        self._guarded(session, now)
                yield
        finally:
            self._busy = False

    def _guarded(self, session: Session, now: float) -> None:
        """Look after one; what goes wrong is its own end and nobody else's."""
        try:
            self._look_after(session, now)
        except Exception:  # noqa: BLE001  # whatever it is, it ends this connection only
            _log.failure("the sweep failed for a client")
            try:
                session.close(INTERNAL_ERROR)
            except Exception:  # noqa: BLE001  # as above
                _log.failure("a client's connection could not be closed")
                session.wire.abort()

    def _look_after(self, session: Session, now: float) -> None:
        if session.leaves_at == inf and self._pace.connection_age:
            session.leaves_at = session.opened_at + self._pace.connection_age * (1 - _SPREAD * self._share())
        if now >= session.expires_at:
            session.expired()
        elif now >= session.leaves_at:
            session.close(STALE)
        elif not session.waiting:
            self._ping(session, now)
        elif session.wire.stuck(now) >= self._pace.stall_timeout:
            session.close(STALLED)

    def _ping(self, session: Session, now: float) -> None:
        """Ping when it is time, unless the last one is not answered yet."""
        since = now - session.pinged_at
        if session.wire.answers and session.heard_at < session.pinged_at:
            if since >= self._pace.ping_timeout:
                session.close(NO_PONG)
        elif since >= self._pace.interval(session.protocol):
            session.pinged_at = now
            session.ping()
