"""Consumes from a stream that all instances share, and tells its lives apart by marks.

A consumer of a stream can fall silent while its connection looks well, so it has to prove that it hears:
the marks it publishes into the stream from time to time must come back. Marks do not come through the
exchange and prove nothing about the stream's binding to it; ``binding.py`` watches over that.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger

from pushd.broker.amqp.canary import Canary
from pushd.broker.amqp.consumer import Consumer
from pushd.broker.amqp.declaration import StreamDeclaration
from pushd.broker.amqp.faults import Lost
from pushd.broker.amqp.outbox import Unroutable
from pushd.broker.amqp.probe import is_probe
from pushd.broker.amqp.reader import WHOLE, End, find_end, offset_of, read_page, scan_marks
from pushd.broker.amqp.session import Session
from pushd.broker.amqp.topology import ACCESS_REFUSED, bind, declare_exchange
from pushd.broker.mark import Mark
from pushd.broker.marks import Found, Life, OtherLife
from pushd.interfaces import Page, PublishError, ReadError

__all__ = ["StreamConsumer"]

_log = Logger()

_PUBLISHER = 5.0
"""Seconds to wait for the publisher's connection, which carries the marks."""

_UNBOUND = "the stream was not bound to the exchange"

_FURTHER = 4
"""Factor by which a scan for older marks begins further back than the one before."""


class StreamConsumer(Consumer):
    """Reads back ``max_age`` the first time, and from then on continues where it stopped.

    Args:
        max_age: Seconds to read back when there is nothing to continue.
        collaborators: See :class:`Consumer`.
    """

    def __init__(self, max_age: float, **collaborators: Any) -> None:
        super().__init__(**collaborators)
        self._max_age = max_age
        self._canary = Canary(self._random)
        self._declaration = StreamDeclaration(self._section)
        self._life = Life()
        self._end = End(-1)
        self._suspending = False  # a suspension was published and no renewal was read since
        self._heard = False
        self._next_epoch = ""  # of the renewal that is owed
        self._returns: dict[str, Deferred[None]] = {}  # what waits for a mark to be delivered, by its nonce
        self._session: Session | None = None
        self._fresh = True

    def read(self, after: int, until: int, max_bytes: int) -> Deferred[Page]:
        """Read back a part; see :meth:`pushd.interfaces.Broker.read`."""
        session = self._session
        if session is None or not self.attached:
            return fail(ReadError("the stream is not attached"))
        section = self._section
        return Deferred.fromCoroutine(
            read_page(
                self._clock, session.link, section.stream, after, until, max_bytes, section.max_body_bytes
            )
        )

    async def _prepare(self, session: Session) -> None:
        await declare_exchange(session.link, self._section.exchange)
        await self._declaration.declare(session.link)
        await self._wait_for_publisher()
        self._end = await self._find_end(session)
        await self._bind(session)
        nonce = self._canary.send(self._clock.seconds())
        resume = self._life.begin(nonce)
        if resume is not None and self._end.offset <= max(resume, self._life.last):
            # Another stream, or one whose end was lost: what comes would be taken for what was read already.
            self._life.forget()
            resume = self._life.begin(nonce)
        start = f"{max(1, round(self._max_age))}s" if resume is None else resume
        self._fresh = True
        self._session = session
        await self._consume(session, self._section.stream, {"x-stream-offset": start})
        await self._send(Mark(nonce))

    async def _find_end(self, session: Session) -> End:
        """Find out where the stream ends, and whether it is bound.

        A consumer that starts beyond the end would wait there, hearing nothing. And binding the stream
        without this question would hide that messages are missing from it.
        """
        mark = Mark(self._canary.name())

        async def publish() -> bool:
            probed = await self._probe()
            await self._send(mark)
            return probed

        section = self._section
        try:
            return await find_end(self._clock, session.link, section.stream, mark.nonce, publish)
        except Lost as lost:
            if lost.code == ACCESS_REFUSED:  # publications must have a place, also while nothing can be read
                await bind(session.link, section.stream, section.exchange)
            raise

    async def _probe(self) -> bool:
        """Publish a probe; return False if that is impossible, so that its absence proves nothing."""
        if not self._section.probe_interval:
            return False
        try:
            await self._publisher.probe()
        except PublishError as error:
            return isinstance(error, Unroutable)  # that one is certain to be absent
        return True

    async def _bind(self, session: Session) -> None:
        """Bind the stream; when that is refused, a binding that is proven is used as it is.

        Raises:
            Lost: It is refused, and nothing proves that the stream is bound.
        """
        if self._end.bound is False:
            await self._send(Mark(self._canary.name(), basis=self._end.basis, suspends=True))
        try:
            await bind(session.link, self._section.stream, self._section.exchange)
        except Lost as refused:
            if refused.code != ACCESS_REFUSED or not self._end.bound:
                raise

    async def _wait_for_publisher(self) -> None:
        try:
            await self._publisher.connected().addTimeout(_PUBLISHER, self._clock)
        except defer.TimeoutError:
            raise Lost(f"marks cannot be published: {self._publisher.trouble}") from None

    def _delivered(  # noqa: PLR0917  # the base class's signature
        self, session: Session, tag: int, exchange: str, routing_key: object, properties: Any, body: bytes
    ) -> None:
        self._heard = True
        if properties is None:
            self._hand_on(tag, self.offset, routing_key, None, body)  # to be counted
            return
        try:
            offset = offset_of(properties)
        except (KeyError, TypeError):
            session.end(Lost(f"{self._section.stream} is no stream: a delivery from it has no offset"))
            return
        mark = None if exchange else Mark.read(exchange, properties.headers)
        try:
            if self._fresh:
                self._begin(offset, mark)
            if mark is not None:
                self._window.skipped(tag)
                self._marked(session, offset, mark)
            elif self._life.is_new(offset) and not is_probe(properties, body):
                self.offset = offset
                self._hand_on(tag, offset, routing_key, properties, body)
            else:
                self._window.skipped(tag)
        except OtherLife as other:
            self._life.forget()
            session.end(Lost(str(other), at_once=True))

    def _begin(self, offset: int, mark: Mark | None) -> None:
        floor = self._life.first(offset, mark)
        self._fresh = False
        if floor is not None:
            self.offset = max(floor, 0)
            self._reset(floor)

    def _marked(self, session: Session, offset: int, mark: Mark) -> None:
        self._canary.back(mark.nonce)
        if returned := self._returns.pop(mark.nonce, None):
            returned.callback(None)
        found = self._life.mark(offset, mark)
        if found is Found.CAUGHT_UP:
            self._follow(session)
        elif found is Found.UNNAMED:
            session.spawn(self._name(session))
        elif found is Found.RENEWED:
            self._follow_renewal(offset)
        elif found is Found.SUSPENDED:
            self._follow_suspension(offset)

    async def _name(self, session: Session) -> None:
        """Work out the epoch from older marks, beginning further back each time."""
        seconds = self._max_age * _FURTHER
        while seconds < self._section.stream_max_age and not self._life.epoch:
            await self._scan(session, f"{max(1, round(seconds))}s")
            seconds *= _FURTHER
        if not self._life.epoch:
            await self._scan(session, WHOLE)
        self._follow(session)

    async def _scan(self, session: Session, start: str) -> None:
        await scan_marks(self._clock, session.link, self._section.stream, self._life, start)

    def _follow(self, session: Session) -> None:
        """Be live from here on, in the epoch that was found, or in another one if messages are missing."""
        _log.info("consuming {stream}, epoch {epoch}", stream=self._section.stream, epoch=self._life.epoch)
        if self._life.suspended:
            self.unbound(self._attachment.owed or _UNBOUND)
        self._attach(self._life.epoch)
        if self._attachment.owed and self._binding is not None:
            self._binding.gone(self._attachment.owed)
        else:
            self._claim(session)

    def _follow_renewal(self, offset: int) -> None:
        """Go on in another epoch: an instance has found that messages are missing from the stream."""
        self._next_epoch, self._suspending = "", False
        self.offset = offset
        _log.info("{stream} has another epoch: {epoch}", stream=self._section.stream, epoch=self._life.epoch)
        self._renewed(self._life.epoch)

    def _follow_suspension(self, offset: int) -> None:
        """Serve no client until another epoch begins: messages are missing from here on."""
        if not self._life.epoch:  # nothing is served yet
            return
        self.offset = offset
        self.unbound(self._attachment.owed or _UNBOUND)
        self._suspend()
        if self._attachment.caught_up and self._binding is not None:
            self._binding.suspended(self._attachment.owed)

    def _claim(self, session: Session) -> None:
        """Put the epoch into the stream, for those who come later; it is the next canary too."""
        mark = self._life.claim(self._canary.send(self._clock.seconds()))
        session.spawn(self._publish(mark))

    async def _publish(self, mark: Mark) -> None:
        await self._send(mark)

    async def drained(self, session: Session) -> bool:  # noqa: ARG002  # the base class's signature
        """Wait until a mark, published now, has come back; see :class:`pushd.broker.amqp.binding.Owner`."""
        mark = self._life.claim(self._canary.send(self._clock.seconds()))
        self._returns = {mark.nonce: (returned := Deferred[None]())}
        if await self._send(mark):
            await returned
            return True
        return False

    async def suspend(self, session: Session) -> None:  # noqa: ARG002  # the base class's signature
        """Tell all instances, this one too, to serve nothing more in the present epoch.

        What the new binding brings stands behind this mark in the stream.
        """
        if not (self._attachment.suspended or self._suspending):
            self._suspending = await self._send(self._life.suspension(self._canary.name()))

    async def renew(self, session: Session) -> None:  # noqa: ARG002  # the base class's signature
        """Claim another epoch; it holds, here as on all instances, once the claim is read."""
        self._next_epoch = self._next_epoch or self._canary.name()
        await self._send(self._life.claim(self._canary.send(self._clock.seconds()), self._next_epoch))

    async def _send(self, mark: Mark) -> bool:
        """Publish a mark; return False if that failed and the session can do without it.

        Raises:
            Lost: It cannot do without, or the stream is gone.
        """
        try:
            await self._publisher.mark(self._section.stream, mark)
        except PublishError as error:
            if not self._attachment.caught_up or isinstance(error, Unroutable):
                raise _root(error) from error
            return False
        self._canary.confirmed(mark.nonce, self._clock.seconds())
        return True

    def _tick(self, session: Session) -> None:
        super()._tick(session)
        self._look(session)

    def _look(self, session: Session) -> None:
        """Look at the canary."""
        now = self._clock.seconds()
        silent = self._liveness is not None and self._liveness.silent
        if self._heard or silent or self._window.waiting:  # each explains that a canary is late
            self._heard = False
            self._canary.heard_at = now
        if self._canary.deaf(now):
            session.end(Lost("the consumer hears nothing, though a mark stands in the stream"))
        elif self.attached and self._canary.due(now):
            self._claim(session)


def _root(error: PublishError) -> Lost:
    """Give the reason without what only matters to a publisher."""
    cause = error.__cause__
    return Lost(cause.reason, cause.code) if isinstance(cause, Lost) else Lost(error.reason)
