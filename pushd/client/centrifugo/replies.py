"""From answers and announcements to the bytes of one JSON object each; several make a frame.

Publications are put in as they are: a body that is JSON already is copied, not decoded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from pushd.client.centrifugo.drafts import Listing
from pushd.client.centrifugo.errors import Error
from pushd.disconnect import Disconnect
from pushd.encoding import publication
from pushd.message import Message, Position

__all__ = [
    "PING",
    "Fields",
    "bare_push",
    "disconnect_push",
    "dumps",
    "error",
    "position",
    "publications",
    "push",
    "reply",
]

Fields = Mapping[str, Any]
"""An answer before it is bytes; keys with nothing to say are left out, as the protocol does."""

PING = b"{}"
"""An empty object: are you there?"""


def reply(number: int, method: str, result: Fields) -> bytes:
    """Answer the command ``number``."""
    return dumps({"id": number, method: result})


def error(number: int, failure: Error) -> bytes:
    """Answer the command ``number`` with an error."""
    content = {"code": failure.code, "message": failure.message}
    if failure.temporary:
        content["temporary"] = True
    return orjson.dumps({"id": number, "error": content})


def bare_push(channel: str, kind: str, content: Fields) -> bytes:
    """Announce something on ``channel``, as unidirectional clients take it."""
    return orjson.dumps({"channel": channel, kind: content})


def push(channel: str, kind: str, content: Fields) -> bytes:
    """Announce something on ``channel``."""
    return b'{"push":%b}' % bare_push(channel, kind, content)


def disconnect_push(disconnect: Disconnect) -> bytes:
    """Say why the connection ends, where no close code can."""
    return orjson.dumps({"disconnect": {"code": disconnect.centrifugo, "reason": disconnect.text}})


def position(place: Position) -> Fields:
    """Give the fields that tell a client where it is.

    Offsets are unsigned on this protocol: before the first message it is at 0, like a client that
    knows nothing.
    """
    return {"epoch": place.epoch, "offset": max(place.offset, 0)}


def publications(messages: Sequence[Message]) -> Listing:
    """Give the publications of an answer."""
    pieces = (publication(message, b',"offset":%d' % message.offset) for message in messages)
    return Listing(sum(len(message.body) for message in messages), pieces, (b"[", b"]"))


def dumps(fields: Fields) -> bytes:
    """Give the bytes of an object in which there may be listings, see :class:`Listing`."""
    return orjson.dumps(fields, default=Listing.json)
