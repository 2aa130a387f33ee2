"""Publishes over a connection of its own: a broker short of memory stops reading from publishers.

On the consumer's connection it would not read acknowledgements any more, and deliveries would stop too.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from pushd.broker.amqp.arrivals import Arrivals
from pushd.broker.amqp.complaints import Complaints
from pushd.broker.amqp.faults import Lost
from pushd.broker.amqp.keeper import Keeper, Node
from pushd.broker.amqp.link import Channel
from pushd.broker.amqp.liveness import SILENT, Liveness, watch_liveness
from pushd.broker.amqp.outbox import Outbox
from pushd.broker.amqp.probe import PROBE, PROBE_TTL_SECONDS, TICKS
from pushd.broker.amqp.session import Session
from pushd.broker.amqp.topology import ACCESS_REFUSED, declare_exchange
from pushd.broker.backoff import Backoff
from pushd.broker.codec import Refused, encode
from pushd.broker.mark import Mark
from pushd.interfaces import PublishError
from pushd.message import Publication
from pushd.stats import Stats

__all__ = ["Publisher"]

_log = Logger()

_TO_EXCHANGE = "publishing to the exchange"


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
        self._complaints = complaints
        self._refused = False
        self._keeper = Keeper(
            clock, nodes, "publishing", self._prepare, backoff=backoff, complaints=complaints
        )
        self._session: Session | None = None
        self._liveness: Liveness | None = None
        self._outbox: Outbox | None = None
        self._marks: Outbox | None = None
        self._probes: Outbox | None = None
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
        return self._keeper.trouble or self._unanswered

    def connected(self) -> Deferred[None]:
        """Fire when publications are taken, at once if they are.

        The consumer asks once it has a connection: the broker is back, and this one need not wait any longer.
        """
        ready: Deferred[None] = Deferred()
        if self._keeper.trouble:
            self._waiting.append(ready)
            self._keeper.hurry()
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
        self._marks = await self._opened(self._marks)
        await self._send(self._marks, "", stream, {"headers": mark.headers(), "delivery_mode": 2}, b"")

    async def probe(self) -> None:
        """Publish a probe to the exchange.

        It expires soon, so that probes do not fill other queues of the exchange that nothing reads. It has a
        channel of its own: without the permission, or without the exchange, the broker closes the channel.

        Raises:
            PublishError: It is not confirmed.
        """
        self._probes = await self._opened(self._probes)
        expiration = str(round(PROBE_TTL_SECONDS * 1000))
        properties: dict[str, object] = {"headers": {PROBE: 1}, "delivery_mode": 1, "expiration": expiration}
        await self._send(self._probes, self._exchange, "", properties, b"")

    async def _prepare(self, session: Session) -> None:
        await declare_exchange(session.link, self._exchange)
        channel = await session.link.channel()
        await self._publish_on(channel, session)
        self._marks = self._probes = None
        session.watch(self._fail)
        session.link.watch_blocked(self._answer_waiting)
        self._liveness = await watch_liveness(session, self._answer_waiting)
        looking = LoopingCall(self._liveness.tick)
        looking.clock = self._clock
        looking.start(1 / TICKS, now=False)
        session.watch(lambda _: looking.stop())
        self._session = session
        self._keeper.works()
        waiting, self._waiting = self._waiting, []
        for ready in waiting:
            ready.callback(None)

    async def _publish_on(self, channel: Channel, session: Session) -> None:
        prefix = self._arrivals.new_prefix()
        self._outbox = await Outbox(self._clock, channel, session.end, prefix).open()
        channel.watch(lambda lost: self._channel_lost(session, lost))

    def _channel_lost(self, session: Session, lost: Lost) -> None:
        """Open another channel when the user may not publish. For another reason, begin again.

        A deleted exchange is another reason: the next session declares it.
        """
        if lost.code != ACCESS_REFUSED:
            session.end(lost)
        elif session.lost is None:
            session.spawn(self._reopen(session))
            self._refused = True
            if self._complaints.is_new(lost.reason, _TO_EXCHANGE):
                _log.warn("publications are refused: {reason}", reason=lost.reason)

    async def _reopen(self, session: Session) -> None:
        await self._publish_on(await session.link.channel(), session)

    @property
    def _unanswered(self) -> str:
        """Why the broker does not answer publications, or ``""``."""
        session, liveness = self._session, self._liveness
        if session is not None and session.link.blocked:
            return session.link.blocked
        return SILENT if liveness is not None and liveness.silent else ""

    def _answer_waiting(self) -> None:
        """Tell callers at once that the broker does not answer; a confirm that comes later is ignored."""
        if reason := self._unanswered:
            self._fail(Lost(reason))

    def _fail(self, lost: Lost) -> None:
        for outbox in (self._outbox, self._marks, self._probes):
            if outbox is not None:
                outbox.fail(lost)

    async def _opened(self, outbox: Outbox | None) -> Outbox | None:
        """Return an outbox that is open: the given one, or a new one when that is lost."""
        session = self._session
        if session is None or self.trouble or (outbox is not None and not outbox.lost):
            return outbox
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
        if self._keeper.trouble:
            trouble = f"not connected to the broker: {trouble}"
        if outbox is None or trouble:
            return fail(PublishError(trouble, temporary=True))
        return outbox.publish(exchange, routing_key, properties, body)

    def _confirmed(self, _: None) -> None:
        self._stats.published += 1
        if self._refused:
            self._refused = False
            self._complaints.settled(_TO_EXCHANGE)

    def _failed(self, failure: Failure) -> Failure:
        self._stats.publish_failed += 1
        return failure
