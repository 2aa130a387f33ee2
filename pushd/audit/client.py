"""What audited clients of every protocol share: the loop that connects again, and the account.

A protocol (raw, sse, centrifugo) is a subclass that answers :meth:`Client.converse`, which
holds one connection until it ends and says how the client goes on.
"""

from __future__ import annotations

import asyncio
import json
import random
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass

from pushd.audit.ledger import Ledger

__all__ = ["Backoff", "Client", "FinalError"]

HANDSHAKE_TIMEOUT = 10.0


class FinalError(Exception):
    """The server told this client not to come back; the text says how."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off with full jitter.

    Attributes:
        least: The upper bound of the first delay, in seconds; it doubles with each attempt.
        most: The upper bound of every delay, in seconds.
    """

    least: float = 0.5
    most: float = 20.0

    def delay(self, attempt: int) -> float:
        """Draw the delay before the ``attempt``-th connection in a row that came to nothing, from 0."""
        return random.uniform(0.0, min(self.most, self.least * 2.0 ** min(attempt, 30)))  # noqa: S311, no secret


class Client(ABC):
    """One audited client.

    Args:
        url: Where it connects, with everything its protocol's address needs.
        backoff: How it paces itself.

    Attributes:
        ledger: The account of what it was given.
        online: Connected and subscribed right now.
        connects: How often it got that far.
        ends: How its connections ended: close codes, HTTP statuses, names of errors.
        final: Why it will not come back, or ``""``.
    """

    def __init__(self, url: str, backoff: Backoff) -> None:
        self.url = url
        self.ledger = Ledger()
        self.online = False
        self.connects = 0
        self.ends: Counter[str] = Counter()
        self.final = ""
        self._backoff = backoff
        self._attempt = 0

    async def run(self) -> None:
        """Stay connected until cancelled, or until the server ends it for good."""
        while not self.final:
            try:
                delay = await self.converse()
            except FinalError as error:
                self.final = str(error)
                return
            except (OSError, EOFError) as error:
                self.ends[type(error).__name__] += 1
                delay = None
            finally:
                self.online = False
            await asyncio.sleep(self._next_delay() if delay is None else delay)

    @abstractmethod
    async def converse(self) -> float | None:
        """Hold one connection until it ends.

        Returns:
            Seconds after which to connect again, or ``None`` to leave it to the back-off.

        Raises:
            FinalError: The server wants no reconnection.
            OSError: It could not connect, or lost the connection without a word.
            EOFError: The peer ended it in the middle of something.
        """

    def subscribed(self) -> None:
        """The connection stands: from here on messages are due."""
        self.online = True
        self.connects += 1
        self._attempt = 0

    def take(self, body: str | bytes) -> bool:
        """Enter one message in the ledger.

        Returns:
            ``False`` when the body is no numbered message.
        """
        try:
            return self.take_value(json.loads(body))
        except ValueError:
            return False

    def take_value(self, value: object) -> bool:
        """Enter one message that is decoded already, see :meth:`take`."""
        if not isinstance(value, dict) or not isinstance(value.get("n"), int):
            return False
        self.ledger.take(value["n"], str(value.get("series", "")))
        return True

    def _next_delay(self) -> float:
        delay = self._backoff.delay(self._attempt)
        self._attempt += 1
        return delay
