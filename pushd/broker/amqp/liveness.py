"""Finds out within three seconds that the broker at the other end of a connection does not answer.

AMQP's heartbeats take twice their interval and more. Instead, a cheap method with an answer is called about
once a second: ``basic.qos`` on a channel of its own, which needs no permission. Time is counted in ticks. A
late tick of our own does not look like silence of the broker, since what has arrived is read before the next.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from pushd.broker.amqp.link import Channel, Link
from pushd.broker.amqp.probe import TICKS
from pushd.broker.amqp.session import Session

__all__ = ["SILENT", "Liveness", "watch_liveness"]

SILENT = "the broker does not answer"
"""The reason that operators and publishers are given."""

_EVERY = TICKS
"""Ticks between an answer and the next call."""

_PATIENCE = TICKS * 3 // 2
"""Ticks without a byte from the broker, while it owes an answer, after which it is silent."""


class Liveness:
    """Calls the broker, and waits for its answer.

    Args:
        link: The connection.
        channel: A channel of it that nothing else uses.
        changed: Called when the broker falls silent, and when it answers again.

    Attributes:
        silent: True while the broker does not answer.
    """

    def __init__(self, link: Link, channel: Channel, changed: Callable[[], None]) -> None:
        self.silent = False
        self._link = link
        self._channel = channel
        self._changed = changed
        self._left = _EVERY
        self._received = 0
        self._owed = False
        self._waiting: list[Deferred[None]] = []
        self._next: list[Deferred[None]] = []

    def tick(self) -> None:
        """Count a tick."""
        if self._link.blocked:
            self._left = _PATIENCE  # a broker that takes no publications reads nothing, not even this call
        elif not self._owed:
            self._left -= 1
            if self._left <= 0:
                self._call()
        elif not self.silent:
            self._wait()

    def round_trip(self) -> Deferred[None]:
        """Fire when the broker has answered a call made after this one; never if the connection ends."""
        answered: Deferred[None] = Deferred()
        self._next.append(answered)
        if not self._owed and not self._link.blocked:
            self._call()
        return answered

    def _call(self) -> None:
        self._owed = True
        self._waiting, self._next = self._next, []
        self._left, self._received = _PATIENCE, self._link.received
        self._channel.call("basic_qos", prefetch_count=1).addCallbacks(self._answered, lambda _: None)

    def _wait(self) -> None:
        received = self._link.received
        if received != self._received:
            self._left, self._received = _PATIENCE, received
        self._left -= 1
        if self._left <= 0:
            self.silent = True
            self._changed()

    def _answered(self, _: object) -> None:
        self._owed = False
        self._left = _EVERY
        if self.silent:
            self.silent = False
            self._changed()
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)
        if self._next:
            self._call()


async def watch_liveness(session: Session, changed: Callable[[], None]) -> Liveness:
    """Open the channel for a session; its loss ends the session."""
    channel = await session.link.channel()
    channel.watch(session.end)
    return Liveness(session.link, channel, changed)
