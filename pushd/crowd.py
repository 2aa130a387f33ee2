"""Those who go along with the log: all that they have been sent ends at the tip, for everybody alike.

What a delivery costs besides the kernel's work is memory that has to be fetched. So what a pass needs of its
connections lies side by side, and of each connection it touches the socket and nothing more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pushd.interfaces import Connection, Encoding, Socket

__all__ = ["Audience", "Crowd"]


class Audience:
    """Connections to be served, and what it takes to serve them.

    Attributes:
        connections: They themselves.
        encodings: The encoding of each.
        sockets: The ``socket`` of each.
    """

    __slots__ = ("connections", "encodings", "sockets")

    def __init__(self, connections: Iterable[Connection] = ()) -> None:
        self.connections: list[Connection] = list(connections)
        self.encodings: list[Encoding] = [connection.encoding for connection in self.connections]
        self.sockets: list[Socket] = [connection.socket for connection in self.connections]

    def append(self, connection: Connection) -> None:
        """Take one in, at the end."""
        self.connections.append(connection)
        self.encodings.append(connection.encoding)
        self.sockets.append(connection.socket)

    def remove(self, place: int) -> None:
        """Take one out; the last takes its place."""
        columns: tuple[list[Any], ...] = (self.connections, self.encodings, self.sockets)
        for column in columns:
            last = column.pop()
            if place < len(column):
                column[place] = last

    def copy(self) -> Audience:
        """Give one that stays as it is."""
        copy = Audience()
        copy.connections = self.connections.copy()
        copy.encodings = self.encodings.copy()
        copy.sockets = self.sockets.copy()
        return copy


class Crowd:
    """A set of connections, made to be served as a whole."""

    def __init__(self) -> None:
        self._members = Audience()
        self._places: dict[Connection, int] = {}
        # What was given last, unless somebody has come or gone since.
        self._everybody: Audience | None = None

    def __len__(self) -> int:
        """Give their number."""
        return len(self._places)

    def __contains__(self, connection: Connection) -> bool:
        """Whether it is one of them."""
        return connection in self._places

    def add(self, connection: Connection) -> None:
        """Take one in, if it is not there yet."""
        if connection not in self._places:
            self._places[connection] = len(self._places)
            self._members.append(connection)
            self._everybody = None

    def discard(self, connection: Connection) -> bool:
        """Take one out; whether it was there."""
        place = self._places.pop(connection, None)
        if place is None:
            return False
        self._members.remove(place)
        if place < len(self._places):
            self._places[self._members.connections[place]] = place
        self._everybody = None
        return True

    def clear(self) -> None:
        """Take all out."""
        self._members = Audience()
        self._places.clear()
        self._everybody = None

    def everybody(self) -> Audience:
        """Give all of them; what is given does not change when they do."""
        if self._everybody is None:
            self._everybody = self._members.copy()
        return self._everybody
