"""What an AMQP message means to us, and back. Pure: plain values in, plain values out.

The routing key is the channel, empty for a broadcast; the header ``channels`` (a list, or names
separated by commas) addresses several instead. A list does not survive a stream of RabbitMQ before 3.13,
which drops headers that are lists or tables without a word; names separated by commas always do.

A body is decompressed first; then a batch of Spring's is split into its messages, which share the offset of
their delivery; then each is read as text or binary by ``content.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from pushd import channel
from pushd.broker.batch import MAX_PARTS, MalformedError, is_batch, split
from pushd.broker.content import MAX_BODY_BYTES, TOO_LARGE, UTF8, Refused, decompressed, line, read
from pushd.message import BROADCAST, Kind, Message, Publication

__all__ = [
    "MAX_BODY_BYTES",
    "MAX_CHANNELS",
    "TOO_LARGE",
    "Outgoing",
    "Properties",
    "Refused",
    "decode",
    "encode",
]

MAX_CHANNELS = 1000
"""Channels of one message. All its copies are taken in one turn, because they share an offset."""

_CONTENT_HEADERS = frozenset({"compression", "springBatchFormat"})
"""Headers that say how a body is to be read."""


class Properties(Protocol):
    """The properties of an AMQP message that mean something here (AMQP 0-9-1 section 1.8.1).

    The values come from a publisher: each may be of any type an AMQP field can have.
    """

    content_type: object
    content_encoding: object
    headers: object
    message_id: object
    timestamp: object
    type: object


class Outgoing(NamedTuple):
    """A publication in the terms of ``basic.publish``; ``properties`` are keyword arguments."""

    routing_key: str
    properties: dict[str, object]
    body: bytes


def decode(
    offset: int, routing_key: object, properties: Properties, body: bytes, max_bytes: int = MAX_BODY_BYTES
) -> Sequence[Message]:
    """Make one message for each channel that is addressed, and for each part of a batch.

    All messages of one part share one body.

    Args:
        offset: The offset of the delivery.
        routing_key: The channel, unless a header names several.
        properties: The properties of the delivery.
        body: Its body.
        max_bytes: The largest body, also after decompression.

    Raises:
        Refused: The message cannot be used.
    """
    headers = properties.headers
    channels = _channels(routing_key, headers)
    encoding = line(properties.content_encoding).lower()
    concerned = isinstance(headers, dict) and not _CONTENT_HEADERS.isdisjoint(headers)
    if concerned or (encoding and encoding not in UTF8):
        body, encoding = decompressed(properties.content_type, encoding, headers, body, max_bytes)
        if is_batch(headers):
            return _batch(offset, channels, properties, encoding, body)
    return _messages(offset, channels, properties, read(properties.content_type, encoding, body), 0)


def _batch(
    offset: int, channels: Sequence[str], properties: Properties, encoding: str, body: bytes
) -> Sequence[Message]:
    try:
        parts = split(body, max(1, MAX_PARTS // len(channels)))
    except MalformedError:
        advice = f"a batch is not of Spring's format lengthHeader4, or has more than {MAX_PARTS} messages"
        raise Refused("batch", advice) from None
    contents = [read(properties.content_type, encoding, part) for part in parts]
    found: list[Message] = []
    for index, content in enumerate(contents, 1):
        found += _messages(offset, channels, properties, content, len(contents) - index)
    return found


def _messages(
    offset: int,
    channels: Sequence[str],
    properties: Properties,
    content: tuple[Kind, bytes, str],
    following: int,
) -> Sequence[Message]:
    kind, body, content_type = content
    event = line(properties.type)
    message_id = line(properties.message_id)
    stamp = properties.timestamp
    published_at = float(stamp) if isinstance(stamp, int) else 0.0
    # The others are twins of the first: what one of them learns about the body, all know.
    found: list[Message] = []
    twin = None
    for name in channels:
        message = Message(
            offset, name, body, kind, content_type, event, message_id, published_at, following, twin
        )
        twin = twin or message
        found.append(message)
    return found


def encode(publication: Publication, now: float) -> Outgoing:
    """Say a publication in AMQP, so that :func:`decode` and Spring's converters understand it.

    Args:
        publication: What somebody wants published.
        now: Seconds since the Unix epoch.

    Raises:
        Refused: It cannot be said: a channel's name is none, or a property is too long or more than a line.
    """
    for name in publication.channels:
        _channel(name)
    for value in (publication.content_type, publication.event, publication.message_id):
        if value != line(value) or len(value.encode()) > channel.LONGEST:
            raise Refused("property", "a property must be one line of at most 255 bytes")
    text = publication.kind is Kind.TEXT
    properties: dict[str, object] = {
        "content_type": publication.content_type or ("text/plain" if text else "application/octet-stream"),
        "delivery_mode": 2,  # persistent
        "timestamp": int(now),
    }
    if text:
        properties["content_encoding"] = "UTF-8"
    if publication.event:
        properties["type"] = publication.event
    if publication.message_id:
        properties["message_id"] = publication.message_id
    if len(publication.channels) > 1:
        if any("," in name for name in publication.channels):
            raise Refused("channel", "a channel with a comma in its name can only be addressed alone")
        properties["headers"] = {"channels": ",".join(publication.channels)}
        return Outgoing(BROADCAST, properties, publication.body)
    return Outgoing("".join(publication.channels), properties, publication.body)


def _channels(routing_key: object, headers: object) -> Sequence[str]:
    """Give the channels addressed, each once."""
    if not (isinstance(headers, dict) and "channels" in headers):
        return [BROADCAST] if routing_key == BROADCAST else [_channel(routing_key)]
    listed = headers["channels"]
    if isinstance(listed, str):
        listed = [name.strip() for name in listed.split(",", MAX_CHANNELS)]
    if not isinstance(listed, list) or not listed:
        # Addressed to nobody is a mistake; it must not become a broadcast.
        raise Refused(
            "channel", 'the header "channels" must be a list of names, or names separated by commas'
        )
    if len(listed) > MAX_CHANNELS:
        raise Refused(
            "channel", f'the header "channels" has more than {MAX_CHANNELS} names; send several messages'
        )
    return list(dict.fromkeys(_channel(name) for name in listed))


def _channel(name: object) -> str:
    if not isinstance(name, str):
        raise Refused("channel", "a channel's name must be a string in UTF-8")
    if fault := channel.fault(name):
        raise Refused("channel", fault)
    return name
