"""An embedded broker for one instance: nothing to install, nothing kept over a restart.

It behaves as RabbitMQ does where callers can tell: publishing is confirmed later, never at once; what is
published comes back as an event; and a reader that does not acknowledge brings publishers to a stop.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from random import Random
from types import SimpleNamespace

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pushd.broker.codec import Properties, Refused, decode, encode
from pushd.interfaces import BrokerEvents, BrokerStatus, Page, PublishError, ReadError
from pushd.message import Message, Publication
from pushd.stats import Stats

__all__ = ["MemoryBroker"]

_log = Logger()

_AT_ONCE = 200
"""Messages handed over in one turn: with the answers to their publishers, a few milliseconds."""

_NO_PROPERTIES = dict.fromkeys(Properties.__annotations__)


class MemoryBroker:
    """A log in memory that forgets each message once it has been handed over.

    Args:
        clock: Runs what a broker would do later.
        stats: Where publications are counted.
        random: Makes the epoch.
        window: How many publications may be unacknowledged before more are refused.
    """

    def __init__(self, clock: IReactorTime, stats: Stats, random: Random, window: int = 10_000) -> None:
        self._clock = clock
        self._stats = stats
        self._window = window
        self._epoch = f"{random.getrandbits(64):016x}"
        self._events: BrokerEvents | None = None
        self._offset = 0
        self._acknowledged = 0
        self._waiting: deque[tuple[Sequence[Message], Deferred[int]]] = deque()

    def start(self, events: BrokerEvents) -> None:
        """Attach at once: there is nothing to connect to and nothing to read back."""
        self._events = events
        events.reset(self._offset)
        events.attached(self._epoch)

    def stop(self) -> Deferred[None]:
        """Detach; what was not handed over yet is not confirmed."""
        self._events = None
        while self._waiting:
            _, confirmed = self._waiting.popleft()
            self._stats.publish_failed += 1
            confirmed.errback(PublishError("this instance is stopping", temporary=True))
        return succeed(None)

    def publish(self, publication: Publication) -> Deferred[int]:
        """Number it now, hand it over in a later reactor turn and confirm it then."""
        try:
            messages = self._number(publication)
        except PublishError as error:
            self._stats.publish_failed += 1
            return fail(error)
        confirmed: Deferred[int] = Deferred()
        if not self._waiting:
            self._clock.callLater(0, self._hand_over)
        self._waiting.append((messages, confirmed))
        return confirmed

    def ack(self, offset: int) -> None:
        """Make room for as many publications."""
        self._acknowledged = offset

    def read(
        self,
        after: int,  # noqa: ARG002  # the interface's, like the others
        until: int,  # noqa: ARG002
        max_bytes: int,  # noqa: ARG002
    ) -> Deferred[Page]:
        """Fail: whatever could be read back is in the history already."""
        return fail(ReadError("the embedded broker keeps no messages"))

    def status(self) -> BrokerStatus:
        """Tell how things stand."""
        if self._events is None:
            return BrokerStatus(attached=False, text="embedded, stopped")
        return BrokerStatus(attached=True, text=f"embedded at offset {self._offset}")

    def _number(self, publication: Publication) -> Sequence[Message]:
        if self._events is None:
            raise PublishError("this instance is stopping", temporary=True)
        if self._offset - self._acknowledged >= self._window:
            raise PublishError("too many messages are waiting to be delivered", temporary=True)
        try:
            routing_key, properties, body = encode(publication, self._clock.seconds())
            plain = SimpleNamespace(**{**_NO_PROPERTIES, **properties})
            messages = decode(self._offset + 1, routing_key, plain, body)
        except Refused as refused:
            raise PublishError(refused.advice, temporary=False) from refused
        self._offset += 1
        return messages

    def _hand_over(self) -> None:
        """Hand over and confirm what one turn has room for; the rest follows in later turns."""
        taken = self._take()
        if self._waiting:
            self._clock.callLater(0, self._hand_over)
        for messages, confirmed in taken:
            for message in messages:
                self._tell(message)
            self._stats.published += 1
            confirmed.callback(messages[0].offset if self._events is not None else 0)

    def _take(self) -> list[tuple[Sequence[Message], Deferred[int]]]:
        """Remove and return the oldest publications, until they have :data:`_AT_ONCE` messages."""
        taken, count = [], 0
        while self._waiting and count < _AT_ONCE:
            publication = self._waiting.popleft()
            taken.append(publication)
            count += len(publication[0])
        return taken

    def _tell(self, message: Message) -> None:
        try:
            if self._events is not None:
                self._events.message(message)
        except Exception:  # noqa: BLE001  # whatever it is
            _log.failure("a message could not be taken")
