"""A broker that still holds what memory has forgotten, and gives it when a test says so."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.defer import Deferred

from pushd.history import cut
from pushd.interfaces import Page
from pushd.message import Message

__all__ = ["Archive", "Asked"]


@dataclass
class Asked:
    """One reading that is asked for."""

    after: int
    until: int
    answer: Deferred[Page]


class Archive:
    """A broker.

    Args:
        page: Bytes of bodies after which a page ends.

    Attributes:
        records: Everything that was ever published.
        oldest: The lowest offset that retention has left.
        asked: What was asked for, answered or not.
    """

    def __init__(self, page: int = 10**9) -> None:
        self.records: list[Message] = []
        self.oldest = 0
        self.asked: list[Asked] = []
        self._page = page

    def read(self, after: int, until: int, max_bytes: int) -> Deferred[Page]:
        """Note it."""
        asked = Asked(after, until, Deferred())
        self.asked.append(asked)
        return asked.answer

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """What was asked for, as pairs of offsets."""
        return [(asked.after, asked.until) for asked in self.asked]

    @property
    def open(self) -> list[Asked]:
        """What is not answered yet."""
        return [asked for asked in self.asked if not asked.answer.called]

    def give(self) -> None:
        """Answer the oldest open reading as RabbitMQ would."""
        asked = self.open[0]
        begins = max(asked.after, min(self.oldest - 1, asked.until))
        found = [message for message in self.records if begins < message.offset <= asked.until]
        page = cut(found, self._page)
        reached = asked.until if len(page) == len(found) else page[-1].offset
        asked.answer.callback(Page(page, begins, reached))

    def refuse(self, error: Exception) -> None:
        """Answer it with an error."""
        self.open[0].answer.errback(error)
