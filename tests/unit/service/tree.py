"""The whole tree, built as for ``twistd`` and run by a reactor that only remembers."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.testing import MemoryReactorClock
from zope.interface import implementer

from pushd.config import Config, load
from pushd.interfaces import BrokerEvents, BrokerStatus
from pushd.service import assemble, build
from pushd.stats import Stats
from tests.support.line import Line
from tests.unit.admin.port import Response, request, talk

PUBLIC, ADMIN, CONTROL = 8091, 8191, 8291

UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@implementer(IListeningPort)
class Listening:
    """A port that notes its end.

    Args:
        number: The port's number.
        journal: Where.
    """

    def __init__(self, number: int, journal: list[str]) -> None:
        self._number = number
        self._journal = journal

    def startListening(self) -> None:
        """Nothing is left to do."""

    def stopListening(self) -> None:
        """Note it."""
        self._journal.append(f"port {self._number} closed")

    def getHost(self) -> IPv4Address:
        """Give the address."""
        return IPv4Address("TCP", "127.0.0.1", self._number)


class Reactor(MemoryReactorClock):
    """Listens in memory.

    Args:
        taken: A port that somebody else has.
    """

    def __init__(self, taken: int = 0) -> None:
        super().__init__()
        self.journal: list[str] = []
        self.backlogs: dict[object, int] = {}
        self.interfaces: dict[object, str] = {}
        self.factories: dict[object, Any] = {}
        self._taken = taken

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
        """Listen, or find the port taken."""
        if port == self._taken:
            raise CannotListenError(interface, port, OSError(98, "Address already in use"))
        self.factories[port], self.backlogs[port], self.interfaces[port] = factory, backlog, interface
        return Listening(port, self.journal)

    def listenUNIX(
        self,
        address: str,
        factory: Any,
        backlog: int = 50,
        mode: int = 0o666,
        wantPID: bool = False,  # noqa: FBT002  # Twisted's signature
    ) -> Any:
        """Listen."""
        self.factories[address], self.backlogs[address] = factory, backlog
        return Listening(0, self.journal)


class ReluctantBroker:
    """A broker that attaches and lets go only when a test says so.

    Args:
        journal: Notes the end of this broker.
    """

    def __init__(self, journal: list[str]) -> None:
        self.events: Any = None
        self.ending: Deferred[None] = succeed(None)
        self._journal = journal

    def start(self, events: BrokerEvents) -> None:
        """Wait for the test."""
        self.events = events

    def stop(self) -> Deferred[None]:
        """Note it."""
        self._journal.append("broker stopped")
        return self.ending

    def publish(self, publication: object) -> Deferred[int]:
        """Confirm without a delivery."""
        return succeed(0)

    def ack(self, offset: int) -> None:
        """Send no more all the same."""

    def status(self) -> BrokerStatus:
        """Tell of no node."""
        return BrokerStatus(attached=False, text="no node answers")


class Instance:
    """A daemon that a test starts and stops.

    Args:
        broker: Stands for the one that the configuration names.
        taken: A port that somebody else has.
        variables: As in the environment, without the ``PUSHD_``.
    """

    def __init__(self, broker: Any = None, *, taken: int = 0, **variables: str) -> None:
        self.reactor: Any = Reactor(taken)
        self.journal: list[str] = self.reactor.journal
        self.config = configured(**variables)
        self.lines: list[Line] = []
        if broker is None:
            self.service: Any = build(self.config, self.reactor)
        else:
            self.broker = broker(self.journal)
            self.service = assemble(self.config, self.reactor, self.broker, Stats())

    def ask(self, target: str, headers: str = "", method: str = "GET") -> Line:
        """Let a client ask the public port for something."""
        line = Line(self.reactor.factories[PUBLIC].buildProtocol(None))
        self.lines.append(line)
        line.say(f"{method} {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
        return line

    def status(self, target: str, headers: str = "", method: str = "GET") -> int:
        """Give the status of the answer."""
        return int(self.ask(target, headers, method).hear_all().split(b" ")[1])

    def operator(self, path: str, **headers: str) -> Response:
        """Get a page of the admin port."""
        return talk(self.reactor.factories[ADMIN], request("GET", path, **headers))

    def stop(self) -> list[None]:
        """Begin to stop; the list is filled when that is done."""
        over: list[None] = []
        self.service.stopService().addCallback(over.append)
        return over

    def close(self) -> None:
        """Let go of the sockets."""
        for line in self.lines:
            line.close()


def configured(**variables: str) -> Config:
    """Give a configuration."""
    return load(environ={f"PUSHD_{name}": text for name, text in variables.items()}).config


def started(instances: list[Instance], broker: Any = None, **variables: str) -> Instance:
    """Make an instance and start it."""
    instance = Instance(broker, **variables)
    instances.append(instance)
    instance.service.startService()
    return instance
