"""Who is connected, and who is subscribed to what; broadcasts are for everybody and no channel here."""

from __future__ import annotations

from collections import Counter

from pushd.interfaces import Connection

__all__ = ["Subscriptions"]


class Subscriptions:
    """The index from channels to connections, kept in step with each connection's own ``channels``.

    Attributes:
        connections: Everybody, in the order in which they came.
        channels: The subscribers of each channel that has any.
        counts: How many connections there are, by protocol.
    """

    def __init__(self) -> None:
        self.connections: dict[Connection, None] = {}
        self.channels: dict[str, dict[Connection, None]] = {}
        self.counts: Counter[str] = Counter()

    def add(self, connection: Connection, channels: set[str]) -> None:
        """Take one in, with what it is subscribed to from the beginning."""
        connection.channels = channels
        self.connections[connection] = None
        self.counts[connection.protocol] += 1
        for channel in channels:
            self.channels.setdefault(channel, {})[connection] = None

    def remove(self, connection: Connection) -> None:
        """Forget one that is there; it keeps its own ``channels``."""
        del self.connections[connection]
        self.counts[connection.protocol] -= 1
        for channel in connection.channels:
            self._forget(connection, channel)

    def subscribe(self, connection: Connection, channel: str) -> None:
        """Begin a subscription; nothing changes when there is one."""
        connection.channels.add(channel)
        self.channels.setdefault(channel, {})[connection] = None

    def unsubscribe(self, connection: Connection, channel: str) -> None:
        """End a subscription, if there is one."""
        connection.channels.discard(channel)
        self._forget(connection, channel)

    def _forget(self, connection: Connection, channel: str) -> None:
        subscribers = self.channels.get(channel)
        if subscribers is not None:
            subscribers.pop(connection, None)
            if not subscribers:
                del self.channels[channel]
