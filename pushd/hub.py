"""Who is subscribed to what on this instance, and the one place that fans out.

There is no queue for any client. The log holds each message once; a connection is a cursor into it. A *pass*
takes what has come since the last one to everybody, in slices; a connection whose socket is full is left
out until it has drained, and then goes on from its cursor. So does one that comes back: its cursor starts
in the past. The *tip* is the offset that passes have taken on: who is not waiting has everything up to there,
or gets it from the pass that is under way.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pushd.disconnect import INTERNAL_ERROR, SLOW, Disconnect
from pushd.fanout import Pass
from pushd.history import History
from pushd.interfaces import Broker, Connection
from pushd.message import BROADCAST, Message, Position
from pushd.stats import Stats
from pushd.turns import Turns

__all__ = ["Hub"]

_log = Logger()

_STEP = 100
"""Connections served in one step of a slice."""


class Hub:
    """The connections of this instance, and the way of messages to them.

    What a broker tells (:class:`pushd.interfaces.BrokerEvents`) is told to the hub.

    Args:
        history: The log.
        broker: Told how far messages have been fanned out, so that it sends more.
        stats: Counts.
        clock: For the age of messages, and for turns.
        buffered_bytes: Most bytes of bodies that one write to a connection has.
        slow_clients: What becomes of a connection whose cursor fell off the log: ``close``; ``gap``: it
            goes on at the tip and is told; ``latest``: after a congestion it only gets the newest message
            of each channel.
    """

    def __init__(
        self,
        history: History,
        broker: Broker,
        stats: Stats,
        clock: IReactorTime,
        *,
        buffered_bytes: int,
        slow_clients: str,
    ) -> None:
        self._history = history
        self._broker = broker
        self._stats = stats
        self._clock = clock
        self._chunk = buffered_bytes
        self._slow_clients = slow_clients
        self._turns = Turns(clock, stats)
        self._epoch = ""
        self._tip = 0
        self._pass: Pass | None = None
        self._live: dict[Connection, None] = {}
        self._returning: set[Connection] = set()
        # Whoever was there when the log began anew, until told so: served only afterwards.
        self._untold: set[Connection] = set()
        self._behind: deque[Connection] = deque()
        self.connections: dict[Connection, None] = {}
        """Every client of this instance, in the order in which they came."""
        self.channels: dict[str, dict[Connection, None]] = {}
        """The subscribers of each channel that has any; broadcasts are not among the channels."""
        self.counts: Counter[str] = Counter()
        """How many clients there are, by protocol."""
        self.ready = False
        """Whether what is published arrives."""
        self.warm = False
        """Whether the log has been read back and can be followed: positions mean something."""

    # What connections and operators ask.

    @property
    def position(self) -> Position:
        """Up to where everything has been fanned out."""
        return Position(self._epoch, self._tip)

    def earliest(self, channels: Iterable[str]) -> Position:
        """Give the position from which on everything on ``channels`` is held."""
        return Position(self._epoch, max(self._history.floor(channels), 0))

    def holds(self, position: Position, channels: Iterable[str]) -> bool:
        """Whether everything on ``channels`` after ``position`` can be given from memory."""
        return self._knows(position) and self._history.holds(position.offset, channels)

    def since(self, position: Position, channels: Collection[str]) -> list[Message] | None:
        """Give every message on ``channels`` from ``position`` to the tip, or ``None``: see :meth:`holds`."""
        if not self._knows(position):
            return None
        return self._history.since(position.offset, self._tip, channels)

    def _knows(self, position: Position) -> bool:
        return self.warm and position.epoch == self._epoch and position.offset <= self._tip

    # Coming, subscribing, leaving.

    def join(self, connection: Connection, channels: Iterable[str], after: int | None = None) -> None:
        """Take a connection in; it is served once :meth:`drained` is called for it.

        Args:
            connection: Whose handshake's bytes may still be on their way.
            channels: What it is subscribed to, besides broadcasts.
            after: Where its cursor starts, at the tip if not given.
        """
        connection.cursor = self._tip if after is None else after
        connection.waiting = True
        connection.channels = set(channels) - {BROADCAST}
        if after is not None:
            self._returning.add(connection)
        if not self.warm:
            self._untold.add(connection)
        self.connections[connection] = None
        self.counts[connection.protocol] += 1
        for channel in connection.channels:
            self.channels.setdefault(channel, {})[connection] = None

    def subscribe(self, connection: Connection, channel: str) -> None:
        """Subscribe it from where it stands: the tip, or its cursor while it is waiting."""
        self._settle(connection)
        connection.channels.add(channel)
        self.channels.setdefault(channel, {})[connection] = None

    def unsubscribe(self, connection: Connection, channel: str) -> None:
        """End a subscription."""
        self._settle(connection)
        connection.channels.discard(channel)
        self._forget(connection, channel)

    def leave(self, connection: Connection, disconnect: Disconnect | None = None) -> None:
        """Let it go; it is not an error that it has gone already.

        Args:
            connection: Keeps its channels, for those who want to know what it was subscribed to.
            disconnect: Why we ended it, to be counted.
        """
        if connection not in self.connections:
            return
        del self.connections[connection]
        self._live.pop(connection, None)
        self._returning.discard(connection)
        self._untold.discard(connection)
        self.counts[connection.protocol] -= 1
        for channel in connection.channels:
            self._forget(connection, channel)
        connection.waiting = True
        if disconnect is not None:
            self._stats.closed[disconnect.name] += 1

    def drained(self, connection: Connection) -> None:
        """Its socket has taken everything: it goes on from its cursor, and then with all others."""
        if connection not in self.connections or not connection.waiting:
            return
        if connection in self._untold:
            connection.waiting = False
            return
        if connection.cursor >= self._tip:
            self._go_live(connection)
            return
        if not self._behind:
            self._turns.add(self._catch_up_all())
        self._behind.append(connection)

    # What the broker tells.

    def reset(self, offset: int) -> None:
        """Forget everything, see :meth:`pushd.interfaces.BrokerEvents.reset`."""
        if self._epoch:
            self._stats.lost += 1
            _log.warn("the broker's log cannot be followed from where it was: messages may have been missed")
        self._history.reset(max(offset, 0))
        self._tip = max(offset, 0)
        self.warm = False
        self._pass = None
        self._live.clear()
        self._returning.clear()
        self._untold.update(self.connections)

    def message(self, message: Message) -> None:
        """Take one message."""
        self._stats.messages += 1
        self._stats.message_bytes += len(message.body)
        now = self._clock.seconds()
        self._history.append(message, now)
        if not self.warm:
            self._tip = message.offset
            self._broker.ack(message.offset)
        elif self._pass is None:
            self._start_pass()
        self._history.evict(now, keep_above=self._tip)

    def attached(self, epoch: str) -> None:
        """Everything is there, and what comes is live."""
        self._stats.attaches += 1
        self._epoch = epoch
        self.ready = self.warm = True
        if self._untold:
            self._turns.add(self._tell_all(list(self._untold)))

    def detached(self, reason: str) -> None:  # noqa: ARG002  # the broker has logged it
        """Nothing comes for now; connections stay."""
        self._stats.detaches += 1
        self.ready = False

    # The pass.

    def _start_pass(self) -> None:
        self._pass = Pass(self._stats)
        self._turns.add(self._run_pass(self._pass))

    def _run_pass(self, current: Pass) -> Iterator[None]:
        """Take what has come by the time of the first step to everybody; then what has come meanwhile."""
        if self._pass is not current:
            return
        batch = self._history.after(self._tip, self._chunk)
        self._tip = batch[-1].offset
        self._broker.ack(self._tip)
        audience = current.begin(batch, self.channels, self._live)
        for start in range(0, len(audience), _STEP):
            if self._pass is not current:
                return
            for connection in audience[start : start + _STEP]:
                # One that left or is congested is waiting; one that is not live has to be told first.
                if not connection.waiting and connection in self._live:
                    try:
                        self._serve(connection, current)
                    except Exception:  # noqa: BLE001  # whatever it is, it ends this connection only
                        self._failed(connection)
            yield
        if self._pass is current:
            self._pass = None
            if self._history.head > self._tip:
                self._start_pass()

    def _serve(self, connection: Connection, current: Pass) -> None:
        if not current.serve(connection):
            self._wait(connection)

    def _settle(self, connection: Connection) -> None:
        """Bring it to the tip before its subscriptions change: the pass under way knows only the old ones."""
        if connection.waiting:
            return
        if self._pass is not None and connection in self._live:
            self._serve(connection, self._pass)
        connection.cursor = self._tip

    def _wait(self, connection: Connection) -> None:
        self._stats.slow += 1
        connection.waiting = True
        self._live.pop(connection, None)

    # Cursors in the past.

    def _catch_up_all(self) -> Iterator[None]:
        while self._behind:
            self._guard(self._catch_up, self._behind.popleft())
            yield

    def _catch_up(self, connection: Connection) -> None:
        """Write the next chunk; then it is its turn again later, unless it waits again or is at the tip."""
        if connection not in self.connections:
            return
        if connection in self._untold:
            connection.waiting = False
            return
        found = self._next(connection)
        if found is None:
            self._fell_off(connection)
            return
        if found:
            connection.cursor = found[-1].offset
            self._stats.deliveries += len(found)
            if not connection.write(connection.encoding.join(found)):
                self._stats.slow += 1
                return
            self._behind.append(connection)
        else:
            self._go_live(connection)

    def _next(self, connection: Connection) -> list[Message] | None:
        """Give what it lacks, up to a chunk; ``None`` when that is no longer held."""
        channels = connection.channels | {BROADCAST}
        if self._slow_clients == "latest" and connection not in self._returning:
            return self._history.newest(connection.cursor, self._tip, channels)
        return self._history.since(connection.cursor, self._tip, channels, self._chunk)

    def _fell_off(self, connection: Connection) -> None:
        if self._slow_clients == "close":
            connection.close(SLOW)
            return
        self._go_live(connection)
        connection.missed()

    def _go_live(self, connection: Connection) -> None:
        connection.cursor = self._tip
        connection.waiting = False
        self._returning.discard(connection)
        self._live[connection] = None

    def _tell_all(self, connections: list[Connection]) -> Iterator[None]:
        """Tell everybody that messages may have been missed; who has been told is served again."""
        for connection in connections:
            self._guard(self._tell, connection)
            yield

    def _tell(self, connection: Connection) -> None:
        if connection not in self._untold:
            return
        self._untold.discard(connection)
        connection.cursor = self._tip
        if not connection.waiting:
            self._live[connection] = None
        connection.missed()

    def _guard(self, act: Callable[[Connection], None], connection: Connection) -> None:
        """Do something for one connection; what goes wrong is its own end and nobody else's."""
        try:
            act(connection)
        except Exception:  # noqa: BLE001  # whatever it is, it ends this connection only
            self._failed(connection)

    def _failed(self, connection: Connection) -> None:
        _log.failure("a connection could not be served")
        connection.close(INTERNAL_ERROR)

    def _forget(self, connection: Connection, channel: str) -> None:
        subscribers = self.channels.get(channel)
        if subscribers is not None:
            subscribers.pop(connection, None)
            if not subscribers:
                del self.channels[channel]
