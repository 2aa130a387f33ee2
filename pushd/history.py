"""The log: recent messages in offset order, indexed by channel, bounded in count, bytes and age.

It answers one question, "everything on these channels after this offset", and answers ``None``
when it no longer can. A floor per channel (the last offset evicted from it) keeps a quiet
channel whole when busy ones have rolled the log over. No clock and no I/O: time is an argument.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Collection, Iterable
from heapq import merge
from itertools import islice
from operator import attrgetter

from pushd.channellog import NOTHING, ChannelLog, Part
from pushd.message import Message

__all__ = ["MAX_CHUNK", "History", "cut"]

_OVERHEAD = 400
"""Bytes counted for a message besides its body: the objects and index entries that hold it."""

_FLOORS = 100_000
"""How many quiet channels keep a floor of their own; older ones share one."""

_AGED = 1000
"""Messages that one call drops for their age alone, about a millisecond: a burst grows old all at once."""

MAX_CHUNK = 500
"""Messages of one chunk, or as many as the last offset has: tiny messages cost time by their number."""

_by_offset = attrgetter("offset")


def _offset_of_entry(entry: tuple[float, Message]) -> int:
    return entry[1].offset


class History:
    """A bounded log with a floor per channel.

    Args:
        max_messages: Most messages held.
        max_bytes: Most bytes held: bodies plus a fixed overhead for each message.
        max_age: Seconds a message is held.
    """

    def __init__(self, *, max_messages: int, max_bytes: int, max_age: float) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._log: deque[tuple[float, Message]] = deque()
        self._runs: dict[str, ChannelLog] = {}
        self._floors: OrderedDict[str, int] = OrderedDict()
        self._floor = -1
        self._bytes = 0
        self.head = -1
        """The offset of the newest message ever appended, or where the log starts."""

    def __len__(self) -> int:
        return len(self._log)

    @property
    def size(self) -> int:
        """Bytes held, as counted against ``max_bytes``."""
        return self._bytes

    def reset(self, offset: int) -> None:
        """Forget everything; the log is whole from just after ``offset``."""
        self._log.clear()
        self._runs.clear()
        self._floors.clear()
        self._bytes = 0
        self._floor = self.head = offset

    def append(self, message: Message, now: float) -> None:
        """Add the newest message.

        Raises:
            ValueError: Its offset is below the head's.
        """
        if message.offset < self.head:
            raise ValueError(f"offset {message.offset} is below the head {self.head}")
        self.head = message.offset
        self._bytes += len(message.body) + _OVERHEAD
        self._log.append((now, message))
        run = self._runs.get(message.channel)
        if run is None:
            run = self._runs[message.channel] = ChannelLog()
        run.append(message)

    def evict(self, now: float, keep_above: int) -> None:
        """Drop the oldest messages until the bounds hold, but none above ``keep_above``.

        What is above has not been fanned out yet: live connections count on finding it here. What is merely
        too old goes bit by bit.
        """
        log, dropped = self._log, 0
        oldest = now - self._max_age
        while log and (
            len(log) > self._max_messages
            or self._bytes > self._max_bytes
            or (log[0][0] < oldest and dropped < _AGED)
        ):
            if log[0][1].offset > keep_above:
                break
            self._drop(log.popleft()[1])
            dropped += 1

    def holds(self, after: int, channels: Iterable[str]) -> bool:
        """Whether nothing on ``channels`` with an offset above ``after`` has been evicted."""
        return self.floor(channels) <= after

    def floor(self, channels: Iterable[str]) -> int:
        """Give the offset after which nothing on any of ``channels`` has been evicted."""
        return max((self._floors.get(channel, self._floor) for channel in channels), default=self._floor)

    def since(
        self,
        after: int,
        until: int,
        channels: Collection[str],
        limit: int = 0,
        max_messages: int = sys.maxsize,
    ) -> list[Message] | None:
        """Give every message on ``channels`` above ``after`` and up to ``until``, in offset order.

        Args:
            after: An offset.
            until: An offset.
            channels: Names; :data:`pushd.message.BROADCAST` only when it is among them.
            limit: Bytes of bodies after which to stop, at a boundary between offsets; 0: no limit.
            max_messages: Number of messages after which to stop, likewise; used only with a limit of bytes.

        Returns:
            The messages, or ``None`` when some have been evicted.
        """
        if not self.holds(after, channels):
            return None
        parts = self._parts(after, until, channels)
        return _merged_to(limit, max_messages, parts) if limit else _merged(parts)

    def part(self, after: int, until: int, channel: str) -> Part | None:
        """Return the messages on ``channel`` above ``after`` and up to ``until``, found by index.

        Returns:
            A part that is valid in this turn, or ``None`` when some of it has been evicted.
        """
        if not self.holds(after, (channel,)):
            return None
        run = self._runs.get(channel)
        return run.between(after, until) if run is not None else NOTHING

    def count(self, after: int, until: int, channels: Iterable[str]) -> int:
        """Count the messages held on ``channels`` above ``after`` and up to ``until``."""
        return sum(map(len, self._parts(after, until, channels)))

    def newest(self, after: int, until: int, channels: Iterable[str]) -> list[Message] | None:
        """Give only the newest message of each channel between ``after`` and ``until``, in offset order.

        Returns:
            The messages, or ``None`` when that of a channel has been evicted.
        """
        found: list[Message] = []
        for channel in channels:
            run = self._runs.get(channel)
            newest = run.between(after, until).last(1) if run is not None else []
            if not newest and not self.holds(after, (channel,)):
                return None
            found += newest
        found.sort(key=_by_offset)
        return found

    def after(self, offset: int, limit: int) -> list[Message]:
        """Return the messages of all channels above ``offset``, a chunk at most, in offset order.

        Args:
            offset: An offset.
            limit: Bytes of bodies after which the chunk ends, at a boundary between offsets.
        """
        found: list[Message] = []
        for _, message in islice(reversed(self._log), MAX_CHUNK + 1):
            if message.offset <= offset:
                break
            found.append(message)
        else:
            found = self._oldest_above(offset)
        found.reverse()
        return cut(found, limit)

    def _oldest_above(self, offset: int) -> list[Message]:
        """Return the oldest messages above ``offset``, a chunk to the end of its offset; newest first."""
        log = self._log
        begin = bisect_right(log, offset, key=_offset_of_entry)
        end = min(begin + MAX_CHUNK, len(log))
        while end < len(log) and log[end][1].offset == log[end - 1][1].offset:
            end += 1
        return [message for _, message in islice(reversed(log), len(log) - end, len(log) - begin)]

    def _parts(self, after: int, until: int, channels: Iterable[str]) -> list[Part]:
        """Return what each of ``channels`` has above ``after`` and up to ``until``, if it has anything."""
        parts = []
        for channel in channels:
            run = self._runs.get(channel)
            if run is not None and run.newest().offset > after:
                parts.append(run.between(after, until))
        return parts

    def _drop(self, message: Message) -> None:
        """Take the oldest message out of the index and raise its channel's floor."""
        self._bytes -= len(message.body) + _OVERHEAD
        channel = message.channel
        if not self._runs[channel].drop_first():
            del self._runs[channel]
        self._floors[channel] = message.offset
        self._floors.move_to_end(channel)
        if len(self._floors) > _FLOORS:
            _, offset = self._floors.popitem(last=False)
            self._floor = max(self._floor, offset)


def _merged(parts: list[Part]) -> list[Message]:
    """Return all messages of ``parts`` in offset order."""
    if len(parts) == 1:
        return parts[0].first(len(parts[0]))
    found: list[Message] = []
    for part in parts:
        found += part
    found.sort(key=_by_offset)
    return found


def _merged_to(limit: int, max_messages: int, parts: list[Part]) -> list[Message]:
    """Return messages of ``parts`` in offset order, until they reach ``limit`` bytes or ``max_messages``.

    No more is looked at: a client may lack very much and be given a little each time.
    """
    if len(parts) == 1:
        return parts[0].first(min(len(parts[0].beyond(limit)), max_messages))
    if sum(part.size for part in parts) <= limit and sum(map(len, parts)) <= max_messages:
        return _merged(parts)
    found: list[Message] = []
    room = limit
    for message in merge(*parts, key=_by_offset):
        if (room < 0 or len(found) >= max_messages) and message.offset != found[-1].offset:
            break
        found.append(message)
        room -= len(message.body)
    return found


def cut(messages: list[Message], limit: int) -> list[Message]:
    """Cut after about ``limit`` bytes of bodies, or a chunk; never within an offset, never to nothing."""
    total = 0
    for index, message in enumerate(messages):
        if (total > limit or index >= MAX_CHUNK) and message.offset != messages[index - 1].offset:
            return messages[:index]
        total += len(message.body)
    return messages
