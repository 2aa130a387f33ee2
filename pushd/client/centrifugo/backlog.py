"""What a client missed on a channel, or asks to see again, out of the instance's memory.

A recovery is whole or it is none; if it goes back further, what was read back from the broker is handed in.
Looking and subscribing stand in one reactor turn, and nothing above the connection's own level is given: that
comes as it comes to everybody.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from operator import attrgetter

from pushd.client.centrifugo.commands import History
from pushd.client.centrifugo.errors import UNRECOVERABLE, RefusedError
from pushd.hub import Hub
from pushd.message import Message, Position
from pushd.resume import NOTHING, Older

__all__ = ["NOTHING_KNOWN", "Backlog"]

NOTHING_KNOWN = Position("", 0)
"""The position of a client that never had one: it recovers everything held."""


class Backlog:
    """Looks back for the clients of this protocol.

    Args:
        hub: Holds the messages.
        max_bytes: Most bytes of bodies given in one answer.
    """

    def __init__(self, hub: Hub, max_bytes: int) -> None:
        self._hub = hub
        self._max_bytes = max_bytes

    def goes_further(self, channel: str, after: Position) -> bool:
        """Whether memory does not hold all of ``channel`` above ``after``, but the broker may."""
        return self._hub.knows(after) and not self._hub.holds(after, (channel,))

    def recover(
        self, channel: str, after: Position, level: int, older: Older = NOTHING
    ) -> list[Message] | None:
        """Give all of ``channel`` above ``after`` up to ``level``, or ``None``: not whole, or too much.

        A position above ``level`` is none to recover from: what is in between is still to come.

        Args:
            older: What was read back, of this channel among others, from ``after`` or before.
        """
        if after.offset > level:
            return None
        if self.goes_further(channel, after):
            messages = self._joined(channel, after, older)
        else:
            messages = self._since(channel, after)
        if messages is None:
            return None
        messages = _up_to(level, messages)
        return messages if self._fitting(messages) == len(messages) else None

    def page(self, channel: str, request: History) -> list[Message]:
        """Give the part of ``channel`` that is asked for, as much of it as one answer may hold.

        Raises:
            RefusedError: What follows the position is no longer whole, or the position is not of this log.
        """
        if request.limit == 0:
            return []
        messages = self._from(channel, request)
        if messages is None:
            raise RefusedError(UNRECOVERABLE)
        page = messages[: request.limit] if request.limit > 0 else messages
        # At least one, or nobody could ever go on from there.
        return messages[: _whole(messages, max(1, self._fitting(page)))]

    def _from(self, channel: str, request: History) -> list[Message] | None:
        """Order the messages as asked, from the position asked for: after it, or backwards from before it."""
        level, since = self._hub.position.offset, request.since
        if not request.reverse:
            messages = self._since(channel, since.position if since else NOTHING_KNOWN)
            return None if messages is None else _up_to(level, messages)
        if since and since.epoch != self._hub.position.epoch:
            return None
        held = self._since(channel, NOTHING_KNOWN) or []
        return _up_to(min(level, since.offset - 1) if since else level, held)[::-1]

    def _joined(self, channel: str, after: Position, older: Older) -> list[Message] | None:
        rest = self._since(channel, Position(after.epoch, older.reached))
        if rest is None:
            return None
        return [m for m in older.messages if m.channel == channel and m.offset > after.offset] + rest

    def _since(self, channel: str, after: Position) -> list[Message] | None:
        channels = (channel,)
        if after == NOTHING_KNOWN:
            after = self._hub.earliest(channels)
        return self._hub.since(after, channels)

    def _fitting(self, messages: Iterable[Message]) -> int:
        """Count the messages at the beginning whose bodies fit, and look at no more."""
        room, count = self._max_bytes, 0
        for message in messages:
            room -= len(message.body)
            if room < 0:
                break
            count += 1
        return count


def _whole(messages: list[Message], count: int) -> int:
    """Return ``count``, or more where it would cut a batch.

    A client asks for what follows a page by the page's last offset, which all parts of a batch share.
    """
    while 0 < count < len(messages) and messages[count].offset == messages[count - 1].offset:
        count += 1
    return count


def _up_to(level: int, messages: list[Message]) -> list[Message]:
    """Cut what is above ``level``: memory may hold very many, and a client may ask again and again."""
    if not messages or messages[-1].offset <= level:
        return messages
    return messages[: bisect_right(messages, level, key=attrgetter("offset"))]
