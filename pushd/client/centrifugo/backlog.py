"""What a client missed on a channel, or asks to see again, out of the instance's memory.

A recovery is whole or it is none; if it goes back further, what was read back from the broker is handed in.
Looking and subscribing stand in one reactor turn, and nothing above the connection's own level is given: that
comes as it comes to everybody.
"""

from __future__ import annotations

from bisect import bisect_right
from operator import attrgetter

from pushd.channellog import Part
from pushd.client.centrifugo.commands import History
from pushd.client.centrifugo.errors import UNRECOVERABLE, RefusedError
from pushd.hub import Hub
from pushd.message import Message, Position
from pushd.older import NOTHING, Older

__all__ = ["NOTHING_KNOWN", "Backlog"]

NOTHING_KNOWN = Position("", 0)
"""The position of a client that never had one: it recovers everything held."""

_by_offset = attrgetter("offset")


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
        self, channel: str, after: Position, level: int, older: Older = NOTHING, room: int | None = None
    ) -> list[Message] | None:
        """Give all of ``channel`` above ``after`` up to ``level``, or ``None``: not whole, or too much.

        A position above ``level`` is none to recover from: what is in between is still to come. Whether it is
        too much is known before any message is looked at.

        Args:
            older: What was read back, of this channel among others, from ``after`` or before.
            room: Most bytes of bodies, if that is less than one answer may have.
        """
        if after.offset > level:
            return None
        read = _between(older.of(channel), after.offset, level)
        if self.goes_further(channel, after):
            after = Position(after.epoch, older.reached)
        else:
            read = []
        held = self._part(channel, after, level)
        room = self._max_bytes if room is None else room
        if held is None or held.size + sum(len(message.body) for message in read) > room:
            return None
        return read + held.first(len(held))

    def page(self, channel: str, request: History) -> list[Message]:
        """Give the part of ``channel`` that is asked for, as much of it as one answer may hold.

        Raises:
            RefusedError: What follows the position is no longer whole, or the position is not of this log.
        """
        if request.limit == 0:
            return []
        part = self._from(channel, request)
        if part is None:
            raise RefusedError(UNRECOVERABLE)
        most = request.limit if request.limit > 0 else len(part)
        # At least one, or nobody could ever go on from there.
        if request.reverse:
            return part.last(min(most, max(1, part.last_fitting(self._max_bytes))))
        return part.first(min(most, max(1, part.first_fitting(self._max_bytes))))

    def _from(self, channel: str, request: History) -> Part | None:
        """Give the part that is asked for: from a position on, or up to before it if in reverse order."""
        level, since = self._hub.position.offset, request.since
        if not request.reverse:
            return self._part(channel, since.position if since else NOTHING_KNOWN, level)
        if since and since.epoch != self._hub.position.epoch:
            return None
        return self._part(channel, NOTHING_KNOWN, min(level, since.offset - 1) if since else level)

    def _part(self, channel: str, after: Position, until: int) -> Part | None:
        if after == NOTHING_KNOWN:
            after = self._hub.earliest((channel,))
        return self._hub.part(after, channel, until)


def _between(messages: list[Message], after: int, until: int) -> list[Message]:
    """Give those above ``after``, up to ``until``, of messages in offset order."""
    first = bisect_right(messages, after, key=_by_offset)
    return messages[first : bisect_right(messages, until, lo=first, key=_by_offset)]
