"""Cursors in the past: who comes back, or had a full socket, gets from the log what it lacks.

Each has a chunk at a time, and then it is the next one's turn; nobody's lag is anybody else's. What is no
longer held is not passed over in silence: what becomes of such a connection is the policy for slow clients.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from pushd.disconnect import SLOW
from pushd.history import History
from pushd.interfaces import Connection
from pushd.message import BROADCAST, Message
from pushd.stats import Stats
from pushd.turns import Turns

__all__ = ["Replay"]


class Replay:
    """Brings connections to the tip.

    Args:
        history: The log.
        turns: Runs what takes long.
        stats: Counts deliveries.
        tip: Gives the offset that they are brought to.
        arrived: Told of a connection that is there: it goes on with all others.
        failed: Told, while the exception is handled, of a connection that could not be served.
        chunk: Most bytes of bodies that one write has.
        slow_clients: See :class:`pushd.hub.Hub`.
    """

    def __init__(
        self,
        history: History,
        turns: Turns,
        stats: Stats,
        *,
        tip: Callable[[], int],
        arrived: Callable[[Connection], None],
        failed: Callable[[Connection], None],
        chunk: int,
        slow_clients: str,
    ) -> None:
        self._history = history
        self._turns = turns
        self._stats = stats
        self._tip = tip
        self._arrived = arrived
        self._failed = failed
        self._chunk = chunk
        self._slow_clients = slow_clients
        self._behind: dict[Connection, None] = {}
        self._queue: deque[Connection] = deque()
        self._returning: set[Connection] = set()

    def expect(self, connection: Connection) -> None:
        """It comes back: until it is at the tip it gets every message, whatever the policy."""
        self._returning.add(connection)

    def add(self, connection: Connection) -> None:
        """Its socket takes more: serve it from its cursor on."""
        if not self._queue:
            self._turns.add(self._run())
        if connection not in self._behind:
            self._behind[connection] = None
            self._queue.append(connection)

    def drop(self, connection: Connection) -> None:
        """It has left, or the log has."""
        self._behind.pop(connection, None)
        self._returning.discard(connection)

    def clear(self) -> list[Connection]:
        """Drop everybody; give those whose socket would have taken more."""
        ready = list(self._behind)
        self._behind.clear()
        self._returning.clear()
        return ready

    def _run(self) -> Iterator[None]:
        while self._queue:
            connection = self._queue.popleft()
            if connection in self._behind:
                del self._behind[connection]
                try:
                    self._serve(connection)
                except Exception:  # noqa: BLE001  # whatever it is, it ends this connection only
                    self._failed(connection)
            yield

    def _serve(self, connection: Connection) -> None:
        """Write the next chunk; then it is its turn again later, unless its socket is full or it is there."""
        found = self._next(connection)
        if found is None:
            self._fell_off(connection)
        elif not found:
            self._returning.discard(connection)
            self._arrived(connection)
        else:
            connection.cursor = found[-1].offset
            self._stats.deliveries += len(found)
            if connection.write(connection.encoding.join(found)):
                self.add(connection)
            else:
                self._stats.slow += 1

    def _next(self, connection: Connection) -> list[Message] | None:
        """Give what it lacks, up to a chunk; ``None`` when that is no longer held."""
        channels, tip = connection.channels | {BROADCAST}, self._tip()
        if self._slow_clients == "latest" and connection not in self._returning:
            return self._history.newest(connection.cursor, tip, channels)
        return self._history.since(connection.cursor, tip, channels, self._chunk)

    def _fell_off(self, connection: Connection) -> None:
        if self._slow_clients == "close":
            connection.close(SLOW)
            return
        self._returning.discard(connection)
        self._arrived(connection)
        connection.missed()
