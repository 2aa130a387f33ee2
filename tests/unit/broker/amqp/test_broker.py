"""pushd.broker.amqp.broker between a hub and the bytes of RabbitMQ; real ones are in tests/contracts."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from pika.frame import Header, Method
from pika.spec import Basic, BasicProperties, Connection, Exchange, Queue
from twisted.internet.testing import MemoryReactorClock

from pushd.broker.amqp import AmqpBroker
from pushd.config import Broker, BrokerUrl
from pushd.interfaces import BrokerStatus, Page, ReadError
from pushd.message import Publication
from pushd.stats import Stats
from tests.unit.broker.amqp.fakes import Heard
from tests.unit.broker.amqp.peer import Peer


class Rabbit(Peer):
    """A broker that grants what is declared."""

    def __init__(self) -> None:
        super().__init__()
        self.answers[Exchange.Declare] = Exchange.DeclareOk()
        self.answers[Queue.Bind] = Queue.BindOk()


class Site:
    """A broker of pushd, and RabbitMQ at the other end of its connections."""

    def __init__(self, queue: str = "exclusive") -> None:
        self.reactor: Any = MemoryReactorClock()
        self.stats = Stats()
        self.heard = Heard()
        self.peers: dict[str, Rabbit] = {}
        url = (BrokerUrl("amqp", "127.0.0.1", 5672),)
        section = Broker(url=url, exchange="x", queue=queue, stream="s", prefetch=4)
        self.broker = AmqpBroker(self.reactor, section, "here", 600, self.stats, Random(1))

    def start(self) -> None:
        """Start it, and let its connections come about."""
        self.broker.start(self.heard)
        self.reactor.advance(0)
        for _, __, factory, *___ in self.reactor.tcpClients:
            peer = Rabbit()
            peer.accept(factory.buildProtocol(None))
            [start] = peer.methods(Connection.StartOk)
            self.peers[start.client_properties["connection_name"]] = peer
        self.run()

    def run(self) -> None:
        """Have both ends read and answer, until neither waits for the other."""
        while any(peer.written or peer.leaving for peer in self.peers.values()):
            for peer in self.peers.values():
                peer.run()

    @property
    def publishing(self) -> Rabbit:
        """The end of the connection that is published on."""
        return self.peers["pushd here, publishing"]

    @property
    def consuming(self) -> Rabbit:
        """The end of the other one."""
        return self.peers["pushd here, consuming"]


@pytest.fixture
def queue() -> str:
    """What is consumed, unless a test says otherwise."""
    return "exclusive"


@pytest.fixture
def site(queue: str) -> Iterator[Site]:
    """One that is not started, and is stopped in the end: then nothing is left to be done."""
    site = Site(queue)
    yield site
    gone: list[None] = []
    site.broker.stop().addCallback(gone.append)
    site.run()
    assert ([None], []) == (gone, [each for each in site.reactor.getDelayedCalls() if each.active()])


def test_attaches_over_two_connections(site: Site) -> None:
    """One to consume, one to publish; it says where it stands before and after."""
    assert BrokerStatus(attached=False, text="connecting") == site.broker.status()
    site.start()
    assert ["reset", "attached"] == [kind for kind, _ in site.heard.seen]
    assert BrokerStatus(attached=True, text="exclusive queue on x at offset 0") == site.broker.status()


def test_what_is_delivered_is_told_and_acknowledged(site: Site) -> None:
    """From the bytes of a connection to the hub, and back."""
    site.start()
    site.consuming.protocol.dataReceived(site.consuming.delivery(b"body"))
    assert [(1, b"body")] == site.heard.told("message")
    site.broker.ack(1)
    site.consuming.run()
    assert [1] == [ack.delivery_tag for ack in site.consuming.methods(Basic.Ack)]


def publish(site: Site) -> list[Any]:
    """Publish; the list gets what becomes of it: ``None`` or an error."""
    outcome: list[Any] = []
    published = site.broker.publish(Publication(b"x"))
    published.addCallbacks(outcome.append, lambda failure: outcome.append(failure.value))
    site.publishing.run()
    return outcome


def test_what_is_published_is_confirmed(site: Site) -> None:
    """By the broker, which is counted; the publisher is answered once the consumer has delivered it."""
    site.start()
    outcome = publish(site)
    [published] = site.publishing.methods(Basic.Publish)
    assert ("x", []) == (published.exchange, outcome)
    site.publishing.say(Basic.Ack(1), channel=2)
    assert ([], 1) == (outcome, site.stats.published)
    [sent] = [each for each in site.publishing.received if isinstance(each, Header)]
    site.consuming.protocol.dataReceived(site.consuming.delivery(b"x", sent.properties, tag=1))
    assert ([1], [(1, b"x")]) == (outcome, site.heard.told("message"))


def test_what_reaches_no_queue(site: Site) -> None:
    """Not even our own, so its consumer binds it again, by beginning anew."""
    site.start()
    outcome = publish(site)
    returned = Method(2, Basic.Return(312, "NO_ROUTE", "x", "")).marshal()
    content = Header(2, 0, BasicProperties(correlation_id="1")).marshal()
    site.publishing.protocol.dataReceived(returned + content)
    site.publishing.say(Basic.Ack(1), channel=2)
    [error] = outcome
    assert "no queue is bound to exchange x" == error.reason
    assert ["the queue is no longer bound to the exchange"] == site.heard.told("detached")


def test_what_is_refused_for_another_reason(site: Site) -> None:
    """Then nothing is wrong with the consumer."""
    site.start()
    outcome = publish(site)
    site.publishing.say(Basic.Nack(1), channel=2)
    assert (["the broker could not keep the message"], []) == (
        [error.reason for error in outcome],
        site.heard.told("detached"),
    )


def test_a_publisher_in_trouble(site: Site) -> None:
    """It is said, though consuming goes on."""
    site.start()
    site.publishing.say(Connection.Close(320, "CONNECTION_FORCED - maintenance", 0, 0))
    text = "exclusive queue on x at offset 0; publishing: 127.0.0.1:5672: 320 CONNECTION_FORCED - maintenance"
    assert BrokerStatus(attached=True, text=text) == site.broker.status()


def test_reading_from_a_queue(site: Site) -> None:
    """It keeps nothing that could be read."""
    failures: list[Any] = []
    site.broker.read(0, 1, 100).addErrback(failures.append)
    assert [True] == [failure.check(ReadError) is not None for failure in failures]


@pytest.mark.parametrize("queue", ["stream"])
def test_a_stream(site: Site) -> None:
    """The mark that the publisher sends is what the consumer waits for; it can be read from."""
    site.start()
    assert BrokerStatus(attached=False, text="connecting") == site.broker.status()
    [mark] = [each for each in site.publishing.received if isinstance(each, Header)]
    site.publishing.say(Basic.Ack(1), channel=mark.channel_number)
    properties = BasicProperties(headers={**mark.properties.headers, "x-stream-offset": 7})
    site.consuming.protocol.dataReceived(site.consuming.delivery(b"", properties))
    # The stream's start would have to be read for the epoch; it begins with the same mark.
    site.consuming.run()
    site.consuming.protocol.dataReceived(site.consuming.delivery(b"", properties))
    assert BrokerStatus(attached=True, text="stream s at offset 7") == site.broker.status()
    found: list[Page] = []
    site.broker.read(7, 8, 100).addCallback(found.append)
    site.consuming.run()
    properties = BasicProperties(headers={"x-stream-offset": 8})
    site.consuming.protocol.dataReceived(site.consuming.delivery(b"eight", properties))
    assert [(8, [b"eight"])] == [(page.reached, [each.body for each in page.messages]) for page in found]
