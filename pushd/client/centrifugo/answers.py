"""The answers to the commands of one frame, collected to leave together, and bounded in what they cost.

A client has room for so many bytes of answers; work that costs more than its answer is long is
counted as if it were longer. Room comes back when the client's socket has taken the answers,
so that who does not read cannot make this instance hold or do more and more for it.
"""

from __future__ import annotations

__all__ = ["Answers"]

_MEMBER_COST = 1000
"""What listing or telling one member of a channel counts, in bytes: a thousand of them are about 10 ms."""


class Answers:
    """What is still to be sent to one client.

    Args:
        most: How many bytes it has room for.

    Attributes:
        room: Bytes that are left; not above 0: the client should read before it asks for more.
    """

    __slots__ = ("_items", "_most", "room")

    def __init__(self, most: int) -> None:
        self._items: list[bytes] = []
        self._most = most
        self.room = most

    def add(self, answer: bytes) -> None:
        """Take one in."""
        self.room -= len(answer)
        self._items.append(answer)

    def charge(self, members: int) -> None:
        """Count that so many members of a channel were listed or told."""
        self.room -= _MEMBER_COST * members

    def take(self) -> list[bytes]:
        """Give what there is, to be sent."""
        items, self._items = self._items, []
        return items

    def make_room(self) -> None:
        """All that was taken has left."""
        self.room = self._most
