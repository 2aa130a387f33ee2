"""RabbitMQ as a broker: a consumer of the configured kind and a publisher, put together."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, fail, gatherResults
from twisted.python.failure import Failure

from pushd.broker.amqp.arrivals import Arrivals
from pushd.broker.amqp.complaints import Complaints
from pushd.broker.amqp.endpoint import endpoint
from pushd.broker.amqp.exclusive import ExclusiveConsumer
from pushd.broker.amqp.intake import Intake
from pushd.broker.amqp.keeper import Node
from pushd.broker.amqp.link import connect, login
from pushd.broker.amqp.outbox import Unroutable
from pushd.broker.amqp.publisher import Publisher
from pushd.broker.amqp.stream import StreamConsumer
from pushd.broker.backoff import Backoff
from pushd.interfaces import BrokerEvents, BrokerStatus, Page, ReadError
from pushd.message import Publication
from pushd.stats import Stats

if TYPE_CHECKING:
    from pushd.config import Broker as Section

__all__ = ["AmqpBroker"]


class AmqpBroker:
    """Consumes from a stream or an exclusive queue, and publishes to the exchange.

    Args:
        reactor: Connects, and tells the time.
        section: The section ``[broker]`` of the configuration.
        instance: This instance's name, for the broker's operator.
        max_age: Seconds of the stream to read back before anything is served.
        stats: Where dropped and published messages are counted.
        random: Source of nonces, epochs and jitter; must differ between instances.

    Raises:
        ValueError: A certificate or key cannot be read.
    """

    def __init__(  # noqa: PLR0917  # each is another thing
        self, reactor: Any, section: Section, instance: str, max_age: float, stats: Stats, random: Random
    ) -> None:
        self._section = section
        complaints = Complaints()
        arrivals = Arrivals(reactor, random)
        self._publisher = Publisher(
            reactor,
            _nodes(reactor, section, f"pushd {instance}, publishing"),
            section.exchange,
            stats,
            arrivals=arrivals,
            backoff=Backoff(random),
            complaints=complaints,
        )
        collaborators = {
            "clock": reactor,
            "nodes": _nodes(reactor, section, f"pushd {instance}, consuming"),
            "section": section,
            "intake": Intake(stats),
            "arrivals": arrivals,
            "backoff": Backoff(random),
            "complaints": complaints,
        }
        self._consumer: StreamConsumer | ExclusiveConsumer = (
            StreamConsumer(self._publisher, max_age, random, **collaborators)
            if section.queue == "stream"
            else ExclusiveConsumer(random, **collaborators)
        )

    def start(self, events: BrokerEvents) -> None:
        """Connect, attach, and stay so."""
        self._publisher.start()
        self._consumer.start(events)

    def stop(self) -> Deferred[None]:
        """Detach and disconnect; fires when nothing is left open."""
        return gatherResults([self._consumer.stop(), self._publisher.stop()]).addCallback(lambda _: None)

    def publish(self, publication: Publication) -> Deferred[int]:
        """Publish; see :class:`pushd.interfaces.Broker`."""
        return self._publisher.publish(publication).addErrback(self._unbound)

    def _unbound(self, failure: Failure) -> Failure:
        """Whoever deletes an exchange takes our binding along, and nobody but a publisher hears of it."""
        if failure.check(Unroutable):
            self._consumer.rebind()
        return failure

    def ack(self, offset: int) -> None:
        """Let the broker send more; see :class:`pushd.interfaces.Broker`."""
        self._consumer.ack(offset)

    def read(self, after: int, until: int, max_bytes: int) -> Deferred[Page]:
        """Read back from the stream; see :class:`pushd.interfaces.Broker`."""
        if isinstance(self._consumer, StreamConsumer):
            return self._consumer.read(after, until, max_bytes)
        return fail(ReadError("an exclusive queue keeps no messages"))

    def status(self) -> BrokerStatus:
        """Tell how things stand."""
        consumer, section = self._consumer, self._section
        if not consumer.attached:
            return BrokerStatus(attached=False, text=consumer.trouble)
        what = (
            f"stream {section.stream}"
            if section.queue == "stream"
            else f"exclusive queue on {section.exchange}"
        )
        trouble = self._publisher.trouble
        text = f"{what} at offset {consumer.offset}" + (f"; publishing: {trouble}" if trouble else "")
        return BrokerStatus(attached=True, text=text)


def _nodes(reactor: Any, section: Section, name: str) -> list[Node]:
    return [
        Node(
            f"{url.host}:{url.port}",
            partial(
                connect,
                reactor,
                endpoint(reactor, url, section),
                login(
                    vhost=url.vhost,
                    user=url.user,
                    password=url.password,
                    heartbeat=round(section.heartbeat),
                    name=name,
                ),
            ),
        )
        for url in section.urls
    ]
