"""The control port in memory: sessions over string transports, a broker whose confirm a test gives."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.testing import StringTransport

from pushd.control.commands import Commands
from pushd.control.session import Session
from pushd.control.telnet import ControlFactory
from pushd.message import Position, Publication
from pushd.status import Status
from tests.support.roster import FakeClient, FakeRoster
from tests.support.turning import TurningClock

__all__ = ["GREETING", "ControlPort", "Peer"]

GREETING = b'220 pushd instance 1; "help" lists the commands\r\n'

_STATUS = Status("1", 60, True, "log at 7", {}, 0, Position("e", 7), 7, 8, 9, ())


class Wire(StringTransport):
    """A transport that knows whether it was dropped, and may be paused when it is to end, as a socket may."""

    dropped = False

    def pauseProducing(self) -> None:
        """Read no more."""
        self.producerState = "paused"

    def abortConnection(self) -> None:
        """Remember it."""
        self.dropped = True


class Peer:
    """Somebody connected to the port."""

    def __init__(self, port: ControlPort) -> None:
        self._clock = port.clock
        self.wire = Wire()
        self.session: Session = port.factory.buildProtocol(None)
        self.session.makeConnection(self.wire)

    def say(self, data: bytes) -> bytes:
        """Send, let the turns go by, and give what was answered."""
        self.session.dataReceived(data)
        return self.hear()

    def hear(self) -> bytes:
        """Let the turns go by, and give what was answered since the last time."""
        while any(call.getTime() <= self._clock.seconds() for call in self._clock.getDelayedCalls()):
            self._clock.advance(0)
        heard: bytes = self.wire.value()
        self.wire.clear()
        return heard

    @property
    def ended(self) -> bool:
        """Whether the port has ended the session."""
        return bool(self.wire.disconnecting)

    @property
    def reading(self) -> bool:
        """Whether the port would read more."""
        return bool(self.wire.producerState == "producing")


class ControlPort:
    """A port and everything behind it."""

    def __init__(self, *clients: FakeClient, sessions: int = 2, idle: float = 60.0) -> None:
        self.clock = TurningClock()
        self.published: list[Publication] = []
        self.confirms: list[Deferred[None]] = []
        commands = Commands(
            instance="1",
            status=lambda: _STATUS,
            roster=FakeRoster(*clients),
            clock=self.clock,
            message_size=1000,
            channel_length=255,
        )
        self.factory = ControlFactory(commands, self._publish, self.clock, sessions=sessions, idle=idle)
        self.factory.startFactory()

    def connect(self) -> Peer:
        """Give a peer that has read the greeting."""
        peer = Peer(self)
        assert GREETING == peer.hear()
        return peer

    def _publish(self, publication: Publication) -> Deferred[None]:
        self.published.append(publication)
        self.confirms.append(Deferred())
        return self.confirms[-1]
