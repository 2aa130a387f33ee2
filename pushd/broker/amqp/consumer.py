"""What consuming has in common, from a stream and from a private queue."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from pushd.broker.amqp.arrivals import Arrivals
from pushd.broker.amqp.attachment import Attachment
from pushd.broker.amqp.binding import Binding
from pushd.broker.amqp.complaints import Complaints
from pushd.broker.amqp.faults import Lost
from pushd.broker.amqp.intake import Intake
from pushd.broker.amqp.keeper import Keeper, Node
from pushd.broker.amqp.link import Channel
from pushd.broker.amqp.liveness import Liveness, watch_liveness
from pushd.broker.amqp.probe import TICKS, ConsumerProbe
from pushd.broker.amqp.publisher import Publisher
from pushd.broker.amqp.session import Session
from pushd.broker.amqp.window import Window
from pushd.broker.backoff import Backoff
from pushd.interfaces import BrokerEvents

if TYPE_CHECKING:
    from pushd.config import Broker as Section

__all__ = ["Consumer"]

_REFUSED, _REFUSED_LONG = 2.0, 15.0
"""Seconds, at most, before the first and before each later attempt to bind a queue again."""

_QUIET = 1.0
"""Seconds for which a finished delivery may stay unacknowledged when no further ones come."""


class Consumer(ABC):
    """Consumes over a connection of its own, and comes back whenever that is lost.

    Args:
        publisher: Publishes what has to come back.
        random: Makes epochs and jitter; must differ between instances.
        clock: Runs what is later.
        nodes: Where to connect.
        section: What to consume.
        intake: Makes messages of deliveries.
        arrivals: Told of deliveries while a publisher of this instance waits for its own.
        backoff: Between attempts to attach.
        complaints: What has been logged already.

    Attributes:
        offset: The last one delivered.
    """

    def __init__(  # noqa: PLR0917  # each is another thing
        self,
        publisher: Publisher,
        random: Random,
        clock: IReactorTime,
        nodes: Sequence[Node],
        section: Section,
        intake: Intake,
        *,
        arrivals: Arrivals,
        backoff: Backoff,
        complaints: Complaints,
    ) -> None:
        self.offset = 0
        self._attachment = Attachment(arrivals)
        self._publisher = publisher
        self._random = random
        self._liveness: Liveness | None = None
        self._binding: Binding | None = None
        self._clock = clock
        self._section = section
        self._intake = intake
        self._arrivals = arrivals
        self._complaints = complaints
        self._keeper = Keeper(
            clock, nodes, "consuming", self._prepare, backoff=backoff, complaints=complaints
        )
        self._channel: Channel | None = None
        self._window = Window(section.prefetch)

    def start(self, events: BrokerEvents) -> None:
        """Attach, and stay attached."""
        self._attachment.start(events)
        self._keeper.start()

    def stop(self) -> Deferred[None]:
        """Detach; fires when nothing is left open. No event comes after this call."""
        self._attachment.stop()
        return self._keeper.stop()

    def ack(self, offset: int) -> None:
        """Everything up to ``offset`` is finished: the broker may send more."""
        self._window.finished(offset)
        self._acknowledge()

    def rebind(self, renewals: int) -> None:
        """Bind the queue again: a publication reached no queue, so not even ours.

        Args:
            renewals: How many there were when it was published; a renewal since then has dealt with it.
        """
        if self._attachment.caught_up and self._binding is not None and renewals == self.renewals:
            self._binding.gone("a publication reached no queue")

    @property
    def attached(self) -> bool:
        """True if everything that was there has been handed over, and what is published arrives."""
        return self._attachment.attached

    @property
    def renewals(self) -> int:
        """Number of times that the epoch was renewed."""
        return self._attachment.renewals

    @property
    def trouble(self) -> str:
        """Why it is not attached, or ``""``."""
        return self._keeper.trouble or self._attachment.trouble

    # What its binding asks.

    def unbound(self, reason: str) -> None:
        """See :class:`pushd.broker.amqp.binding.Owner`."""
        self._attachment.owe(reason)

    @abstractmethod
    async def suspend(self, session: Session) -> None:
        """See :class:`pushd.broker.amqp.binding.Owner`; suspends the attachment, then or soon."""

    @abstractmethod
    async def drained(self, session: Session) -> bool:
        """See :class:`pushd.broker.amqp.binding.Owner`."""

    @abstractmethod
    async def renew(self, session: Session) -> None:
        """See :class:`pushd.broker.amqp.binding.Owner`; calls :meth:`_renewed`."""

    @abstractmethod
    async def _prepare(self, session: Session) -> None:
        """Get a consumer going; call :meth:`_attach` once everything that was there has been read."""

    @abstractmethod
    def _delivered(  # noqa: PLR0917  # called in one place
        self, session: Session, tag: int, exchange: str, routing_key: object, properties: Any, body: bytes
    ) -> None:
        """Take one delivery."""

    def _tick(self, session: Session) -> None:  # noqa: ARG002  # used by those that override it
        """Do what is to be done four times a second."""
        if self._liveness is not None:
            self._liveness.tick()
        if self._attachment.caught_up and self._binding is not None:
            self._binding.tick()

    async def _consume(self, session: Session, queue: str, arguments: dict[str, object]) -> None:
        """Have deliveries come in; the first may be there before this returns."""
        name = self._section.exchange
        probe = ConsumerProbe(self._section.probe_interval, self._random)

        def deliver(tag: int, exchange: str, routing_key: object, properties: Any, body: bytes) -> None:
            if session.lost is None:  # else what still comes belongs to nobody
                if exchange == name:
                    probe.proven = True
                self._delivered(session, tag, exchange, routing_key, properties, body)
                self._acknowledge()

        def cancelled() -> None:
            session.end(Lost(f"the broker ended the consumer: {queue} was deleted or its node is down"))

        channel = await session.link.channel()
        channel.watch(session.end)
        session.watch(self._lose)
        self._liveness = await watch_liveness(session, self._answers)
        self._binding = self._bound(session, queue, probe)
        ticking = LoopingCall(self._tick, session)
        ticking.clock = self._clock
        ticking.start(1 / TICKS, now=False)
        session.watch(lambda _: ticking.stop())
        await channel.call("basic_qos", prefetch_count=self._section.prefetch)
        self._channel = channel
        self._window = Window(self._section.prefetch)
        await channel.consume(queue, deliver, cancelled, arguments)
        self._acknowledge_regularly(session)

    def _acknowledge_regularly(self, session: Session) -> None:
        """Acknowledge the rest of what is finished every second, until the session ends."""
        regularly = LoopingCall(self._acknowledge_rest)
        regularly.clock = self._clock
        regularly.start(_QUIET, now=False)
        session.watch(lambda _: regularly.stop())

    def _bound(self, session: Session, queue: str, probe: ConsumerProbe) -> Binding:
        return Binding(
            self._clock,
            session,
            self._publisher,
            self._section.exchange,
            queue,
            probe=probe,
            owner=self,
            backoff=Backoff(self._random, _REFUSED, _REFUSED_LONG),
            complaints=self._complaints,
        )

    def _attach(self, epoch: str) -> None:
        """Take note that everything that was there has been handed over."""
        if not self._attachment.stopped:  # on the way
            self._keeper.works()
            self._attachment.catch_up(epoch)

    def _suspend(self) -> None:
        # The listener forgets these messages and acknowledges none of them.
        self._window.finished(self.offset)
        self._attachment.suspend(self.offset)

    def _renewed(self, epoch: str) -> None:
        """Begin another epoch on the same consumer, so that every client is told of missed messages."""
        self._suspend()
        if self._binding is not None:
            self._binding.settled()
        self._attachment.renew(epoch, self.offset)

    def _lose(self, lost: Lost) -> None:
        self._liveness = self._binding = None
        self._attachment.lose(lost.reason)

    def _answers(self) -> None:
        if self._liveness is not None:
            self._attachment.answers(silent=self._liveness.silent)

    def _reset(self, offset: int) -> None:
        self._window.finished(offset)  # the listener forgets these messages and acknowledges none of them
        self._attachment.begin(offset)

    def _hand_on(self, tag: int, offset: int, routing_key: object, properties: Any, body: bytes) -> None:
        """Make messages of a delivery, and tell them."""
        messages = self._intake.decode(offset, routing_key, properties, body)
        if not messages:
            self._window.skipped(tag)
            if self._arrivals.watching:
                self._arrived(properties, 0)
            return
        self._window.handed_on(tag, offset)
        for message in messages:
            self._attachment.message(message)
        if self._arrivals.watching:
            self._arrived(properties, offset)

    def _arrived(self, properties: Any, offset: int) -> None:
        """Tell the arrivals of a delivery; its properties are None if they cannot be read."""
        self._arrivals.came(None if properties is None else properties.correlation_id, offset)

    def _acknowledge(self) -> None:
        tag = self._window.due()
        if tag and self._channel is not None:
            self._channel.ack(tag)

    def _acknowledge_rest(self) -> None:
        tag = self._window.rest()
        if tag and self._channel is not None:
            self._channel.ack(tag)
