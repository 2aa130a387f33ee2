"""Consumes from a queue that this instance has for itself: live only, nothing is kept while it is away."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.task import deferLater
from twisted.logger import Logger

from pushd.broker.amqp.consumer import Consumer
from pushd.broker.amqp.session import Session
from pushd.broker.amqp.topology import bind, declare_exchange, declare_private_queue

__all__ = ["ExclusiveConsumer"]

_log = Logger()

_BIND_EVERY = 10.0
"""Seconds for which an instance may be deaf after another one has declared a deleted exchange again."""


class ExclusiveConsumer(Consumer):
    """Each consumer is a new epoch; its offsets are the delivery tags, counted from 1.

    Args:
        random: Makes the epochs.
        collaborators: See :class:`Consumer`.
    """

    def __init__(self, random: Random, **collaborators: Any) -> None:
        super().__init__(**collaborators)
        self._random = random
        self._was_attached = False

    async def _prepare(self, session: Session) -> None:
        await declare_exchange(session.link, self._section.exchange)
        queue = await declare_private_queue(session.link, self._section)
        if self._was_attached:
            _log.warn(
                "what was published meanwhile is lost to this instance's clients: its queue is exclusive"
            )
        self.offset = 0
        self._reset(0)
        await self._consume(session, queue, {})
        self._was_attached = True
        # First, because whoever hears of the attachment may end the session.
        session.spawn(self._stay_bound(session, queue))
        self._attach(f"{self._random.getrandbits(64):016x}")

    async def _stay_bound(self, session: Session, queue: str) -> None:
        """Bind again and again: who deletes an exchange takes the binding along, and nobody tells us."""
        while True:
            await deferLater(self._clock, _BIND_EVERY, lambda: None)
            await bind(session.link, queue, self._section.exchange)

    def _delivered(
        self,
        session: Session,  # noqa: ARG002  # the base class's signature
        tag: int,
        routing_key: object,
        properties: Any,
        body: bytes,
    ) -> None:
        self.offset = tag
        self._hand_on(tag, tag, routing_key, properties, body)
