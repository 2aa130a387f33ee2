"""Parts of the public port for tests: a session that remembers, and what all connections share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from twisted.internet.task import Clock

from pushd.client.admission import Admission, Bucket
from pushd.client.input import InputQueue
from pushd.client.lifecycle import Lifecycle
from pushd.client.session import Session
from pushd.client.stream import HttpStreams, Stream
from pushd.stats import Stats
from pushd.turns import Turns
from tests.support.line import Line
from tests.support.roster import NoEncoding
from tests.support.still_hub import StillHub

if TYPE_CHECKING:
    from pushd.client.http import Header
    from pushd.disconnect import Disconnect
    from pushd.interfaces import Wire

__all__ = ["Probe", "Shop", "Talk", "client_frame"]

_MASK = b"\x01\x02\x03\x04"


def client_frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0) -> bytes:
    """Make a frame as clients send it, masked (RFC 6455 section 5.2)."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    else:
        length = b"\xfe" + size.to_bytes(2, "big") if size < 65536 else b"\xff" + size.to_bytes(8, "big")
    masked = bytes(byte ^ _MASK[place % 4] for place, byte in enumerate(payload))
    return bytes([fin << 7 | rsv << 4 | opcode]) + length + _MASK + masked


class Probe(Session):
    """A session that joins at once and remembers what it is told; ``fails`` makes one of its methods fail.

    Args:
        after: See :meth:`pushd.hub.Hub.join`.
    """

    protocol: ClassVar[str] = "probe"
    __slots__ = ("after", "fails", "joins", "losses", "messages")

    def __init__(
        self, hub: StillHub, *, joins: bool = True, fails: str = "", after: int | None = None
    ) -> None:
        untyped: Any = hub
        super().__init__(untyped, NoEncoding())
        self.joins = joins
        self.fails = fails
        self.after = after
        self.messages: list[tuple[bytes, bool]] = []
        self.losses = 0

    def opened(self, wire: Wire) -> None:
        """Join, and be served if the socket is free."""
        super().opened(wire)
        self._may_fail("opened")
        if self.joins:
            self.hub.join(self, (), self.after)
            if self.write(b""):
                self.hub.drained(self)

    def received(self, payload: bytes, *, binary: bool) -> None:
        """Remember."""
        self._may_fail("received")
        self.messages.append((payload, binary))

    def drained(self) -> None:
        """Be served."""
        self._may_fail("drained")
        super().drained()

    def ping(self) -> None:
        """Ping."""
        self._may_fail("ping")
        super().ping()

    def close(self, disconnect: Disconnect) -> None:
        """Close."""
        self._may_fail("close")
        super().close(disconnect)

    def lost(self) -> None:
        """Count."""
        super().lost()
        self.losses += 1
        self._may_fail("lost")

    def _may_fail(self, method: str) -> None:
        if method in self.fails.split():
            raise RuntimeError(f"{method} failed, as it was told to")


class Shop:
    """A hub, a clock, and what the connections of a port share.

    Args:
        buffered_bytes: What may wait for one client.
    """

    def __init__(self, buffered_bytes: int = 100_000) -> None:
        self.clock: Any = Clock()
        self.clock.advance(1000)
        self.hub = StillHub()
        self.stats = Stats()
        self.welcome = True
        self.admission = Admission(
            Bucket(self.clock, 0), lambda address: address, lambda: self.welcome, most=3, most_per_address=3
        )
        self.life = Lifecycle(
            self.clock,
            self.stats,
            self.admission,
            InputQueue(Turns(self.clock, self.stats)),
            handshake_timeout=5.0,
            close_timeout=3.0,
            buffered_bytes=buffered_bytes,
        )

    def wait(self, seconds: float) -> None:
        """Let time pass, and look at the deadlines as the sweep would."""
        self.clock.advance(seconds)
        for deadlines in self.life.deadlines:
            deadlines.expire()

    def probe(self, *, joins: bool = True, fails: str = "") -> Probe:
        """Give the session of a client that was let in."""
        self.admission.admit("192.0.2.7")
        probe = Probe(self.hub, joins=joins, fails=fails)
        probe.peer = "192.0.2.7"
        return probe


class Talk:
    """A stream, which is a carrier and little else, over a real socket.

    Args:
        headers: What its answer carries.
        buffered_bytes: What may wait for its client.
        how: Options of the session, see :meth:`Shop.probe`.
    """

    def __init__(self, *headers: Header, buffered_bytes: int = 100_000, **how: Any) -> None:
        self.shop = Shop(buffered_bytes)
        self.line = Line()
        self.session: Any = self.shop.probe(**how)
        stream = Stream(self.session, headers)
        self.carrier: Any = HttpStreams(self.shop.life).accept(self.line.transport, stream, 0.0)
        self.line.transport.protocol = self.carrier
