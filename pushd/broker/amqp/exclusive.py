"""Consumes from a queue that this instance has for itself: live only, nothing is kept while it is away."""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger

from pushd.broker.amqp.consumer import Consumer
from pushd.broker.amqp.probe import is_probe
from pushd.broker.amqp.session import Session
from pushd.broker.amqp.topology import declare_exchange, declare_private_queue

__all__ = ["ExclusiveConsumer"]

_log = Logger()


class ExclusiveConsumer(Consumer):
    """Each consumer is a new epoch; its offsets are the delivery tags, counted from 1.

    Args:
        collaborators: See :class:`Consumer`.
    """

    def __init__(self, **collaborators: Any) -> None:
        super().__init__(**collaborators)
        self._was_attached = False

    async def drained(self, session: Session) -> bool:  # noqa: ARG002  # the base class's signature
        """Wait for an answer on the connection, behind which nothing is left that was on its way.

        Unless the listener has deliveries to finish: then the broker may hold back more.
        """
        if self._liveness is None:
            return False
        await self._liveness.round_trip()
        return not self._window.waiting

    async def suspend(self, session: Session) -> None:  # noqa: ARG002  # the base class's signature
        """Serve nothing more in the present epoch."""
        self._suspend()

    async def renew(self, session: Session) -> None:  # noqa: ARG002  # the base class's signature
        """Begin another epoch; the same queue goes on."""
        self._renewed(self._new_epoch())

    async def _prepare(self, session: Session) -> None:
        await declare_exchange(session.link, self._section.exchange)
        queue = await declare_private_queue(session.link, self._section)
        if self._was_attached:
            _log.warn(
                "what was published meanwhile is lost to this instance's clients: its queue is exclusive"
            )
        self.offset = 0
        self._attachment.owed = ""
        self._reset(0)
        await self._consume(session, queue, {})
        self._was_attached = True
        self._attach(self._new_epoch())

    def _new_epoch(self) -> str:
        return f"{self._random.getrandbits(64):016x}"

    def _delivered(  # noqa: PLR0917  # the base class's signature
        self,
        session: Session,  # noqa: ARG002  # the base class's signature
        tag: int,
        exchange: str,  # noqa: ARG002
        routing_key: object,
        properties: Any,
        body: bytes,
    ) -> None:
        self.offset = tag
        if is_probe(properties, body):
            self._window.skipped(tag)
            return
        self._hand_on(tag, tag, routing_key, properties, body)
