"""A text of several lines, ended by a lone dot and dot-stuffed as in SMTP (RFC 5321 section 4.5.2)."""

from __future__ import annotations

from pushd.control.replies import Publish, Reply
from pushd.message import Publication

__all__ = ["Body", "publish"]


def publish(text: bytes, channels: tuple[str, ...], limit: int) -> Publish | Reply:
    """Turn a text into a publication, or say why not.

    Args:
        text: What to send, as the client wrote it.
        channels: Where to; none for a broadcast.
        limit: The most bytes it may have.
    """
    if len(text) > limit:
        return Reply(552, (f"the text is longer than {limit} bytes",))
    try:
        text.decode()
    except UnicodeDecodeError:
        return Reply(501, ("the text is not UTF-8",))
    where = f"channel {', '.join(channels)}" if channels else "every client of every instance"
    return Publish(Publication(text, channels), f"sent to {where}")


class Body:
    """Collects lines until the dot.

    Lines beyond the limit are taken, since the dot is still to come, and dropped.

    Args:
        channels: Where the text goes; none for a broadcast.
        limit: The most bytes it may have, the line ends between its lines counted as one each.
    """

    PROMPT = Reply(354, ("end the text with a line that is just a dot",))

    def __init__(self, channels: tuple[str, ...], limit: int) -> None:
        self._channels = channels
        self._limit = limit
        self._text = bytearray()
        self._empty = True

    def add(self, line: bytes) -> Publish | Reply | None:
        """Take one line; the dot gives the outcome, all others ``None``."""
        if line == b".":
            return publish(bytes(self._text), self._channels, self._limit)
        if len(self._text) <= self._limit:
            if not self._empty:
                self._text += b"\n"
            self._text += line[1:] if line.startswith(b".") else line
            self._empty = False
        return None
