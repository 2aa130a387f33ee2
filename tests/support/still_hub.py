"""A hub that delivers nothing by itself, and a wire that only remembers: for sessions on their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from twisted.internet.defer import Deferred

from pushd.channellog import NOTHING, ChannelLog, Part
from pushd.client.session import Session
from pushd.disconnect import Disconnect
from pushd.message import Message, Position
from pushd.older import Older
from pushd.resume import UnreadError

__all__ = ["FakeWire", "StillHub"]


class FakeWire:
    """Takes what it is given as long as ``open`` says so."""

    answers = True

    def __init__(self) -> None:
        self.open = True
        self.sent: list[bytes] = []
        self.ends: list[Disconnect] = []
        self.pings = 0
        self.paused = False
        self.socket = self

    def send(self, data: bytes) -> int:
        """Remember the bytes."""
        self.sent.append(data)
        return len(data) if self.open else 0

    def keep(self, data: bytes, sent: int = 0) -> None:
        """Remember nothing more."""

    def write(self, data: bytes) -> bool:
        """Remember the bytes."""
        self.sent.append(data)
        return self.open

    def ping(self) -> None:
        """Count."""
        self.pings += 1

    def close(self, disconnect: Disconnect) -> None:
        """Remember the reason."""
        self.ends.append(disconnect)

    def abort(self) -> None:
        """Be gone."""

    def pause(self) -> None:
        """Remember it."""
        self.paused = True

    def resume(self) -> None:
        """Remember it."""
        self.paused = False

    def stuck(self, now: float) -> float:
        """Never."""
        return 0.0

    def take(self) -> bytes:
        """Give what was sent since the last time."""
        data, self.sent = b"".join(self.sent), []
        return data


class StillHub:
    """Keeps a log and who is subscribed to what; a session that was drained is at its tip."""

    def __init__(self, epoch: str = "e1", tip: int = 10) -> None:
        self.position = Position(epoch, tip)
        self.abreast = True
        self.floor = 0
        self.log: list[Message] = []
        self.connections: list[Session] = []
        self.channels: dict[str, list[Session]] = {}
        self.counts: Counter[str] = Counter()
        self.left: list[Disconnect | None] = []
        self.joined: list[int] = []
        self.asked: list[tuple[Position, Collection[str], Deferred[Older]]] = []

    def publish(self, channel: str, body: bytes = b'{"n":1}', **fields: object) -> Message:
        """Append a message and take it for fanned out."""
        message = Message(self.position.offset + 1, channel, body, **fields)  # type: ignore[arg-type]
        self.log.append(message)
        self.position = Position(self.position.epoch, message.offset)
        return message

    def join(self, connection: Session, channels: Iterable[str], after: int | None = None) -> None:
        """Take a connection in at ``after`` or the tip."""
        self.connections.append(connection)
        connection.cursor = self.position.offset if after is None else after
        self.joined.append(connection.cursor)
        for channel in channels:
            self.subscribe(connection, channel)

    def congested(self, connection: Session) -> None:
        """Let it wait where it is."""
        connection.waiting = True

    hold = congested

    def drained(self, connection: Session) -> None:
        """Take it for served."""
        connection.waiting = False
        connection.cursor = self.position.offset

    def subscribe(self, connection: Session, channel: str) -> None:
        """Note it."""
        connection.channels.add(channel)
        self.channels.setdefault(channel, []).append(connection)

    def unsubscribe(self, connection: Session, channel: str) -> None:
        """Note it."""
        connection.channels.discard(channel)
        self.channels[channel].remove(connection)

    def leave(self, connection: Session, disconnect: Disconnect | None = None) -> None:
        """Forget the connection."""
        if connection in self.connections:
            self.connections.remove(connection)
            connection.waiting = True
            for channel in list(connection.channels):
                self.unsubscribe(connection, channel)
            self.left.append(disconnect)

    def reached(self, connection: Session) -> Position | None:
        """Give the cursor of a session that is there, which is at the tip unless it waits."""
        if connection not in self.connections:
            return None
        if not connection.waiting:
            connection.cursor = self.position.offset
        return Position(self.position.epoch, connection.cursor)

    def holds(self, position: Position, channels: Collection[str]) -> bool:
        """Whether nothing after ``position`` fell below the floor."""
        return self._held(position, channels)

    def knows(self, position: Position) -> bool:
        """Whether it is of this log and not above the tip."""
        return position.epoch == self.position.epoch and position.offset <= self.position.offset

    def fetch(self, position: Position, channels: Collection[str], owner: object) -> Deferred[Older]:
        """Note what is to be read back, for a test to answer."""
        asked: Deferred[Older] = Deferred()
        self.asked.append((position, channels, asked))
        return asked

    def give(self, *messages: Message, reached: int | None = None) -> None:
        """Answer the first of those with what was read back up to the floor."""
        older = Older(list(messages), self.floor if reached is None else reached)
        self.asked.pop(0)[2].callback(older)

    def refuse(self) -> None:
        """Answer it with no."""
        self.asked.pop(0)[2].errback(UnreadError("gone"))

    def earliest(self, channels: Collection[str]) -> Position:
        """Give the floor."""
        return Position(self.position.epoch, self.floor)

    def part(self, position: Position, channel: str, until: int) -> Part | None:
        """Give what is above the floor."""
        if not self._held(position, (channel,)):
            return None
        log = ChannelLog()
        for message in self.log:
            if message.channel == channel:
                log.append(message)
        return log.between(position.offset, min(until, self.position.offset)) if log.items else NOTHING

    def _held(self, position: Position, _channels: Collection[str]) -> bool:
        here = self.position
        return position.epoch == here.epoch and self.floor <= position.offset <= here.offset
