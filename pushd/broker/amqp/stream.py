"""Consumes from a stream that all instances share, and tells its lives apart by marks.

A consumer of a stream can fall silent while its connection looks well, so it has to prove that it hears:
the marks it publishes into the stream from time to time must come back.
"""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from pushd.broker.amqp.canary import Canary
from pushd.broker.amqp.consumer import Consumer
from pushd.broker.amqp.declaration import StreamDeclaration
from pushd.broker.amqp.faults import Lost
from pushd.broker.amqp.outbox import Unroutable
from pushd.broker.amqp.publisher import Publisher
from pushd.broker.amqp.reader import find_end, offset_of, read_page, scan_marks
from pushd.broker.amqp.session import Session
from pushd.broker.amqp.topology import declare_exchange
from pushd.broker.marks import Found, Life, Mark, OtherLife
from pushd.interfaces import Page, PublishError, ReadError

__all__ = ["StreamConsumer"]

_log = Logger()

_TICK = 2.0
"""Seconds between two looks at the canary."""

_PUBLISHER = 5.0
"""Seconds to wait for the publisher's connection, which carries the marks."""


class StreamConsumer(Consumer):
    """Reads back ``max_age`` the first time, and from then on continues where it stopped.

    Args:
        publisher: Publishes the marks.
        max_age: Seconds to read back when there is nothing to continue.
        random: Makes the marks' nonces.
        collaborators: See :class:`Consumer`.
    """

    def __init__(self, publisher: Publisher, max_age: float, random: Random, **collaborators: Any) -> None:
        super().__init__(**collaborators)
        self._publisher = publisher
        self._max_age = max_age
        self._canary = Canary(random)
        self._declaration = StreamDeclaration(self._section)
        self._life = Life()
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
        nonce = self._canary.send(self._clock.seconds())
        resume = self._life.begin(nonce)
        if resume is not None and await self._find_end(session) <= max(resume, self._life.last):
            # Another stream, or one whose end was lost: what comes would be taken for what was read already.
            self._life.forget()
            resume = self._life.begin(nonce)
        start = f"{max(1, round(self._max_age))}s" if resume is None else resume
        self._fresh = True
        self._session = session
        await self._consume(session, self._section.stream, {"x-stream-offset": start})
        await self._send(Mark(nonce))
        looking = LoopingCall(self._look, session)
        looking.clock = self._clock
        looking.start(_TICK, now=False)
        session.watch(lambda _: looking.stop())

    async def _find_end(self, session: Session) -> int:
        """Find out where the stream ends: a consumer that starts beyond would wait there, hearing nothing."""
        mark = Mark(self._canary.name())
        stream = self._section.stream
        return await find_end(self._clock, session.link, stream, mark.nonce, lambda: self._send(mark))

    async def _wait_for_publisher(self) -> None:
        try:
            await self._publisher.connected().addTimeout(_PUBLISHER, self._clock)
        except defer.TimeoutError:
            raise Lost(f"marks cannot be published: {self._publisher.trouble}") from None

    def _delivered(
        self, session: Session, tag: int, routing_key: object, properties: Any, body: bytes
    ) -> None:
        self._canary.heard_at = self._clock.seconds()
        if properties is None:
            self._hand_on(tag, self.offset, routing_key, None, body)  # to be counted
            return
        try:
            offset = offset_of(properties)
        except (KeyError, TypeError):
            session.end(Lost(f"{self._section.stream} is no stream: a delivery from it has no offset"))
            return
        mark = Mark.read(properties.headers)
        try:
            if self._fresh:
                self._begin(offset, mark)
            if mark is not None:
                self._window.skipped(tag)
                self._marked(session, offset, mark)
            elif self._life.is_new(offset):
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
        found = self._life.mark(offset, mark)
        if found is Found.CAUGHT_UP:
            self._caught_up(session)
        elif found is Found.UNNAMED:
            session.spawn(self._name(session))

    async def _name(self, session: Session) -> None:
        """Work out the epoch from the stream's start."""
        await scan_marks(self._clock, session.link, self._section.stream, self._life)
        self._caught_up(session)

    def _caught_up(self, session: Session) -> None:
        _log.info("consuming {stream}, epoch {epoch}", stream=self._section.stream, epoch=self._life.epoch)
        self._attach(self._life.epoch)
        self._claim(session)

    def _claim(self, session: Session) -> None:
        """Put the epoch into the stream, for those who come later; it is the next canary too."""
        mark = self._life.claim(self._canary.send(self._clock.seconds()))
        session.spawn(self._send(mark))

    async def _send(self, mark: Mark) -> None:
        try:
            await self._publisher.mark(self._section.stream, mark)
        except PublishError as error:
            if not self.attached or isinstance(error, Unroutable):
                raise Lost(_root(error)) from error
        else:
            self._canary.confirmed(mark.nonce, self._clock.seconds())

    def _look(self, session: Session) -> None:
        """Look at the canary."""
        now = self._clock.seconds()
        if self._canary.deaf(now) and not self._window.waiting:
            session.end(Lost("the consumer hears nothing, though a mark stands in the stream"))
        elif self.attached and self._canary.due(now):
            self._claim(session)


def _root(error: PublishError) -> str:
    """Give the reason without what only matters to a publisher."""
    return error.__cause__.reason if isinstance(error.__cause__, Lost) else error.reason
