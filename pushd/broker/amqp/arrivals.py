"""Publications of this instance that its own consumer has not delivered yet.

The broker's confirm says that the broker holds a publication. The delivery to this instance comes over
another connection, before the confirm or after it. The two are matched by ``correlation_id``, which streams
preserve.
"""

from __future__ import annotations

from random import Random

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from pushd.waiters import Waiters

__all__ = ["Arrivals"]

_LONGEST = 5.0
"""Seconds after which a publisher is answered without the delivery: the confirm alone is a success."""

_MOST = 10_000
"""Publications that wait at a time. Beyond that an answer needs the confirm only."""


class Arrivals:
    """Matches deliveries with publications, while the consumer is attached.

    Args:
        clock: Bounds the time that a publication waits.
        random: Source of the nonce, which tells this instance's publications from those of others.

    Attributes:
        watching: True if :meth:`came` has to be called for each delivery. Nothing is compared otherwise.
    """

    def __init__(self, clock: IReactorTime, random: Random) -> None:
        self._nonce = f"{random.getrandbits(64):016x}"
        self._channels = 0
        self._attached = False
        # True from the first publication that waited in vain up to the next delivery of whatever message:
        # a consumer that is held up must not cost each publication the longest wait.
        self._held_up = False
        self._waiters: Waiters[str] = Waiters(clock, _LONGEST)
        self.watching = False

    def new_prefix(self) -> str:
        """Return the beginning of all correlation ids of one channel, unlike that of any other channel."""
        self._channels += 1
        return f"{self._nonce}-{self._channels}-"

    def expect(self, correlation_id: str) -> Deferred[int]:
        """Wait for the delivery of a publication.

        Returns:
            Fires with the offset of the messages that were made of it and handed on; with 0 if there are
            none, if the consumer is not attached or held up, or if the time is over.
        """
        if not self._attached or self._held_up or len(self._waiters) >= _MOST:
            return succeed(0)
        self.watching = True
        return self._waiters.wait(correlation_id).addCallback(self._ended)

    def forget(self, correlation_id: str) -> None:
        """End the wait for a publication that is not confirmed."""
        self._waiters.fire(correlation_id, -1)

    def came(self, correlation_id: object, offset: int) -> None:
        """Take note of a delivery.

        Args:
            correlation_id: The property as it came, of any type.
            offset: Offset of its messages, which have been handed on; 0 if it was dropped.
        """
        self._held_up = False
        if isinstance(correlation_id, str):
            self._waiters.fire(correlation_id, offset or -1)
        self.watching = bool(self._waiters)

    def attached(self) -> None:
        """Begin to expect deliveries."""
        self._attached = True

    def detached(self) -> None:
        """Expect no delivery until the consumer is attached again."""
        self._attached = self._held_up = False
        for correlation_id in list(self._waiters):
            self.forget(correlation_id)
        self._waiters.release()
        self.watching = False

    def _ended(self, number: int) -> int:
        """Give the offset. The waiters' own 0 means that the time was over."""
        if number == 0:
            self._held_up = self.watching = True
        return max(number, 0)
