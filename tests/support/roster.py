"""A hub's face with nothing behind it, for ports that only look at it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from pushd.disconnect import Disconnect
from pushd.interfaces import BrokerStatus, Encoding
from pushd.message import Message, Position

__all__ = ["FakeClient", "FakeRoster", "NoEncoding", "StillBroker"]


class NoEncoding:
    """An encoding that nobody asks for bytes."""

    name = "none"

    def join(self, messages: Sequence[Message]) -> bytes:
        """Give nothing."""
        return b""


@dataclass(eq=False)
class FakeClient:
    """A connection that remembers why it was closed."""

    number: int
    protocol: str = "raw"
    peer: str = "127.0.0.1:5000"
    opened_at: float = 0.0
    encoding: Encoding = field(default_factory=NoEncoding)
    cursor: int = 0
    channels: set[str] = field(default_factory=set)
    waiting: bool = False
    closed: list[Disconnect] = field(default_factory=list)

    @property
    def socket(self) -> FakeClient:
        """Its own."""
        return self

    def send(self, data: bytes) -> int:
        """Take everything."""
        return len(data)

    def keep(self, data: bytes, sent: int = 0) -> None:
        """Never have to."""

    def write(self, data: bytes) -> bool:
        """Take everything."""
        return True

    def close(self, disconnect: Disconnect) -> None:
        """Remember the reason."""
        self.closed.append(disconnect)

    def missed(self) -> None:
        """Shrug."""


class FakeRoster:
    """The clients it was made with, indexed as the hub does it."""

    def __init__(self, *clients: FakeClient, position: Position | None = None) -> None:
        self.connections = clients
        self.counts = Counter(client.protocol for client in clients)
        self.channels: dict[str, list[FakeClient]] = {}
        for client in clients:
            for channel in client.channels:
                self.channels.setdefault(channel, []).append(client)
        self.position = position or Position("e1", 100)


class StillBroker:
    """A broker that only says how it is."""

    def __init__(self, *, attached: bool = True, text: str = "stream x.history at offset 100") -> None:
        self.attached = attached
        self.text = text

    def status(self) -> BrokerStatus:
        """Say it."""
        return BrokerStatus(self.attached, self.text)
