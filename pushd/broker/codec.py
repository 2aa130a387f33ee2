"""What an AMQP message means to us, and back. Pure: plain values in, plain values out.

The routing key is the channel, empty for a broadcast; the header ``channels`` (a list, or names
separated by commas) addresses several instead. A list does not survive a stream of RabbitMQ before 3.13,
which drops headers that are lists or tables without a word; names separated by commas always do.

A body is text when

- its ``content_encoding`` or the ``charset`` of its ``content_type`` names one: it is converted to UTF-8;
- its ``content_type`` is a textual one (``text/*``, JSON, XML, JavaScript, forms): it must be UTF-8;
- it has no content type (or one that is no MIME type) and happens to be UTF-8.

Everything else, ``application/octet-stream`` for instance, is binary. Bytes that are UTF-8 already are
passed on as the very object that came.

A compressed body is decompressed first, see ``compression.py``; then a batch of Spring's is split into its
messages, see ``batch.py``. They share the offset of their delivery.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from pushd import channel
from pushd.broker import compression
from pushd.broker.batch import MAX_PARTS, MalformedError, is_batch, split
from pushd.broker.compression import BombError, UnreadableError
from pushd.message import BROADCAST, Kind, Message, Publication

__all__ = ["MAX_BODY_BYTES", "TOO_LARGE", "Outgoing", "Properties", "Refused", "decode", "encode"]

MAX_BODY_BYTES = 32 * 1024 * 1024
"""The largest body where no configuration says otherwise."""

TOO_LARGE = "a body is larger than max_body_bytes of [broker], or becomes so when it is decompressed"
"""What is said of a body over the bound."""

_JAVA = "application/x-java-serialized-object"
_TEXTUAL = frozenset(
    f"application/{name}"
    for name in (
        "ecmascript",
        "javascript",
        "json",
        "ndjson",
        "x-ndjson",
        "x-www-form-urlencoded",
        "xml",
        "yaml",
    )
)
_CONTENT_HEADERS = frozenset({"compression", "springBatchFormat"})
"""Headers that say how a body is to be read."""

_COMPRESSIONS = 2
"""Compressions of one body, one around the other: each may fill the bound."""

_UTF8 = frozenset({"utf-8", "utf8"})
# Python knows them as codecs of text, but nobody means them as the charset of a message.
_NO_CHARSETS = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})


class Refused(Exception):  # noqa: N818  # the sender's mistake
    """A message that cannot be used.

    Attributes:
        kind: A short fixed name to count by: ``java``, ``charset``, ``channel``, ``property``, ``compression``,
            ``batch`` or ``size``.
        advice: What is wrong and what to do about it; quotes nothing from the message.
    """

    def __init__(self, kind: str, advice: str) -> None:
        super().__init__(advice)
        self.kind = kind
        self.advice = advice


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
        properties: Those of the delivery.
        body: Its body.
        max_bytes: The largest body, also after decompression.

    Raises:
        Refused: The message cannot be used.
    """
    headers = properties.headers
    channels = _channels(routing_key, headers)
    encoding = _line(properties.content_encoding).lower()
    concerned = isinstance(headers, dict) and not _CONTENT_HEADERS.isdisjoint(headers)
    if concerned or (encoding and encoding not in _UTF8):
        body, encoding = _decompressed(properties, encoding, body, max_bytes)
        if is_batch(headers):
            return _batch(offset, channels, properties, encoding, body)
    return _messages(offset, channels, properties, _content(properties.content_type, encoding, body), 0)


def _batch(
    offset: int, channels: Sequence[str], properties: Properties, encoding: str, body: bytes
) -> Sequence[Message]:
    try:
        parts = split(body, max(1, MAX_PARTS // len(channels)))
    except MalformedError:
        advice = f"a batch is not of Spring's format lengthHeader4, or has more than {MAX_PARTS} messages"
        raise Refused("batch", advice) from None
    contents = [_content(properties.content_type, encoding, part) for part in parts]
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
    event = _line(properties.type)
    message_id = _line(properties.message_id)
    stamp = properties.timestamp
    published_at = float(stamp) if isinstance(stamp, int) else 0.0
    return [
        Message(offset, name, body, kind, content_type, event, message_id, published_at, following)
        for name in channels
    ]


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
        if value != _line(value) or len(value.encode()) > channel.LONGEST:
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
        listed = [name.strip() for name in listed.split(",")]
    if not isinstance(listed, list) or not listed:
        # Addressed to nobody is a mistake; it must not become a broadcast.
        raise Refused(
            "channel", 'the header "channels" must be a list of names, or names separated by commas'
        )
    return list(dict.fromkeys(_channel(name) for name in listed))


def _channel(name: object) -> str:
    if not isinstance(name, str):
        raise Refused("channel", "a channel's name must be a string in UTF-8")
    if fault := channel.fault(name):
        raise Refused("channel", fault)
    return name


def _decompressed(properties: Properties, encoding: str, body: bytes, max_bytes: int) -> tuple[bytes, str]:
    """Undo the compressions that are named; give the body, and what the encoding says of its charset."""
    names, charset = compression.of_encoding(encoding)
    headers = properties.headers
    if not names and isinstance(headers, dict) and "compression" in headers:
        names = compression.of_header(headers["compression"])
    if len(names) > _COMPRESSIONS:
        raise Refused("compression", "a body is compressed more than twice")
    plain = body
    try:
        for name in names:
            plain = compression.decompress(name, plain, max_bytes)
    except BombError:
        raise Refused("size", TOO_LARGE) from None
    except UnreadableError:
        if not _is_text(_media(_line(properties.content_type))[0]):
            return body, charset  # binary: its clients may know what to do with it
        raise Refused("compression", f"a body cannot be decompressed; {compression.NOT_HERE}") from None
    return plain, charset


def _content(declared: object, encoding: str, body: bytes) -> tuple[Kind, bytes, str]:
    """Decide between text and binary; give the body in UTF-8 if it is text, and its content type.

    Args:
        declared: The content type as it came.
        encoding: The charset of ``content_encoding`` in lower case, or ``""``.
        body: Decompressed.
    """
    content_type = _line(declared)
    media, charset = _media(content_type)
    if media == _JAVA:
        raise Refused(
            "java",
            "a body is serialized Java; publish a String, or set a JSON converter on the RabbitTemplate",
        )
    if not _is_text(media):
        return Kind.BINARY, body, content_type
    charset = encoding or charset
    if charset and charset not in _UTF8:
        return Kind.TEXT, _convert(body, charset), media
    if _is_utf8(body):
        return Kind.TEXT, body, content_type
    if media or charset:
        raise Refused("charset", "a body declared as text is not UTF-8; set content_encoding to its charset")
    return Kind.BINARY, body, content_type


def _is_text(media: str) -> bool:
    """Return True for a textual media type, and for none: then the bytes decide."""
    return not media or media in _TEXTUAL or media.startswith("text/") or media.endswith(("+json", "+xml"))


def _media(content_type: str) -> tuple[str, str]:
    """Split a content type (RFC 9110 section 8.3.1) in its media type and its charset, in lower case."""
    media, *parameters = content_type.lower().split(";")
    charset = ""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset":
            charset = value.strip().strip('"')
    media = media.strip()
    return (media if "/" in media else ""), charset


def _convert(body: bytes, charset: str) -> bytes:
    try:
        # By the codec's own name: it answers to many others.
        if codecs.lookup(charset).name in _NO_CHARSETS:
            raise Refused("charset", "the content encoding is no charset")
        return body.decode(charset).encode()
    except LookupError:  # also raised for codecs that are no charsets: zlib, base64 …
        raise Refused("charset", "the content encoding is no charset known here") from None
    except ValueError:
        raise Refused("charset", "a body is not in the charset it declares") from None


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _line(value: object) -> str:
    """Give a text property that fits in one line of any protocol, or ``""``."""
    return value if isinstance(value, str) and value.isprintable() else ""
