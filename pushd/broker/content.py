"""Reads a body: decompresses it within a bound, and decides between text and binary. Pure.

A body is text when

- its ``content_encoding`` or the ``charset`` of its ``content_type`` names one: it is converted to UTF-8;
- its ``content_type`` is a textual one (``text/*``, JSON, XML, JavaScript, forms): it must be UTF-8;
- it has no content type (or one that is no MIME type) and happens to be UTF-8.

Everything else, ``application/octet-stream`` for instance, is binary. Bytes that are UTF-8 already are
passed on as the very object that came.
"""

from __future__ import annotations

import codecs

from pushd.broker import compression
from pushd.broker.compression import BombError, UnreadableError
from pushd.message import Kind

__all__ = ["MAX_BODY_BYTES", "TOO_LARGE", "UTF8", "Refused", "decompressed", "line", "read"]

MAX_BODY_BYTES = 32 * 1024 * 1024
"""The largest body where no configuration says otherwise."""

TOO_LARGE = "a body is larger than max_body_bytes of [broker], or becomes so when it is decompressed"
"""The advice for a body over the bound."""

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
_COMPRESSIONS = 2
"""Compressions of one body, one around the other: each may fill the bound."""

UTF8 = frozenset({"utf-8", "utf8"})
"""Names of the charset that bodies have already, in lower case."""

# Python knows them as codecs of text, but nobody means them as the charset of a message.
_NO_CHARSETS = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})


class Refused(Exception):  # noqa: N818  # the sender's mistake
    """A message that cannot be used.

    Attributes:
        kind: A short fixed name to count by: ``java``, ``charset``, ``channel``, ``property``,
            ``compression``, ``batch`` or ``size``.
        advice: What is wrong and what to do about it; quotes nothing from the message.
    """

    def __init__(self, kind: str, advice: str) -> None:
        super().__init__(advice)
        self.kind = kind
        self.advice = advice


def decompressed(
    content_type: object, encoding: str, headers: object, body: bytes, max_bytes: int
) -> tuple[bytes, str]:
    """Undo the compressions that are named.

    Args:
        content_type: As it came.
        encoding: The ``content_encoding`` in lower case.
        headers: As they came.
        body: As it came.
        max_bytes: The largest result.

    Returns:
        The body, and the charset that the content encoding names or ``""``.

    Raises:
        Refused: The result is too large, or text cannot be decompressed.
    """
    names, charset = compression.of_encoding(encoding)
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
        if not _is_text(_media(line(content_type))[0]):
            return body, charset  # binary: its clients may know what to do with it
        raise Refused("compression", f"a body cannot be decompressed; {compression.NOT_HERE}") from None
    return plain, charset


def read(declared: object, encoding: str, body: bytes) -> tuple[Kind, bytes, str]:
    """Decide between text and binary; give the body in UTF-8 if it is text, and its content type.

    Args:
        declared: The content type as it came.
        encoding: The charset of ``content_encoding`` in lower case, or ``""``.
        body: Decompressed.

    Raises:
        Refused: It is serialized Java, or no text though it says so.
    """
    content_type = line(declared)
    media, charset = _media(content_type)
    if media == _JAVA:
        raise Refused(
            "java",
            "a body is serialized Java; publish a String, or set a JSON converter on the RabbitTemplate",
        )
    if not _is_text(media):
        return Kind.BINARY, body, content_type
    charset = encoding or charset
    if charset and charset not in UTF8:
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


def line(value: object) -> str:
    """Give a text property that fits in one line of any protocol, or ``""``."""
    return value if isinstance(value, str) and value.isprintable() else ""
