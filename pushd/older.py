"""What was read back for a client beyond what memory holds."""

from __future__ import annotations

from pushd.message import Message

__all__ = ["NOTHING", "Older"]


class Older:
    """What was read back for one request.

    Args:
        messages: Everything asked for up to ``reached``, in offset order.
        reached: From here on memory holds the rest, in the reactor turn in which this is given.
    """

    __slots__ = ("_by_channel", "messages", "reached")

    def __init__(self, messages: list[Message], reached: int) -> None:
        self.messages = messages
        self.reached = reached
        self._by_channel: dict[str, list[Message]] | None = None

    def of(self, channel: str) -> list[Message]:
        """Return the messages of one channel, in offset order.

        A client may ask for very many channels: the messages are sorted out once for all of them.
        """
        if self._by_channel is None:
            self._by_channel = {}
            for message in self.messages:
                self._by_channel.setdefault(message.channel, []).append(message)
        return self._by_channel.get(channel, [])


NOTHING = Older([], -1)
"""In place of what could not be read back: nowhere does memory hold all the rest."""
