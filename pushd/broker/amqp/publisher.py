"""Publishes over a connection of its own: a broker short of memory stops reading from publishers.

On the consumer's connection it would not read acknowledgements any more, and deliveries would stop too.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from pushd.broker.amqp.arrivals import Arrivals
from pushd.broker.amqp.complaints import Complaints
from pushd.broker.amqp.faults import Lost
from pushd.broker.amqp.keeper import Keeper, Node
from pushd.broker.amqp.outbox import Outbox
from pushd.broker.amqp.session import Session
from pushd.broker.amqp.topology import declare_exchange
from pushd.broker.backoff import Backoff
from pushd.broker.codec import Refused, encode
from pushd.broker.marks import Mark
from pushd.interfaces import PublishError
from pushd.message import Publication
from pushd.stats import Stats

__all__ = ["Publisher"]


class Publisher:
    """Publishes with confirms.

    Args:
        clock: For time stamps and deadlines.
        nodes: Where to connect.
        exchange: Where publications go.
        stats: Where they are counted.
        arrivals: Tells when this instance has read a publication back.
        backoff: Between attempts to connect.
        complaints: What has been logged already.
    """

    def __init__(
        self,
        clock: IReactorTime,
        nodes: Sequence[Node],
        exchange: str,
        stats: Stats,
        *,
        arrivals: Arrivals,
        backoff: Backoff,
        complaints: Complaints,
    ) -> None:
        self._clock = clock
        self._exchange = exchange
        self._stats = stats
        self._arrivals = arrivals
        self._keeper = Keeper(
            clock, nodes, "publishing", self._prepare, backoff=backoff, complaints=complaints
        )
        self._session: Session | None = None
        self._outbox: Outbox | None = None
        self._marks: Outbox | None = None
        self._waiting: list[Deferred[None]] = []

    def start(self) -> None:
        """Connect, and stay connected."""
        self._keeper.start()

    def stop(self) -> Deferred[None]:
        """Disconnect; fires when nothing is left open."""
        return self._keeper.stop()

    @property
    def trouble(self) -> str:
        """Why publications are refused now, or ``""``."""
        session = self._session
        return self._keeper.trouble or (session.link.blocked if session else "")

    def connected(self) -> Deferred[None]:
        """Fire when publications are taken, at once if they are."""
        ready: Deferred[None] = Deferred()
        if self._keeper.trouble:
            self._waiting.append(ready)
        else:
            ready.callback(None)
        return ready

    def publish(self, publication: Publication) -> Deferred[int]:
        """Publish to the exchange; see :class:`pushd.interfaces.Broker`."""
        # Before anything is sent: the delivery may come before the confirm.
        correlation_id = self._outbox.next_id if self._outbox else ""
        arrived = self._arrivals.expect(correlation_id)

        def unconfirmed(failure: Failure) -> Failure:
            self._arrivals.forget(correlation_id)
            return self._failed(failure)

        confirmed = self._confirm(publication).addCallbacks(self._confirmed, unconfirmed)
        return confirmed.addCallback(lambda _: arrived)

    async def mark(self, stream: str, mark: Mark) -> None:
        """Publish a mark into a stream, over the default exchange.

        On a channel of its own: without the permission the broker closes the channel.

        Raises:
            PublishError: It is not confirmed.
        """
        if self._session is not None and (self._marks is None or self._marks.lost):
            self._marks = await self._open(self._session)
        await self._send(self._marks, "", stream, {"headers": mark.headers(), "delivery_mode": 2}, b"")

    async def _prepare(self, session: Session) -> None:
        await declare_exchange(session.link, self._exchange)
        channel = await session.link.channel()
        prefix = self._arrivals.new_prefix()
        self._outbox = await Outbox(self._clock, channel, session.end, prefix).open()
        # A deleted exchange costs this channel at the next publication: begin again, and declare it.
        channel.watch(session.end)
        self._marks = None
        self._session = session
        self._keeper.works()
        waiting, self._waiting = self._waiting, []
        for ready in waiting:
            ready.callback(None)

    async def _open(self, session: Session) -> Outbox:
        try:
            channel = await session.link.channel()
            return await Outbox(self._clock, channel, session.end).open()
        except Lost as lost:
            # It is this connection that is lost, or just going: the consumer's may be well.
            raise PublishError(lost.reason, temporary=True) from lost

    def _confirm(self, publication: Publication) -> Deferred[None]:
        """Publish; fires when confirmed, fails with :class:`PublishError`."""
        try:
            routing_key, properties, body = encode(publication, self._clock.seconds())
        except Refused as refused:
            return fail(PublishError(refused.advice, temporary=False))
        return self._send(self._outbox, self._exchange, routing_key, properties, body)

    def _send(
        self,
        outbox: Outbox | None,
        exchange: str,
        routing_key: str,
        properties: dict[str, object],
        body: bytes,
    ) -> Deferred[None]:
        trouble = self.trouble
        if outbox is None or trouble:
            return fail(PublishError(f"not connected to the broker: {trouble}", temporary=True))
        return outbox.publish(exchange, routing_key, properties, body)

    def _confirmed(self, _: None) -> None:
        self._stats.published += 1

    def _failed(self, failure: Failure) -> Failure:
        self._stats.publish_failed += 1
        return failure
