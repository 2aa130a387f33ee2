"""A real socket under Twisted's own transport, turned by hand: partial sends and resets, no reactor."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IAddress, IProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure

__all__ = ["Line"]


class _Reactor(Clock):
    """Remembers which descriptors want what."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: set[Any] = set()
        self.writers: set[Any] = set()
        self.addReader, self.removeReader = self.readers.add, self.readers.discard
        self.addWriter, self.removeWriter = self.writers.add, self.writers.discard


class _Transport(Connection):
    """A connection from an address of our choice."""

    peer: IAddress = IPv4Address("TCP", "192.0.2.7", 5000)

    def getPeer(self) -> IAddress:
        """Give it."""
        return self.peer

    def setTcpNoDelay(self, enabled: bool) -> None:
        """The socket underneath is none of TCP."""


class Line:
    """Our end of a connection, with a small buffer, and the peer's.

    Args:
        protocol: Gets our end.
    """

    def __init__(self, protocol: Protocol | None = None) -> None:
        near, self.far = socket.socketpair()
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.far.settimeout(5)
        self.reactor = _Reactor()
        self.transport: Any = _Transport(near, protocol or Protocol(), self.reactor)
        self.transport.connected = 1
        self.transport.startReading()
        if protocol:
            protocol.makeConnection(self.transport)

    @property
    def open(self) -> bool:
        """Whether our end is still there."""
        return bool(self.transport.connected)

    @property
    def protocol(self) -> IProtocol:
        """Who has our end now."""
        protocol: IProtocol = self.transport.protocol
        return protocol

    def turn(self) -> None:
        """Do once what the reactor would do now."""
        self.reactor.advance(0)
        transport = self.transport
        for ready, act in ((self.reactor.writers, "doWrite"), (self.reactor.readers, "doRead")):
            if self.open and transport in ready:
                reason = getattr(transport, act)()
                if reason:
                    ready.discard(transport)
                    transport.connectionLost(Failure(reason))

    def hear(self, size: int = 65536) -> bytes:
        """Let the peer take what is there, up to ``size`` bytes; nothing is there when it takes none."""
        self.far.setblocking(False)
        try:
            return self.far.recv(size)
        except BlockingIOError:
            return b""
        finally:
            self.far.settimeout(5)

    def hear_all(self) -> bytes:
        """Let the peer read, and our end write, until nothing moves any more."""
        heard = b""
        while True:
            self.turn()
            piece = self.hear()
            if not piece:
                return heard
            heard += piece

    def say(self, data: bytes) -> None:
        """Let the peer send, and our end read it."""
        self.far.sendall(data)
        self.turn()

    def stuff(self) -> int:
        """Fill our end's socket, behind everybody's back; tells with how many bytes."""
        sent = 0
        try:
            while True:
                sent += self.transport.getHandle().send(b"." * 1000)
        except BlockingIOError:
            return sent

    def close(self) -> None:
        """Let go of the sockets."""
        self.far.close()
        if self.open:
            self.transport.abortConnection()
            self.reactor.advance(0)
