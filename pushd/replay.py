"""Cursors in the past: who comes back, or had a full socket, gets from the log what it lacks.

Each has a chunk at a time, and then it is the next one's turn; nobody's lag is anybody else's. What is no
longer held is not passed over in silence: for one that comes back it is read back from the broker, or the
connection is told; what becomes of one that is merely slow is the policy for slow clients.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator
from operator import attrgetter

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from pushd.disconnect import SLOW
from pushd.history import MAX_CHUNK, History, cut
from pushd.interfaces import Connection, Encoding
from pushd.message import BROADCAST, Message
from pushd.resume import Older, Readers
from pushd.stats import Stats
from pushd.turns import Turns

__all__ = ["Replay"]

_TIMES = 3
"""How often the broker is asked for one that comes back: memory may forget more before it is served."""

_LARGE = 65536
"""Bytes of a body that is never large, however short chunks are: that much is copied for each client."""

_by_offset = attrgetter("offset")


class Replay:
    """Brings connections to the tip.

    Args:
        history: The log.
        readers: Read back what it does not hold.
        turns: Runs what takes long.
        stats: Counts deliveries, and resumptions of those that ``readers`` were asked for.
        tip: Gives the offset that they are brought to.
        arrived: Told of a connection that is there: it goes on with all others.
        failed: Told, while the exception is handled, of a connection that could not be served.
        chunk: Most bytes of bodies that one write has.
        slow_clients: See :class:`pushd.hub.Hub`.
    """

    def __init__(
        self,
        history: History,
        readers: Readers,
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
        self._readers = readers
        self._turns = turns
        self._stats = stats
        self._tip = tip
        self._arrived = arrived
        self._failed = failed
        self._chunk = chunk
        self._slow_clients = slow_clients
        # In the order in which it is their turn.
        self._behind: OrderedDict[Connection, None] = OrderedDict()
        # One job serves them all: their part of a turn must not grow with what they lack.
        self._running = False
        # How often the broker may still be asked for what they lack; what is being read, and what was.
        self._returning: dict[Connection, int] = {}
        self._reading: dict[Connection, Deferred[None]] = {}
        # Those of them whose socket is full.
        self._full: set[Connection] = set()
        self._older: dict[Connection, Older] = {}
        # The last large message that was written in each encoding, and its bytes.
        self._large: dict[Encoding, tuple[Message, bytes]] = {}

    def expect(self, connection: Connection) -> None:
        """It comes back: until it is at the tip it gets every message, whatever the policy."""
        self._returning[connection] = _TIMES

    def add(self, connection: Connection) -> None:
        """Its socket takes more: serve it from its cursor on, once what it lacks has been read."""
        self._full.discard(connection)
        if connection in self._reading:
            return
        if not self._running:
            self._running = True
            self._turns.add(self._run())
        self._behind.setdefault(connection)

    def hold(self, connection: Connection) -> None:
        """Its socket is full of something else: write nothing to it until it is added again."""
        self._behind.pop(connection, None)
        if connection in self._reading:
            self._full.add(connection)

    def drop(self, connection: Connection) -> None:
        """It has left, or the log has."""
        self._behind.pop(connection, None)
        self._returning.pop(connection, None)
        self._forget(connection)
        self._full.discard(connection)

    def changed(self, connection: Connection) -> None:
        """It has other channels now: what was read back for it is not what it lacks."""
        if self._forget(connection):
            self._go_on(connection)

    def clear(self) -> list[Connection]:
        """Drop everybody; give those whose socket would have taken more."""
        ready = [*self._behind, *(each for each in self._reading if each not in self._full)]
        for connection in list(self._reading):
            self._forget(connection)
        self._behind.clear()
        self._full.clear()
        self._returning.clear()
        self._older.clear()
        self._large.clear()
        return ready

    def _run(self) -> Iterator[None]:
        try:
            while self._behind:
                connection, _ = self._behind.popitem(last=False)
                self._attend_to(connection)
                yield
        finally:
            self._running = False

    def _attend_to(self, connection: Connection) -> None:
        try:
            self._serve(connection)
        except Exception:  # noqa: BLE001  # whatever it is, it ends this connection only
            self._failed(connection)

    def _serve(self, connection: Connection) -> None:
        """Write the next chunk; then it is its turn again later, unless its socket is full or it is there."""
        found = self._next(connection)
        if found is None:
            self._fell_off(connection)
        elif not found:
            self._returning.pop(connection, None)
            self._arrived(connection)
        else:
            found = self._without_large(found)
            connection.cursor = found[-1].offset
            self._stats.deliveries += len(found)
            if connection.write(self._bytes(connection.encoding, found)):
                self.add(connection)
            else:
                self._stats.slow += 1

    def _next(self, connection: Connection) -> list[Message] | None:
        """Give what it lacks, up to a chunk; ``None`` when that is no longer held."""
        older = self._older.get(connection)
        if older is not None:
            messages = older.messages
            rest = messages[bisect_right(messages, connection.cursor, key=_by_offset) :]
            if rest:
                return cut(rest, self._chunk)
            del self._older[connection]
            connection.cursor = max(connection.cursor, older.reached)
        channels, tip = connection.channels | {BROADCAST}, self._tip()
        if self._slow_clients == "latest" and connection not in self._returning:
            return self._history.newest(connection.cursor, tip, channels)
        return self._history.since(connection.cursor, tip, channels, self._chunk, MAX_CHUNK)

    def _without_large(self, found: list[Message]) -> list[Message]:
        """Leave a large message at the end of a chunk for the next one: alone, its bytes fit every client."""
        if len(found) > 1 and self._is_large(found[-1]) and found[-1].offset != found[-2].offset:
            return found[:-1]
        return found

    def _bytes(self, encoding: Encoding, found: list[Message]) -> bytes:
        """Return the bytes of a chunk; clients that wait for the same large message share them."""
        if len(found) > 1 or not self._is_large(found[0]):
            return encoding.join(found)
        message, data = self._large.get(encoding, (None, b""))
        if message is not found[0]:
            data = encoding.join(found)
            self._large[encoding] = (found[0], data)
        return data

    def _is_large(self, message: Message) -> bool:
        return len(message.body) > max(self._chunk, _LARGE)

    def _fell_off(self, connection: Connection) -> None:
        if self._returning.get(connection):
            self._read_back(connection)
        elif self._slow_clients == "close":
            connection.close(SLOW)
        else:
            self._skip(connection)

    def _skip(self, connection: Connection, *, full: bool = False) -> None:
        """Pass over what it lacks, and tell it."""
        self._returning.pop(connection, None)
        if full:
            connection.cursor = self._tip()
        else:
            self._arrived(connection)
        connection.missed()

    # What the log no longer holds.

    def _read_back(self, connection: Connection) -> None:
        self._returning[connection] -= 1
        asked = self._readers.fetch(connection.cursor, connection.channels | {BROADCAST}, connection)
        self._reading[connection] = asked.addCallbacks(
            self._found, self._unread, (connection,), errbackArgs=(connection,)
        )

    def _found(self, older: Older, connection: Connection) -> None:
        del self._reading[connection]
        self._stats.resumes["stream"] += 1
        self._older[connection] = older
        self._go_on(connection)

    def _unread(self, failure: Failure, connection: Connection) -> None:
        if failure.check(CancelledError):
            return
        del self._reading[connection]
        self._stats.resumes["lost"] += 1
        try:
            self._skip(connection, full=self._was_filled(connection))
        except Exception:  # noqa: BLE001  # whatever it is, it ends this connection only
            self._failed(connection)

    def _go_on(self, connection: Connection) -> None:
        """Nothing is being read for it any more: serve it, unless its socket is full."""
        if not self._was_filled(connection):
            self.add(connection)

    def _was_filled(self, connection: Connection) -> bool:
        """Whether the socket of one that is no longer read for has been filled: then it will be added."""
        full = connection in self._full
        self._full.discard(connection)
        return full

    def _forget(self, connection: Connection) -> bool:
        """Drop what is, or is being, read back for it; whether it has been waiting for that."""
        self._older.pop(connection, None)
        reading = self._reading.pop(connection, None)
        if reading is not None:
            reading.cancel()
        return reading is not None
