"""The values that travel: a message, a place in the log, and a wish to publish.

Everything here is immutable and knows no I/O. A broker makes a :class:`Message`
from what it received; the hub and the history pass it on by reference.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from pushd.jsontext import Form, form

__all__ = ["BROADCAST", "STRING", "Kind", "Message", "Position", "Publication", "is_epoch"]

BROADCAST = ""
"""The channel every connection of every protocol is always subscribed to."""


STRING = "text/plain; as=string"
"""Content type of a text that is a string to JSON clients, even if it looks like JSON: the text ``42``."""


class Kind(Enum):
    """How a body is to be shown to a client: WebSocket text or binary (RFC 6455 section 5.6)."""

    TEXT = "text"
    BINARY = "binary"


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """One message on one channel, as every instance sees it.

    A publication addressed to several channels becomes one ``Message`` per
    channel, all with the same ``offset`` and the same ``body`` object, appended
    in the same reactor turn. So does each part of a batch. Two messages are the same
    only if they are the same object.

    Attributes:
        offset: The broker's number for it: rises, is the same on every instance, has holes.
        channel: Where it goes; :data:`BROADCAST` reaches every connection.
        body: The payload. For ``Kind.TEXT`` it is valid UTF-8.
        kind: Text or binary.
        content_type: The MIME type the publisher gave, or ``""``.
        event: The AMQP ``type`` property, or ``""``; names the event on SSE.
        message_id: The publisher's identifier, or ``""``.
        published_at: Seconds since the Unix epoch as the publisher stamped it, or 0.0.
        following: Messages of the same batch that follow on the same channel, at the same offset. 0 for
            the last, and for a message that is no part of a batch. A client that shows ``offset`` as its
            position must have all of them, so that only the last may carry it to the client.
        twin: Another message with the same body, or ``None``. The body is then checked for both at once.
    """

    offset: int
    channel: str
    body: bytes
    kind: Kind = Kind.TEXT
    content_type: str = ""
    event: str = ""
    message_id: str = ""
    published_at: float = 0.0
    following: int = 0
    twin: Message | None = field(default=None, repr=False)
    _form: Form | None = field(default=None, init=False, repr=False)

    @property
    def form(self) -> Form:
        """What a body of text is to a client that expects JSON; checked once, however many ask."""
        if self._form is None:
            found = self.twin.form if self.twin is not None else self._check()
            object.__setattr__(self, "_form", found)
            return found
        return self._form

    def _check(self) -> Form:
        # Parameters of a media type may have spaces around them (RFC 9110 section 5.6.6).
        declared = self.content_type and self.content_type.lower().replace(" ", "")
        return Form.TEXT if declared == "text/plain;as=string" else form(self.body)


def is_epoch(text: str) -> bool:
    """Return True if a position may carry ``text`` as its epoch: 1 to 64 ASCII letters and digits."""
    return 0 < len(text) <= 64 and text.isascii() and text.isalnum()


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the log: after the message ``offset`` of the log's life ``epoch``."""

    epoch: str
    offset: int

    def __str__(self) -> str:
        """Give the form that clients carry, ``epoch:offset``."""
        return f"{self.epoch}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Read what ``str()`` wrote.

        Raises:
            ValueError: ``text`` is no ``epoch:offset``; its message is safe to show (it quotes nothing).
        """
        epoch, colon, digits = text.rpartition(":")
        plain = digits.isascii() and digits.isdigit() and len(digits) <= 19
        if not (colon and plain and is_epoch(epoch)):
            raise ValueError("a position is written epoch:offset, letters and digits, then a whole number")
        return cls(epoch, int(digits))


@dataclass(frozen=True, slots=True)
class Publication:
    """What somebody wants published: a message before the broker has numbered it.

    Attributes:
        channels: The channels to reach; empty means a broadcast.
    """

    body: bytes
    channels: tuple[str, ...] = ()
    kind: Kind = Kind.TEXT
    content_type: str = ""
    event: str = ""
    message_id: str = ""
