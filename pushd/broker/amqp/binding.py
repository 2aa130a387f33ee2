"""Watches over the binding of one queue to the exchange, and restores it when it is gone.

A lost binding says nothing about the consumer: what comes by other ways goes on, and nothing is torn down.
Messages may have been lost between the loss and the new binding, so every client has to be told before it
gets any message of the new binding. So the owner suspends the epoch, then the queue is bound, and then the
owner renews the epoch.
"""

from __future__ import annotations

from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pushd.broker.amqp.complaints import Complaints
from pushd.broker.amqp.faults import Lost
from pushd.broker.amqp.outbox import Unroutable
from pushd.broker.amqp.probe import TICKS, ConsumerProbe, Step
from pushd.broker.amqp.publisher import Publisher
from pushd.broker.amqp.session import Session
from pushd.broker.amqp.topology import ACCESS_REFUSED, bind, declare_exchange
from pushd.broker.backoff import Backoff
from pushd.interfaces import PublishError

__all__ = ["Binding", "Owner"]

_log = Logger()

_NOT_FOUND = 404

_BIND_EVERY = 10 * TICKS
"""Ticks between two bindings where no probe can be sent."""

_AGAIN = 1.0
"""Seconds, and a random time more, between two attempts: a renewal is read back in less."""

_OTHERS = 1.0
"""Seconds, and a random time more, for another instance to bind a shared queue that it has found unbound."""

_PURPOSE = "binding"
_PROBING = "probing"


class Owner(Protocol):
    """The consumer, as its binding needs it."""

    async def drained(self, session: Session) -> bool:
        """Wait until everything published before now has been delivered; return False if that is unknown."""

    def unbound(self, reason: str) -> None:
        """Take note that the binding is gone, and stay so until ``renew`` has had its effect."""

    async def suspend(self, session: Session) -> None:
        """Serve nothing more in the present epoch."""

    async def renew(self, session: Session) -> None:
        """Begin another epoch, and call :meth:`Binding.settled` once it holds. It may fail silently."""


class Binding:
    """The binding of the queue that one session consumes.

    Args:
        clock: Runs the delays between attempts to bind.
        session: The consumer's.
        publisher: Publishes the probes.
        exchange: The exchange's name.
        queue: The queue's name.
        probe: Set to proven by the consumer's deliveries.
        owner: The consumer.
        backoff: Between attempts to bind.
        complaints: What has been logged already.

    Attributes:
        trouble: Why the queue is not bound, or ``""``.
    """

    def __init__(
        self,
        clock: IReactorTime,
        session: Session,
        publisher: Publisher,
        exchange: str,
        queue: str,
        *,
        probe: ConsumerProbe,
        owner: Owner,
        backoff: Backoff,
        complaints: Complaints,
    ) -> None:
        self.trouble = ""
        self._clock = clock
        self._session = session
        self._publisher = publisher
        self._exchange = exchange
        self._queue = queue
        self._probe = probe
        self._owner = owner
        self._backoff = backoff
        self._complaints = complaints
        self._proven = False  # since the loss was found
        self._pause: Deferred[None] | None = None
        self._unprobed = 0

    def tick(self) -> None:
        """Count a tick."""
        if self._probe.proven:
            self._proven = True
            self._wake()
        step = self._probe.tick()
        if step is Step.SEND:
            self._session.spawn(self._send())
        elif step is Step.CHECK:
            self._session.spawn(self._check())
        if not self._probe.works:
            self._tick_unprobed()

    def gone(self, reason: str) -> None:
        """Restore the binding, which is gone; without effect while that is going on."""
        self._probe.rest()
        if not self.trouble:
            self.trouble = reason
            self._proven = False
            self._owner.unbound(reason)
            _log.warn(
                "{queue} is no longer bound to exchange {exchange}, messages may have been missed: {reason}",
                queue=self._queue,
                exchange=self._exchange,
                reason=reason,
            )
            self._session.spawn(self._restore(reason))

    def suspended(self, reason: str) -> None:
        """Take note that another instance has found the loss, and restores the binding as a rule."""
        self._probe.rest()
        if not self.trouble:
            self.trouble = reason
            self._proven = False
            self._session.spawn(self._restore(reason, after=_OTHERS))

    def settled(self) -> None:
        """Take note that another epoch holds: this instance, or another one, has bound the queue again."""
        self._probe.rest()
        if self.trouble:
            self.trouble = ""
            self._complaints.settled(_PURPOSE)
            _log.info("{queue} is bound to {exchange} again", queue=self._queue, exchange=self._exchange)
            self._wake()

    async def _send(self) -> None:
        try:
            await self._publisher.probe()
        except Unroutable as unroutable:
            self.gone(unroutable.reason)
        except PublishError as error:
            self._failed(error)
        else:
            self._probe.confirmed()
            self._complaints.settled(_PROBING)

    def _failed(self, error: PublishError) -> None:
        lost = error.__cause__
        code = lost.code if isinstance(lost, Lost) else 0
        if code == _NOT_FOUND:
            self.gone(f"exchange {self._exchange} does not exist")
        elif code == ACCESS_REFUSED:
            self._probe.refused()
            self._complain(
                f"probes are refused, a lost binding will not be found: {error.reason}",
                "probing",
            )
        else:
            self._probe.rest()

    async def _check(self) -> None:
        if await self._owner.drained(self._session) and self._probe.missing():
            self.gone("what is published does not arrive")
        else:
            self._probe.rest()

    async def _restore(self, reason: str, after: float = 0.0) -> None:
        if after:
            await self._wait(after + self._backoff.delay())
        while self.trouble:
            if await self._bind(reason):
                await self._owner.renew(self._session)
            if self.trouble:
                await self._wait(_AGAIN + self._backoff.delay())

    async def _bind(self, reason: str) -> bool:
        """Bind the queue, and return True if it is bound: a delivery through the exchange proves it, too."""
        try:
            await declare_exchange(self._session.link, self._exchange)
            if not self.trouble:  # another instance has dealt with it
                return False
            await self._owner.suspend(self._session)
            await bind(self._session.link, self._queue, self._exchange)
        except Lost as refused:
            if not self._proven and self.trouble:
                self.trouble = f"{reason}; it cannot be bound again: {refused.reason}"
                self._complain(self.trouble, _PURPOSE)
                self._owner.unbound(self.trouble)
            return self._proven
        return True

    def _tick_unprobed(self) -> None:
        """Bind from time to time where no probe proves the binding: a loss ends at least."""
        self._unprobed += 1
        if self._unprobed % _BIND_EVERY == 0 and not self.trouble:
            self._session.spawn(self._bind_unproven())

    async def _bind_unproven(self) -> None:
        try:
            await bind(self._session.link, self._queue, self._exchange)
        except Lost as refused:
            if refused.code == _NOT_FOUND:
                self.gone(f"exchange {self._exchange} does not exist")
            else:
                self._complain(f"the queue cannot be bound, it is used as it is: {refused.reason}", _PURPOSE)

    def _complain(self, trouble: str, purpose: str) -> None:
        if self._complaints.is_new(trouble, purpose):
            _log.warn("trouble with the binding of the queue: {trouble}", trouble=trouble)

    async def _wait(self, seconds: float) -> None:
        self._pause = Deferred(lambda _: later.cancel())
        later = self._clock.callLater(seconds, self._wake)
        try:
            await self._pause
        finally:
            self._pause = None
            if later.active():
                later.cancel()

    def _wake(self) -> None:
        pause, self._pause = self._pause, None
        if pause is not None:
            pause.callback(None)
