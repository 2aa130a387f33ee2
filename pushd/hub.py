"""Who is subscribed to what on this instance, and the one place that fans out.

There is no queue for any client. The log holds each message once; a connection is a cursor into it. A *pass*
takes what has come since the last one to everybody, in slices; a connection whose socket is full is left
out until it has drained, and then goes on from its cursor. So does one that comes back: its cursor starts
in the past. The *tip* is the offset that passes have taken on: who is not waiting has everything up to there,
or gets it from the pass that is under way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pushd.channellog import Part
from pushd.crowd import Crowd
from pushd.disconnect import INTERNAL_ERROR, Disconnect
from pushd.fanout import Pass
from pushd.history import History
from pushd.interfaces import Broker, Connection
from pushd.message import BROADCAST, Message, Position
from pushd.pacing import paced
from pushd.replay import Replay
from pushd.resume import Older, Readers
from pushd.stats import Stats
from pushd.subscriptions import Subscriptions
from pushd.tip import TipWaiters
from pushd.turns import Turns

__all__ = ["Hub"]

_log = Logger()

_TELLING = 5.0
"""Seconds in which all clients are told of a loss: many of them come back at once when they hear it."""


class Hub:
    """The connections of this instance, and the way of messages to them.

    What a broker tells (:class:`pushd.interfaces.BrokerEvents`) is told to the hub.

    Args:
        history: The log.
        broker: Told how far messages have been fanned out, so that it sends more; asked for older ones.
        stats: Counts.
        clock: For the age of messages.
        turns: Runs what takes long.
        buffered_bytes: Most bytes of bodies that one write to a connection has.
        slow_clients: What becomes of a connection whose cursor fell off the log: ``close``; ``gap``: it
            goes on at the tip and is told; ``latest``: after a congestion it only gets the newest message
            of each channel, and is told if one of those is gone, too.
        catch_up_readers: How many ask the broker for older messages at once.
        recovery_bytes: Most bytes of bodies that are read back for one connection.
    """

    def __init__(
        self,
        history: History,
        broker: Broker,
        stats: Stats,
        clock: IReactorTime,
        turns: Turns,
        *,
        buffered_bytes: int,
        slow_clients: str,
        catch_up_readers: int,
        recovery_bytes: int,
    ) -> None:
        self._history = history
        self._broker = broker
        self._stats = stats
        self._clock = clock
        self._chunk = buffered_bytes
        self._turns = turns
        # Publishers of this instance that are answered once histories include their message.
        self._held = TipWaiters(clock, turns)
        self._readers = Readers(
            history,
            broker,
            stats,
            clock,
            self._turns,
            tip=lambda: self._tip,
            most=catch_up_readers,
            max_bytes=recovery_bytes,
        )
        self._replay = Replay(
            history,
            self._readers,
            self._turns,
            stats,
            tip=lambda: self._tip,
            arrived=self._go_live,
            failed=self._failed,
            chunk=buffered_bytes,
            slow_clients=slow_clients,
        )
        self._epoch = ""
        self._tip = 0
        # Where the tip was before the pass under way.
        self._base = 0
        # The pass under way, and whether one is or will be; each reset of the log begins another life.
        self._pass: Pass | None = None
        self._fanning = False
        self._life = 0
        # Who is at the tip, or gets there by the pass under way.
        self._live = Crowd()
        # Whoever was there when the log began anew, until told so: served only afterwards.
        self._untold: dict[Connection, None] = {}
        self._subscriptions = Subscriptions()
        self.connections = self._subscriptions.connections
        """Every client of this instance, in the order in which they came."""
        self.channels = self._subscriptions.channels
        """The subscribers of each channel that has any; broadcasts are not among the channels."""
        self.counts = self._subscriptions.counts
        """How many clients there are, by protocol."""
        self.ready = False
        """Whether what is published arrives."""
        self.warm = False
        """Whether the log has been read back and can be followed: positions mean something."""

    # What connections and operators ask.

    @property
    def position(self) -> Position:
        """Up to where everything has been fanned out, or is about to be by the pass under way."""
        return Position(self._epoch, self._tip)

    @property
    def abreast(self) -> bool:
        """Whether the tip is where the log ends, as far as is known: what is published arrives and is out."""
        return self.ready and not self._fanning

    def holding(self, offset: int) -> Deferred[None]:
        """Fire once a history that a client asks for includes ``offset``, or after a bounded time without.

        Args:
            offset: Offset of a message that this hub has been told; 0 if it has not been told.
        """
        return succeed(None) if offset <= self._tip else self._held.wait(offset)

    def reached(self, connection: Connection) -> Position | None:
        """Give the position from which a connection can go on elsewhere: it has all up to there.

        What the pass under way has for it is written first.

        Returns:
            ``None`` for one that has not joined, or was not told of a loss yet: it must keep the one it has.
        """
        if connection not in self.connections or connection in self._untold:
            return None
        self._settle(connection)
        return Position(self._epoch, connection.cursor if connection.waiting else self._tip)

    def earliest(self, channels: Iterable[str]) -> Position:
        """Give the position from which on everything on ``channels`` is held."""
        return Position(self._epoch, max(self._history.floor(channels), 0))

    def holds(self, position: Position, channels: Iterable[str]) -> bool:
        """Whether everything on ``channels`` after ``position`` can be given from memory."""
        return self.knows(position) and self._history.holds(position.offset, channels)

    def part(self, position: Position, channel: str, until: int) -> Part | None:
        """Return the messages on ``channel`` after ``position`` up to the offset ``until``, found by index.

        Returns:
            A part that is valid in this turn, up to the tip at most; or ``None``: see :meth:`holds`.
        """
        if not self.knows(position):
            return None
        return self._history.part(position.offset, min(until, self._tip), channel)

    def fetch(self, position: Position, channels: Collection[str], owner: object) -> Deferred[Older]:
        """Have read back what came after ``position``, one that it knows, see :meth:`Readers.fetch`."""
        return self._readers.fetch(position.offset, channels, owner)

    def knows(self, position: Position) -> bool:
        """Whether ``position`` is one of the present log: what came after it is held, or was once."""
        return self.warm and position.epoch == self._epoch and position.offset <= self._tip

    # Coming, subscribing, leaving.

    def join(self, connection: Connection, channels: Iterable[str], after: int | None = None) -> None:
        """Take a connection in; it is served once :meth:`drained` is called for it.

        Args:
            connection: Whose handshake's bytes may still be on their way.
            channels: What it is subscribed to, besides broadcasts.
            after: Where its cursor starts, at the tip if not given. What is not held from there on
                is read back; if that fails, the connection has missed it.
        """
        connection.cursor = self._tip if after is None else after
        connection.waiting = True
        if connection.cursor < self._tip:
            self._replay.expect(connection)
        if not self.warm:
            self._untold[connection] = None
        self._subscriptions.add(connection, set(channels) - {BROADCAST})

    def subscribe(self, connection: Connection, channel: str) -> None:
        """Subscribe it from where it stands: the tip, or its cursor while it is waiting."""
        self._settle(connection)
        if connection not in self.connections:  # what the pass had for it was its end
            return
        self._subscriptions.subscribe(connection, channel)
        self._replay.changed(connection)

    def unsubscribe(self, connection: Connection, channel: str) -> None:
        """End a subscription."""
        self._settle(connection)
        self._subscriptions.unsubscribe(connection, channel)
        self._replay.changed(connection)

    def leave(self, connection: Connection, disconnect: Disconnect | None = None) -> None:
        """Let it go; it is not an error that it has gone already.

        Args:
            connection: Keeps its channels, for those who want to know what it was subscribed to.
            disconnect: Why we ended it, to be counted.
        """
        if connection not in self.connections:
            return
        self._subscriptions.remove(connection)
        self._retire(connection)
        self._replay.drop(connection)
        self._untold.pop(connection, None)
        connection.waiting = True
        if disconnect is not None:
            self._stats.closed[disconnect.name] += 1

    def congested(self, connection: Connection) -> None:
        """Its socket did not take everything: it stays where it is until :meth:`drained` is called for it."""
        if connection not in self.connections:
            return
        if not connection.waiting:
            self._stats.slow += 1
        self.hold(connection)

    def hold(self, connection: Connection) -> None:
        """Write nothing to a connection that has joined until :meth:`drained` is called for it."""
        if connection.waiting:
            self._replay.hold(connection)
            return
        connection.waiting = True
        connection.cursor = self._base if self._retire(connection) else self._tip

    def drained(self, connection: Connection) -> None:
        """Its socket has taken everything: it goes on from its cursor, and then with all others."""
        if connection not in self.connections or not connection.waiting:
            return
        if connection in self._untold:
            connection.waiting = False
            return
        if connection.cursor >= self._tip:
            self._go_live(connection)
        else:
            self._replay.add(connection)

    # What the broker tells.

    def reset(self, offset: int) -> None:
        """Forget everything, see :meth:`pushd.interfaces.BrokerEvents.reset`."""
        if self._epoch:
            self._stats.lost += 1
            _log.warn("the broker's log cannot be followed from where it was: messages may have been missed")
        self._history.reset(max(offset, 0))
        self._tip = max(offset, 0)
        self.warm = self._fanning = False
        self._pass = None
        self._life += 1
        self._live.clear()
        for connection in self._replay.clear():
            connection.waiting = False
        self._readers.clear()
        self._held.release()
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
        elif not self._fanning:
            self._fanning = True
            self._turns.add(self._fan_out(self._life))
        self._history.evict(now, keep_above=self._tip)

    def attached(self, epoch: str) -> None:
        """Everything is there, and what comes is live."""
        self._stats.attaches += 1
        self._epoch = epoch
        self.ready = self.warm = True
        if self._untold:
            telling = paced(self._clock, list(self._untold), self._tell, seconds=_TELLING)
            telling.addErrback(lambda failure: _log.failure("telling of a loss ended", failure=failure))

    def detached(self, reason: str) -> None:  # noqa: ARG002  # the broker has logged it
        """Nothing comes for now; connections stay."""
        self._stats.detaches += 1
        self.ready = False

    # The pass.

    def _fan_out(self, life: int) -> Iterator[None]:
        """Take what has come by the time of the first step to everybody; then what has come meanwhile."""
        try:
            while life == self._life and self._history.head > self._tip:
                batch = self._history.after(self._tip, self._chunk)
                current = Pass(batch, self.channels, self._live, self._stats, self._failed)
                self._pass, self._base, self._tip = current, self._tip, current.tip
                if self._held:
                    self._held.reached(self._tip)
                for _ in current.serve():
                    yield
                    if life != self._life:
                        return
                self._pass = None
                self._broker.ack(current.tip)
        finally:
            if life == self._life:
                self._fanning = False

    def _settle(self, connection: Connection) -> None:
        """Bring it to the tip, unless it waits, by what the pass under way has for it."""
        if self._pass is not None and not connection.waiting:
            self._pass.advance(connection)

    def _retire(self, connection: Connection) -> bool:
        """Let no pass serve it any more; whether the one under way would have."""
        return self._live.discard(connection) and self._pass is not None and self._pass.release(connection)

    def _go_live(self, connection: Connection) -> None:
        connection.waiting = False
        self._live.add(connection)

    # Losses and failures.

    def _tell(self, connection: Connection) -> None:
        """Tell one that messages may have been missed; who has been told is served again."""
        if connection not in self._untold or not self.warm:
            return
        self._untold.pop(connection, None)
        connection.cursor = self._tip
        if not connection.waiting:
            self._live.add(connection)
        try:
            connection.missed()
        except Exception:  # noqa: BLE001  # whatever it is, it ends this connection only
            self._failed(connection)

    def _failed(self, connection: Connection) -> None:
        """End a connection that could not be served; whoever is served after it must not notice."""
        _log.failure("a connection could not be served")
        try:
            connection.close(INTERNAL_ERROR)
        except Exception:  # noqa: BLE001  # as above
            _log.failure("a connection could not be closed")
            self.leave(connection, INTERNAL_ERROR)
