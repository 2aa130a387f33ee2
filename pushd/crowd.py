"""Those who go along with the log: all that they have been sent ends at the tip, for everybody alike.

What a delivery costs besides the kernel's work is memory that has to be fetched. So what a pass needs of its
connections lies side by side, and of each connection it touches the socket and nothing more.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter

from pushd.interfaces import Connection

__all__ = ["Audience", "Crowd"]

_encoding = attrgetter("encoding")
_socket = attrgetter("socket")


class Audience:
    """Connections to be served, in this order, and what it takes to serve them.

    Attributes:
        connections: They themselves.
        encodings: The encoding of each.
        sockets: The ``socket`` of each.
    """

    __slots__ = ("connections", "encodings", "sockets")

    def __init__(self, connections: Iterable[Connection]) -> None:
        self.connections = list(connections)
        self.encodings = list(map(_encoding, self.connections))
        self.sockets = list(map(_socket, self.connections))


class Crowd:
    """A set of connections that is seldom changed between two looks at all of it."""

    def __init__(self) -> None:
        self._members: dict[Connection, None] = {}
        self._audience: Audience | None = None

    def __len__(self) -> int:
        """Give their number."""
        return len(self._members)

    def __contains__(self, connection: Connection) -> bool:
        """Whether it is one of them."""
        return connection in self._members

    def add(self, connection: Connection) -> None:
        """Take one in, at the end."""
        self._members[connection] = None
        self._audience = None

    def discard(self, connection: Connection) -> bool:
        """Take one out; whether it was there."""
        if connection not in self._members:
            return False
        del self._members[connection]
        self._audience = None
        return True

    def clear(self) -> None:
        """Take all out."""
        self._members.clear()
        self._audience = None

    def everybody(self) -> Audience:
        """Give all of them, in the order in which they were taken in."""
        if self._audience is None:
            self._audience = Audience(self._members)
        return self._audience
