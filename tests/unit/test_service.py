"""The whole tree, built as for ``twistd`` and run by a reactor that only remembers."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.testing import MemoryReactorClock
from zope.interface import implementer

from pushd.broker.amqp import AmqpBroker
from pushd.broker.memory import MemoryBroker
from pushd.config import Config, load
from pushd.interfaces import BrokerEvents, BrokerStatus
from pushd.service import Pushd, assemble, build
from pushd.stats import Stats
from tests.support.line import Line
from tests.support.log import logged
from tests.unit.admin.port import Conversation, Response, request, talk

PUBLIC, ADMIN, CONTROL = 8091, 8191, 8291

UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)

SECRET = "correct horse battery staple, twice over"


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
        self.factories: dict[object, Any] = {}
        self._taken = taken

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
        """Listen, or find the port taken."""
        if port == self._taken:
            raise CannotListenError(interface, port, OSError(98, "Address already in use"))
        self.factories[port], self.backlogs[port] = factory, backlog
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

    def publish(self, publication: object) -> Deferred[None]:
        """Confirm."""
        return succeed(None)

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

    def operator(self, path: str) -> Response:
        """Get a page of the admin port."""
        return talk(self.reactor.factories[ADMIN], request("GET", path))

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


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """Leave the garbage collector as it was: a start tunes it for the whole process."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.fixture
def instances() -> Iterator[list[Instance]]:
    """Let go of what the instances of a test hold."""
    made: list[Instance] = []
    yield made
    for instance in made:
        instance.close()


def started(instances: list[Instance], broker: Any = None, **variables: str) -> Instance:
    """Make an instance and start it."""
    instance = Instance(broker, **variables)
    instances.append(instance)
    instance.service.startService()
    return instance


# Building and starting.


def test_nothing_happens_before_the_start() -> None:
    """Building the daemon opens no port and sets no timer."""
    instance = Instance()
    assert isinstance(instance.service, Pushd)
    assert ({}, []) == (instance.reactor.factories, instance.reactor.getDelayedCalls())


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("memory:", MemoryBroker),
        ("amqp://guest@127.0.0.1", AmqpBroker),
        ("amqps://guest@127.0.0.1", AmqpBroker),
    ],
)
def test_the_url_chooses_the_broker(url: str, kind: type) -> None:
    """One that is remote connects only when the daemon starts."""
    instance = Instance(BROKER_URL=url)
    assert kind is type(instance.service._broker)
    assert [] == instance.reactor.tcpClients


def test_a_start_opens_all_three_ports(instances: list[Instance]) -> None:
    """The browsers' with a backlog for a herd, and the operators' too, since they are plain endpoints."""
    instance = started(instances)
    assert {PUBLIC, ADMIN, CONTROL} == set(instance.reactor.factories)
    assert 200 == instance.operator("/ready").status


@pytest.mark.parametrize(
    ("endpoint", "place", "backlog"),
    [
        ("tcp:8091:interface=127.0.0.1", 8091, 4096),
        ("tcp:8091:backlog=7", 8091, 7),
        ("unix:/run/pushd.sock", "/run/pushd.sock", 4096),
    ],
)
def test_the_public_port_holds_a_herd(
    instances: list[Instance], endpoint: str, place: object, backlog: int
) -> None:
    """Unless the operator chose how many; the operators' own ports have no use for more than usual."""
    instance = started(instances, LISTEN_PUBLIC=endpoint)
    assert (backlog, 50) == (instance.reactor.backlogs[place], instance.reactor.backlogs[ADMIN])


@pytest.mark.parametrize("taken", [PUBLIC, ADMIN, CONTROL])
def test_a_port_that_cannot_be_had_raises(taken: int) -> None:
    """At once, so that whoever starts the daemon sees it, and before the broker is told anything."""
    instance = Instance(ReluctantBroker, taken=taken)
    with pytest.raises(CannotListenError):
        instance.service.startService()
    assert instance.broker.events is None


# What stands where.


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        ("/websocket/222", UPGRADE, 101),
        ("/connection/websocket", UPGRADE, 101),
        ("/connection/uni_websocket", UPGRADE, 101),
        ("/connection/uni_sse?cf_connect=%7B%7D", "", 200),
        ("/events?channel=222", "", 200),
        ("/", "", 404),
        ("/elsewhere", "", 404),
    ],
)
def test_the_public_port_has_these_routes(
    instances: list[Instance], target: str, headers: str, status: int
) -> None:
    """Each protocol at its own path, and without the demo nothing at the root."""
    assert status == started(instances).status(target, headers)


def test_the_raw_route_stands_where_it_is_configured(instances: list[Instance]) -> None:
    """And no longer at its default."""
    instance = started(instances, WEBSOCKET_PATH="/push/")
    assert (101, 404) == (instance.status("/push/a", UPGRADE), instance.status("/websocket/a", UPGRADE))


def test_the_demo_page_knows_the_raw_route(instances: list[Instance]) -> None:
    """It is only there when asked for."""
    instance = started(instances, LISTEN_DEMO="yes", WEBSOCKET_PATH="/push/")
    page = instance.ask("/").hear_all()
    assert page.startswith(b"HTTP/1.1 200 ")
    assert b"/push/" in page
    assert 200 == instance.status("/", method="HEAD")


def test_a_token_is_asked_for_in_jwt_mode(instances: list[Instance]) -> None:
    """Signed with the configured secret, for the configured audience, by the configured issuer."""
    instance = started(
        instances, AUTH_MODE="jwt", AUTH_JWT_SECRET=SECRET, AUTH_JWT_AUDIENCE="push", AUTH_JWT_ISSUER="shop"
    )
    claims = {"sub": "7", "exp": time.time() + 60, "aud": "push", "iss": "shop", "channels": ["222"]}

    def answer(secret: str = SECRET, **changes: object) -> int:
        token = jwt.encode(claims | changes, secret, algorithm="HS256")
        return instance.status(f"/events?channel=222&token={token}")

    assert 401 == instance.status("/events?channel=222")
    assert [200, 401, 401, 401] == [
        answer(),
        answer(secret="x" * 32),
        answer(aud="other"),
        answer(iss="other"),
    ]


def test_what_is_published_reaches_a_client(instances: list[Instance]) -> None:
    """From the admin port, over the broker and the hub, to a WebSocket; confirmed once it has arrived."""
    instance = started(instances)
    client = instance.ask("/websocket/222", UPGRADE)
    assert client.hear_all().startswith(b"HTTP/1.1 101 ")
    operator = Conversation(instance.reactor.factories[ADMIN])
    body = b'{"channel":"222","data":{"n":1}}'
    operator.say(request("POST", "/api/publish", body, content_type="application/json"))
    assert b"" == operator.wire.value()
    instance.reactor.advance(0.1)
    assert (200, b'\x81\x07{"n":1}') == (operator.hear().status, client.hear_all())


# Readiness.


def test_reasons_against_new_clients(instances: list[Instance]) -> None:
    """They come and go with the broker; once the history has been read, an outage keeps clients welcome."""
    instance = started(instances, ReluctantBroker)
    away = "not attached to the broker: no node answers"
    seen = [instance.operator("/ready")]
    assert 503 == instance.status("/events?channel=a")
    instance.broker.events.reset(0)
    instance.broker.events.attached("e1")
    seen.append(instance.operator("/ready"))
    instance.broker.events.detached("the node went away")
    seen.append(instance.operator("/ready"))
    assert 200 == instance.status("/events?channel=a")
    assert [
        (503, ["the history has not been read yet", away]),
        (200, []),
        (503, [away]),
    ] == [(answer.status, answer.json["reasons"]) for answer in seen]


# Stopping.


def test_a_stop_drains_in_order(instances: list[Instance]) -> None:
    """The public port first, the clients in batches, then the broker, and last the operators' ports."""
    instance = started(instances, ReluctantBroker)
    instance.broker.events.reset(0)
    instance.broker.events.attached("e1")
    clients = [instance.ask("/websocket/222", UPGRADE) for _ in range(15)]
    assert all(client.hear_all().startswith(b"HTTP/1.1 101 ") for client in clients)

    over = instance.stop()
    assert [f"port {PUBLIC} closed"] == instance.journal
    goodbye = b"\x88\x0a\x03\xf4shutdown"
    assert [goodbye] * 10 + [b""] * 5 == [client.hear_all() for client in clients]
    assert "draining" in instance.operator("/ready").json["reasons"]
    assert 503 == instance.status("/events?channel=a")

    instance.reactor.advance(0.05)
    assert [goodbye] * 5 == [client.hear_all() for client in clients[10:]]
    assert [f"port {PUBLIC} closed"] == instance.journal

    instance.broker.ending = Deferred()
    instance.reactor.advance(0.05)
    assert [f"port {PUBLIC} closed", "broker stopped"] == instance.journal
    assert ([], 503) == (over, instance.operator("/ready").status)

    instance.broker.ending.callback(None)
    assert [f"port {PUBLIC} closed", "broker stopped"] == instance.journal[:2]
    assert {f"port {ADMIN} closed", f"port {CONTROL} closed"} == set(instance.journal[2:])
    assert [None] == over


def test_a_broker_that_does_not_let_go_is_left(instances: list[Instance]) -> None:
    """When the drain's time is up, the daemon ends all the same."""
    instance = started(instances, ReluctantBroker, LIMITS_DRAIN_TIMEOUT="2s")
    instance.broker.ending = Deferred()
    over = instance.stop()
    instance.reactor.advance(1.9)
    assert [] == over
    with logged("pushd.drain") as log:
        instance.reactor.advance(0.2)
    assert ([None], 1) == (over, len(log.warnings))


def test_nothing_is_left_after_a_stop(instances: list[Instance]) -> None:
    """No timer runs on, and the ports are closed."""
    instance = started(instances)
    assert [None] == instance.stop()
    assert 3 == len(instance.journal)
    assert [] == [call for call in instance.reactor.getDelayedCalls() if call.active()]


def test_a_start_leaves_the_collector_little_to_do(instances: list[Instance]) -> None:
    """What lives as long as the process is never looked at again, and a herd sets off few rounds."""
    started(instances)
    assert (50_000, 20, 100) == gc.get_threshold()
    assert gc.get_freeze_count() > 0
