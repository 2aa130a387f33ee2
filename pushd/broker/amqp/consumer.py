"""What consuming has in common, from a stream and from a private queue."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pushd.broker.amqp.arrivals import Arrivals
from pushd.broker.amqp.complaints import Complaints
from pushd.broker.amqp.faults import Lost
from pushd.broker.amqp.intake import Intake
from pushd.broker.amqp.keeper import Keeper, Node
from pushd.broker.amqp.link import Channel
from pushd.broker.amqp.session import Session
from pushd.broker.amqp.window import Window
from pushd.broker.backoff import Backoff
from pushd.interfaces import BrokerEvents

if TYPE_CHECKING:
    from pushd.config import Broker as Section

__all__ = ["Consumer"]

_log = Logger()


class Consumer(ABC):
    """Consumes over a connection of its own, and comes back whenever that is lost.

    Args:
        clock: Runs what is later.
        nodes: Where to connect.
        section: What to consume.
        intake: Makes messages of deliveries.
        arrivals: Told of deliveries while a publisher of this instance waits for its own.
        backoff: Between attempts to attach.
        complaints: What has been logged already.

    Attributes:
        attached: Everything that was there has been handed over, and what is published arrives.
        offset: The last one delivered.
    """

    def __init__(
        self,
        clock: IReactorTime,
        nodes: Sequence[Node],
        section: Section,
        intake: Intake,
        *,
        arrivals: Arrivals,
        backoff: Backoff,
        complaints: Complaints,
    ) -> None:
        self.attached = False
        self.offset = 0
        self._clock = clock
        self._section = section
        self._intake = intake
        self._arrivals = arrivals
        self._keeper = Keeper(
            clock, nodes, "consuming", self._prepare, backoff=backoff, complaints=complaints
        )
        self._events: BrokerEvents | None = None
        self._channel: Channel | None = None
        self._window = Window(section.prefetch)

    def start(self, events: BrokerEvents) -> None:
        """Attach, and stay attached."""
        self._events = events
        self._keeper.start()

    def stop(self) -> Deferred[None]:
        """Detach; fires when nothing is left open. No event comes after this call."""
        self._events = None
        self.attached = False
        self._arrivals.detached()
        return self._keeper.stop()

    def ack(self, offset: int) -> None:
        """Everything up to ``offset`` is finished: the broker may send more."""
        self._window.finished(offset)
        self._acknowledge()

    def rebind(self) -> None:
        """A publication reached no queue, so not even ours: attach anew, which binds it again."""
        if self.attached:
            self._keeper.interrupt(Lost("the queue is no longer bound to the exchange"))

    @property
    def trouble(self) -> str:
        """Why it is not attached, or ``""``."""
        return self._keeper.trouble

    @abstractmethod
    async def _prepare(self, session: Session) -> None:
        """Get a consumer going; call :meth:`_attach` once everything that was there has been read."""

    @abstractmethod
    def _delivered(
        self, session: Session, tag: int, routing_key: object, properties: Any, body: bytes
    ) -> None:
        """Take one delivery."""

    async def _consume(self, session: Session, queue: str, arguments: dict[str, object]) -> None:
        """Have deliveries come in; the first may be there before this returns."""

        def deliver(tag: int, routing_key: object, properties: Any, body: bytes) -> None:
            if session.lost is None:  # else what still comes belongs to nobody
                self._delivered(session, tag, routing_key, properties, body)
                self._acknowledge()

        def cancelled() -> None:
            session.end(Lost(f"the broker ended the consumer: {queue} was deleted or its node is down"))

        channel = await session.link.channel()
        channel.watch(session.end)
        session.watch(self._detach)
        await channel.call("basic_qos", prefetch_count=self._section.prefetch)
        self._channel = channel
        self._window = Window(self._section.prefetch)
        await channel.consume(queue, deliver, cancelled, arguments)

    def _attach(self, epoch: str) -> None:
        if self._events is not None:  # else it was stopped on the way
            self.attached = True
            self._arrivals.attached()
            self._keeper.works()
            self._tell(self._events.attached, epoch)

    def _detach(self, lost: Lost) -> None:
        if self.attached and self._events is not None:
            self.attached = False
            self._arrivals.detached()
            self._tell(self._events.detached, lost.reason)

    def _reset(self, offset: int) -> None:
        if self._events is not None:
            self._tell(self._events.reset, offset)

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
            if self._events is not None:  # else the last one made somebody stop it
                self._tell(self._events.message, message)
        if self._arrivals.watching:
            self._arrived(properties, offset)

    def _arrived(self, properties: Any, offset: int) -> None:
        """Tell the arrivals of a delivery; its properties are None if they cannot be read."""
        self._arrivals.came(None if properties is None else properties.correlation_id, offset)

    def _acknowledge(self) -> None:
        tag = self._window.due()
        if tag and self._channel is not None:
            self._channel.ack(tag)

    def _tell(self, event: Callable[[Any], None], value: object) -> None:
        """Tell an event; a failure of whoever listens must not cost the connection."""
        try:
            event(value)
        except Exception:  # noqa: BLE001  # whatever it is
            _log.failure("an event of the broker could not be handled")
