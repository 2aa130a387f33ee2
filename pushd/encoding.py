"""A message's bytes for each protocol, made once and shared by every client that speaks it.

An encoding knows no client. Its ``piece`` of a message is kept for the next one who needs it: a herd of
returning clients wants the same recent messages, and none of them pays for making their bytes again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from struct import Struct
from typing import TypeAlias

import orjson
from typing_extensions import override

from pushd.jsontext import Form
from pushd.message import BROADCAST, Kind, Message

__all__ = [
    "BINARY",
    "TEXT",
    "CentrifugoEncoding",
    "CentrifugoFrames",
    "Framing",
    "RawEncoding",
    "SseEncoding",
    "UniEncoding",
    "UniSseEncoding",
    "frame",
    "json_data",
    "publication",
]

TEXT = 1
"""Opcode of a text frame (RFC 6455 section 5.2)."""

BINARY = 2
"""Opcode of a binary frame."""

_KEPT = 16 * 1024 * 1024
"""Bytes of finished pieces an encoding keeps, with the messages they keep alive."""

_OVERHEAD = 400
"""Bytes counted for a piece besides it and the body: the objects and the entry that hold them."""

Framing: TypeAlias = Callable[[int, bytes], bytes]
"""Makes a whole frame of an opcode and a payload; :func:`frame` is the plain one."""

_SHORT, _MEDIUM, _LONG = Struct("!BB"), Struct("!BBH"), Struct("!BBQ")


def frame(opcode: int, payload: bytes) -> bytes:
    """Give a whole unmasked frame, as a server sends it (RFC 6455 section 5.2)."""
    first, length = 0x80 | opcode, len(payload)
    if length < 126:
        return _SHORT.pack(first, length) + payload
    if length < 65536:
        return _MEDIUM.pack(first, 126, length) + payload
    return _LONG.pack(first, 127, length) + payload


def json_data(message: Message) -> bytes:
    """Give a body as one line of JSON.

    Text that is JSON passes as it is, but for line ends between its tokens, which would cut a frame of
    several lines; other text becomes a JSON string; binary a JSON string of base64.
    """
    body = message.body
    if message.kind is Kind.BINARY:
        return orjson.dumps(b64encode(body).decode())
    if message.form is not Form.JSON:
        return orjson.dumps(body.decode())
    return body.replace(b"\n", b" ").replace(b"\r", b" ")


def publication(message: Message, offset: bytes) -> bytes:
    """Give a publication of Centrifugo's protocol.

    JSON that is nested too deeply is a string, like text that is no JSON. A tag tells it apart.

    Args:
        message: What is published.
        offset: The member ``offset`` with a comma before it, or nothing.
    """
    data = json_data(message)
    if message.kind is Kind.TEXT and message.form is Form.DEEP:
        return b'{"data":%b%b,"tags":{"json":"text"}}' % (data, offset)
    return b'{"data":%b%b}' % (data, offset)


class _Kept(ABC):
    """What all encodings share: pieces made once, the oldest forgotten first."""

    def __init__(self) -> None:
        # In this kind of a dictionary the oldest is found at once, however many were forgotten before it.
        self._pieces: OrderedDict[Message, bytes] = OrderedDict()
        self._size = 0

    @abstractmethod
    def make(self, message: Message) -> bytes:
        """Make the bytes of one message."""

    def piece(self, message: Message) -> bytes:
        """Give the bytes of one message."""
        pieces = self._pieces
        piece = pieces.get(message)
        if piece is None:
            piece = pieces[message] = self.make(message)
            self._size += _weight(message, piece)
            while self._size > _KEPT:
                self._size -= _weight(*pieces.popitem(last=False))
        return piece


def _weight(message: Message, piece: bytes) -> int:
    """Tell what keeping a piece costs: deflated, it may be next to nothing beside its message."""
    return len(message.body) + len(piece) + _OVERHEAD


def _once(messages: Sequence[Message]) -> Iterator[Message]:
    """Leave out what a client has on another of its channels already.

    That is the same part of the same offset. The parts of a batch come in order on each channel. Fewer parts
    follow a new part than any part before it.
    """
    last, following = -1, 0
    for message in messages:
        if message.offset != last or message.following < following:
            last, following = message.offset, message.following
            yield message


class RawEncoding(_Kept):
    """The raw protocol: a body is a frame.

    Args:
        framing: Makes it.
    """

    name = "raw"

    def __init__(self, framing: Framing = frame) -> None:
        super().__init__()
        self._framing = framing

    @override
    def make(self, message: Message) -> bytes:
        return self._framing(TEXT if message.kind is Kind.TEXT else BINARY, message.body)

    def join(self, messages: Sequence[Message]) -> bytes:
        """Give the frames, one after the other."""
        return b"".join(map(self.piece, _once(messages)))


class SseEncoding(_Kept):
    """Plain server-sent events (HTML Living Standard section 9.2.6).

    A binary body is base64, as the format is text only.

    Args:
        epoch: Tells the epoch that offsets count in.
    """

    name = "sse"

    def __init__(self, epoch: Callable[[], str]) -> None:
        super().__init__()
        self._epoch = epoch

    @override
    def make(self, message: Message) -> bytes:
        body = message.body if message.kind is Kind.TEXT else b64encode(message.body)
        lines = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\ndata: ")
        event = (
            b"event: %b\n" % message.event.encode() if message.event.isprintable() and message.event else b""
        )
        if message.following:  # a client that got a part of a batch has not been at its offset yet
            return b"%bdata: %b\n\n" % (event, lines)
        return b"id: %b:%d\n%bdata: %b\n\n" % (self._epoch().encode(), message.offset, event, lines)

    def join(self, messages: Sequence[Message]) -> bytes:
        """Give the events, one after the other."""
        return b"".join(map(self.piece, _once(messages)))


class _Pushes(_Kept):
    """Centrifugo's publications; the global offset is every channel's offset.

    Args:
        broadcast: The channel that broadcasts appear on.
    """

    def __init__(self, broadcast: str) -> None:
        super().__init__()
        self._broadcast = broadcast

    def push(self, message: Message) -> bytes:
        """Give a bare push."""
        channel = self._broadcast if message.channel == BROADCAST else message.channel
        # A client takes an offset for its position, and must not show that of a batch of which it has a part.
        offset = b"" if message.following else b',"offset":%d' % message.offset
        return b'{"channel":%b,"pub":%b}' % (orjson.dumps(channel), publication(message, offset))


class CentrifugoEncoding(_Pushes):
    """The bidirectional form: lines of JSON, joined into one text frame."""

    name = "centrifugo"

    @override
    def make(self, message: Message) -> bytes:
        return b'{"push":%b}' % self.push(message)

    def join(self, messages: Sequence[Message]) -> bytes:
        """Give one frame that has all pushes."""
        return frame(TEXT, b"\n".join(map(self.piece, messages)))


class UniEncoding(_Pushes):
    """The unidirectional form over a WebSocket: a frame for each bare push.

    Args:
        broadcast: See :class:`_Pushes`.
        framing: Makes the frames.
    """

    name = "uni_websocket"

    def __init__(self, broadcast: str, framing: Framing = frame) -> None:
        super().__init__(broadcast)
        self._framing = framing

    @override
    def make(self, message: Message) -> bytes:
        return self._framing(TEXT, self.push(message))

    def join(self, messages: Sequence[Message]) -> bytes:
        """Give the frames, one after the other."""
        return b"".join(map(self.piece, messages))


class CentrifugoFrames(UniEncoding):
    """The bidirectional form, but a frame for each push: for a framing whose work must not be per client.

    What is joined differs from one returning client to the next; a push is the same for all.
    """

    name = "centrifugo"

    @override
    def push(self, message: Message) -> bytes:
        return b'{"push":%b}' % super().push(message)


class UniSseEncoding(_Pushes):
    """The unidirectional form as server-sent events, with positions, so that a browser resumes by itself.

    Args:
        broadcast: See :class:`_Pushes`.
        epoch: See :class:`SseEncoding`.
    """

    name = "uni_sse"

    def __init__(self, broadcast: str, epoch: Callable[[], str]) -> None:
        super().__init__(broadcast)
        self._epoch = epoch

    @override
    def make(self, message: Message) -> bytes:
        return b"id: %b:%d\ndata: %b\n\n" % (self._epoch().encode(), message.offset, self.push(message))

    def join(self, messages: Sequence[Message]) -> bytes:
        """Give the events, one after the other.

        Of several at one offset only the last carries it: who got a part of them has not been there yet.
        """
        pieces = list(map(self.piece, messages))
        for index, (message, following) in enumerate(pairwise(messages)):
            if message.offset == following.offset:
                pieces[index] = pieces[index].partition(b"\n")[2]
        return b"".join(pieces)
