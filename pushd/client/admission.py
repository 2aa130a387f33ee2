"""Who is let in: how many at once, from one address, and how fast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from pushd.client.http import HttpError

__all__ = ["Admission", "Bucket"]


class Bucket:
    """A token bucket that holds one second's worth.

    Args:
        clock: Tells the time.
        rate: Tokens per second; 0 means no limit.
    """

    def __init__(self, clock: IReactorTime, rate: float) -> None:
        self._clock = clock
        self._rate = rate
        self._tokens = rate
        self._filled_at = clock.seconds()

    def take(self) -> bool:
        """Take a token, if there is one."""
        if not self._rate:
            return True
        now = self._clock.seconds()
        self._tokens = min(max(self._rate, 1.0), self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class Admission:
    """Counts clients, and refuses what is too many.

    What this instance has no room for is answered 503, which nginx passes to the next one; what an
    address has too many of, 429, so that its owner cannot have as many of every instance.

    Args:
        bucket: Paces new clients.
        key: Gives what the connections of an address are counted by; ``""``: not at all.
        welcome: Whether this instance takes clients now.
        most: Clients at once.
        most_per_address: Those of one address.
    """

    def __init__(
        self,
        bucket: Bucket,
        key: Callable[[str], str],
        welcome: Callable[[], bool],
        *,
        most: int,
        most_per_address: int,
    ) -> None:
        self._bucket = bucket
        self._key = key
        self._welcome = welcome
        self._most = most
        self._most_per_address = most_per_address
        self._by_address: Counter[str] = Counter()
        self.count = 0

    def admit(self, address: str) -> None:
        """Count one more client of ``address``.

        Raises:
            HttpError: It has to try later or elsewhere.
        """
        if not self._welcome():
            raise HttpError(503, "not ready", ("Retry-After", "5"))
        if self.count >= self._most:
            raise HttpError(503, "too many connections", ("Retry-After", "10"))
        key = self._key(address)
        if key and self._by_address[key] >= self._most_per_address:
            raise HttpError(429, "too many connections from this address", ("Retry-After", "30"))
        if not self._bucket.take():
            raise HttpError(503, "too many new connections", ("Retry-After", "1"))
        self.count += 1
        if key:
            self._by_address[key] += 1

    def release(self, address: str) -> None:
        """Count one less."""
        self.count -= 1
        key = self._key(address)
        if self._by_address[key] > 1:
            self._by_address[key] -= 1
        else:
            del self._by_address[key]
