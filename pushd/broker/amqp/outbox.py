"""Publications on one channel that wait for the broker's confirm."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from pushd.broker.amqp.faults import Lost
from pushd.broker.amqp.link import Channel
from pushd.interfaces import PublishError

__all__ = ["Outbox", "Unroutable"]

_PATIENCE = 10.0
"""Seconds after which an unconfirmed publication is given up, and its channel with it."""

_MOST = 512
"""Publications under way at a time: the broker confirms them in bulk, more would only be memory."""


class Unroutable(PublishError):  # noqa: N818  # the last word of its base's name says it
    """The broker took a publication, but no queue got it."""

    def __init__(self, exchange: str, routing_key: str) -> None:
        missing = (
            f"no queue is bound to exchange {exchange}" if exchange else f"there is no queue {routing_key}"
        )
        super().__init__(missing, temporary=True)


class Outbox:
    """A channel in confirm mode.

    RabbitMQ returns what reached no queue before it confirms it, without saying which publication that
    was; it is told apart by its ``correlation_id``, which other readers of the exchange may ignore.

    Args:
        clock: For the deadline of confirms.
        channel: A fresh channel.
        late: Called when the broker does not confirm in time.
        prefix: What each ``correlation_id`` begins with; the publication's number follows.
    """

    def __init__(
        self, clock: IReactorTime, channel: Channel, late: Callable[[Lost], None], prefix: str = ""
    ) -> None:
        self._clock = clock
        self._channel = channel
        self._late = late
        self._prefix = prefix
        self._number = 0
        self._pending: dict[int, Deferred[None]] = {}  # oldest first
        self._returned: dict[int, Unroutable] = {}
        self._deadline: IDelayedCall | None = None

    async def open(self) -> Outbox:
        """Prepare the channel."""
        await self._channel.confirm(self._settled, self._on_return)
        self._channel.watch(self._lost)
        return self

    @property
    def lost(self) -> Lost | None:
        """Why the channel ended, or ``None``."""
        return self._channel.lost

    @property
    def next_id(self) -> str:
        """The ``correlation_id`` that the next publication gets."""
        return f"{self._prefix}{self._number + 1}"

    def publish(
        self, exchange: str, routing_key: str, properties: dict[str, object], body: bytes
    ) -> Deferred[None]:
        """Publish; fires when confirmed, fails with :class:`PublishError`."""
        if len(self._pending) >= _MOST:
            return fail(PublishError("too many publications wait for the broker's confirm", temporary=True))
        number = self._number + 1
        try:
            self._channel.publish(exchange, routing_key, properties | {"correlation_id": self.next_id}, body)
        except Lost as lost:
            return fail(PublishError(lost.reason, temporary=True))
        self._number = number
        confirmed: Deferred[None] = Deferred()
        self._pending[number] = confirmed
        if self._deadline is None:
            self._deadline = self._clock.callLater(_PATIENCE, self._check, number)
        return confirmed

    def _check(self, oldest: int) -> None:
        """Give up when what was pending when the timer started still is."""
        self._deadline = None
        first = next(iter(self._pending), None)
        if first is None:
            return
        if first <= oldest:
            self._late(Lost(f"the broker did not confirm within {_PATIENCE:g} seconds"))
        else:
            self._deadline = self._clock.callLater(_PATIENCE, self._check, self._number)

    def _settled(self, number: int, multiple: bool, taken: bool) -> None:  # noqa: FBT001  # Channel's callback
        for each in [n for n in self._pending if n <= number] if multiple else [number]:
            self._settle(each, taken=taken)

    def _settle(self, number: int, *, taken: bool) -> None:
        confirmed = self._pending.pop(number)
        if not taken:
            confirmed.errback(PublishError("the broker could not keep the message", temporary=True))
        elif number in self._returned:
            confirmed.errback(self._returned.pop(number))
        else:
            confirmed.callback(None)

    def _on_return(self, exchange: str, routing_key: str, correlation_id: str) -> None:
        self._returned[int(correlation_id.removeprefix(self._prefix))] = Unroutable(exchange, routing_key)

    def _lost(self, lost: Lost) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        pending, self._pending = self._pending, {}
        for confirmed in pending.values():
            reason = f"not confirmed, it may or may not have been published: {lost.reason}"
            error = PublishError(reason, temporary=True)
            error.__cause__ = lost
            confirmed.errback(error)
