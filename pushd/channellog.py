"""The messages of one channel, found by index: no question about them costs more than its answer is long.

A channel may hold very many messages, and clients ask about it again and again. So the place of an offset is
bisected, and the bytes of any part are the difference of two sums.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from operator import attrgetter

from pushd.message import Message

__all__ = ["NOTHING", "ChannelLog", "Part"]

_by_offset = attrgetter("offset")


class Part:
    """Consecutive messages of one channel, by their places in the log; nothing is copied in advance.

    A part is valid in the reactor turn in which it was given: the log drops messages later.

    Args:
        items: Messages of the channel in offset order.
        ends: For each of ``items``, the bytes of all bodies of the channel up to and including its own.
        first: Place of the first message of the part.
        stop: Place after the last message.
    """

    __slots__ = ("_ends", "_first", "_items", "_stop")

    def __init__(self, items: list[Message], ends: array[int], first: int, stop: int) -> None:
        self._items = items
        self._ends = ends
        self._first = first
        self._stop = stop

    def __len__(self) -> int:
        return self._stop - self._first

    @property
    def size(self) -> int:
        """Bytes of all bodies."""
        return self._ends[self._stop - 1] - self._begin() if len(self) else 0

    def first(self, count: int) -> list[Message]:
        """Return the ``count`` oldest messages, or all if there are fewer.

        There are more where ``count`` would cut a batch: a client asks for what follows by the last offset,
        which all parts of a batch share.
        """
        items, stop = self._items, min(self._stop, self._first + count)
        while self._first < stop < self._stop and items[stop].offset == items[stop - 1].offset:
            stop += 1
        return items[self._first : stop]

    def last(self, count: int) -> list[Message]:
        """Return the ``count`` newest messages, or all if there are fewer, the newest first.

        There are more where ``count`` would cut a batch, as with :meth:`first`.
        """
        items, first = self._items, max(self._first, self._stop - count)
        while self._first < first < self._stop and items[first].offset == items[first - 1].offset:
            first -= 1
        return items[first : self._stop][::-1]

    def first_fitting(self, limit: int) -> int:
        """Count the oldest messages whose bodies have at most ``limit`` bytes together."""
        return bisect_right(self._ends, self._begin() + limit, self._first, self._stop) - self._first

    def last_fitting(self, limit: int) -> int:
        """Count the newest messages whose bodies have at most ``limit`` bytes together."""
        if not len(self):
            return 0
        # A message belongs to them if what ends before it leaves no more than the limit.
        least = self._ends[self._stop - 1] - limit
        if self._begin() >= least:
            return len(self)
        return self._stop - 1 - bisect_left(self._ends, least, self._first, self._stop)

    def beyond(self, limit: int) -> Part:
        """Return the part up to the first message by which the bodies exceed ``limit`` bytes, included."""
        stop = min(self._stop, self._first + self.first_fitting(limit) + 1)
        return Part(self._items, self._ends, self._first, stop)

    def __iter__(self) -> Iterator[Message]:
        """Iterate without a copy; the caller must not wait for another turn in between."""
        return map(self._items.__getitem__, range(self._first, self._stop))

    def _begin(self) -> int:
        return self._ends[self._first - 1] if self._first else 0


NOTHING = Part([], array("q"), 0, 0)
"""A part without messages."""

_DROPPED = Message(-1, "", b"")
"""What stands in the place of a message that was dropped, so that its body is freed at once."""


class ChannelLog:
    """Messages of one channel in offset order: bisected by offset, cheap to drop from the left.

    Attributes:
        items: The messages, from :attr:`start` on.
        ends: For each of ``items``, the bytes of all bodies up to and including its own: the size of any part
            is a subtraction.
        start: Place of the oldest message.
    """

    __slots__ = ("ends", "items", "start")

    def __init__(self) -> None:
        self.items: list[Message] = []
        self.ends: array[int] = array("q")
        self.start = 0

    def append(self, message: Message) -> None:
        """Add the newest message."""
        ends = self.ends
        ends.append((ends[-1] if ends else 0) + len(message.body))
        self.items.append(message)

    def between(self, after: int, until: int) -> Part:
        """Return the messages above ``after``, up to ``until``."""
        items = self.items
        first = bisect_right(items, after, lo=self.start, key=_by_offset)
        if items[-1].offset <= until:
            return Part(items, self.ends, first, len(items))
        stop = bisect_right(items, until, lo=first, key=_by_offset)
        return Part(items, self.ends, first, stop)

    def drop_first(self) -> bool:
        """Drop the oldest message; return True if any is left."""
        self.items[self.start] = _DROPPED
        self.start += 1
        if self.start > 64 and self.start * 2 > len(self.items):
            # The sums go on from where they are: the last place before the start is kept for its sum.
            gone = self.start - 1
            del self.items[:gone], self.ends[:gone]
            self.start = 1
        return self.start < len(self.items)

    def newest(self) -> Message:
        """Return the newest message."""
        return self.items[-1]
