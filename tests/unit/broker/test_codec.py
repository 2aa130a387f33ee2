"""pushd.broker.codec."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from pushd.broker.codec import Refused, decode, encode
from pushd.message import Kind, Message, Publication


@dataclass
class Bare:
    """The properties of a message, none set unless said."""

    content_type: object = None
    content_encoding: object = None
    headers: object = None
    message_id: object = None
    timestamp: object = None
    type: object = None


def only(body: bytes = b"x", *, key: object = "", **properties: object) -> Message:
    """Decode what is meant to become exactly one message."""
    [message] = decode(7, key, Bare(**properties), body)
    return message


def refused(body: bytes = b"x", *, key: object = "", **properties: object) -> str:
    """Give the kind of fault of what must not be accepted."""
    with pytest.raises(Refused) as caught:
        decode(7, key, Bare(**properties), body)
    assert caught.value.advice == str(caught.value)
    return caught.value.kind


def test_plain_publish() -> None:
    """A body without any property is a text broadcast of the very same bytes object."""
    body = "测试消息".encode()
    message = only(body)
    assert (7, "", Kind.TEXT, "", "", "", 0.0) == (
        message.offset,
        message.channel,
        message.kind,
        message.content_type,
        message.event,
        message.message_id,
        message.published_at,
    )
    assert message.body is body


def test_properties_are_kept() -> None:
    """Type, identifier, time and content type reach the message."""
    message = only(type="order", message_id="m1", timestamp=1700000000, content_type="application/json")
    assert ("order", "m1", 1700000000.0, "application/json") == (
        message.event,
        message.message_id,
        message.published_at,
        message.content_type,
    )


@pytest.mark.parametrize("value", ["two\nlines", b"\xff", 5, None])
def test_properties_that_fit_no_line(value: object) -> None:
    """What could break a line-based protocol, or is no text, is left out; the message still arrives."""
    message = only(type=value, message_id=value, content_type=value, timestamp="now")
    assert ("", "", "", 0.0) == (
        message.event,
        message.message_id,
        message.content_type,
        message.published_at,
    )


def test_routing_key_is_the_channel() -> None:
    """A routing key addresses one channel."""
    assert only(key="订单.222").channel == "订单.222"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (["a", "b"], ["a", "b"]),
        ("a, b", ["a", "b"]),
        (["a", "b", "a"], ["a", "b"]),
        ("a", ["a"]),
    ],
)
def test_channels_header(header: object, expected: list[str]) -> None:
    """The header addresses several channels, each once, instead of the routing key; they share the body."""
    body = b"same"
    messages = decode(7, "key", Bare(headers={"channels": header}), body)
    assert expected == [message.channel for message in messages]
    assert all(message.body is body and message.offset == 7 for message in messages)


@pytest.mark.parametrize("header", [[], "", ["a", ""], "a,,b", None, 5, [b"\xff"], {"a": 1}, ["with space"]])
def test_channels_header_refused(header: object) -> None:
    """A header that addresses nobody, or no good name, never becomes a broadcast."""
    assert refused(headers={"channels": header}) == "channel"


@pytest.mark.parametrize("key", ["a" * 256, "new\nline", "nul\0", b"\xff"])
def test_bad_routing_key(key: object) -> None:
    """A routing key that is no channel's name is refused."""
    assert refused(key=key) == "channel"


def test_headers_without_channels() -> None:
    """Other headers change nothing."""
    assert only(key="a", headers={"__TypeId__": "x"}).channel == "a"


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "TEXT/HTML; q=1",
        "application/json",
        "application/xml",
        "application/ld+json",
        "image/svg+xml",
    ],
)
def test_textual_types(content_type: str) -> None:
    """Textual content types make text of UTF-8 bodies and refuse others."""
    body = "é".encode()
    message = only(body, content_type=content_type)
    assert (Kind.TEXT, content_type) == (message.kind, message.content_type)
    assert message.body is body
    assert refused(b"\xe9", content_type=content_type) == "charset"


@pytest.mark.parametrize("content_type", ["application/octet-stream", "image/png", "application/x-protobuf"])
def test_binary_types(content_type: str) -> None:
    """Other content types make binary, readable as text or not, and whatever the content encoding."""
    message = only(b"abc", content_type=content_type, content_encoding="gzip")
    assert (Kind.BINARY, b"abc", content_type) == (message.kind, message.body, message.content_type)


@pytest.mark.parametrize(
    ("body", "kind"), [(b"abc", Kind.TEXT), (b"\xff\xfe", Kind.BINARY), (b"", Kind.TEXT)]
)
@pytest.mark.parametrize("content_type", [None, "", "json"])
def test_no_type(body: bytes, kind: Kind, content_type: object) -> None:
    """Without a MIME type the bytes decide."""
    assert only(body, content_type=content_type).kind is kind


@pytest.mark.parametrize(
    "properties",
    [
        {"content_encoding": "GBK"},
        {"content_encoding": "GBK", "content_type": "text/plain"},
        {"content_type": 'text/plain; charset="gbk"'},
        {"content_encoding": "GBK", "content_type": "text/plain; charset=utf-8"},
    ],
)
def test_charset_is_converted(properties: dict[str, object]) -> None:
    """A body in a declared charset becomes UTF-8, and its content type no longer names the old one."""
    message = only("测试".encode("gbk"), **properties)
    assert ("测试".encode(), Kind.TEXT) == (message.body, message.kind)
    assert message.content_type in {"", "text/plain"}


@pytest.mark.parametrize("name", ["UTF-8", "utf8"])
def test_utf8_is_not_copied(name: str) -> None:
    """A body declared as UTF-8 is checked and passed on as it is."""
    body = "测试".encode()
    assert only(body, content_encoding=name).body is body
    assert refused(b"\xff", content_encoding=name) == "charset"


@pytest.mark.parametrize(
    "name",
    [
        "gzip",
        "base64",
        "zlib",
        "no-such",
        "idna",
        "unicode_escape",
        "Unicode Escape",
        "-punycode",
        " raw unicode-escape",
    ],
)
def test_no_charset(name: str) -> None:
    """A content encoding that is no charset is refused, in whichever way it is written."""
    assert refused(content_encoding=name) == "charset"


def test_not_in_its_charset() -> None:
    """A body that is not in the charset it declares is refused."""
    assert refused(b"\xff\xff", content_encoding="gbk") == "charset"


def test_java() -> None:
    """Serialized Java is refused with advice."""
    with pytest.raises(Refused, match="RabbitTemplate"):
        decode(7, "", Bare(content_type="application/x-java-serialized-object"), b"\xac\xed")
    assert refused(content_type="application/x-java-serialized-object") == "java"


def back(publication: Publication) -> list[Message]:
    """Send a publication through both directions."""
    routing_key, properties, body = encode(publication, 1700000000.9)
    assert properties.pop("delivery_mode") == 2
    return list(decode(1, routing_key, Bare(**properties), body))


def test_encode_broadcast() -> None:
    """A text broadcast comes back as it left, as plain text that Spring converts to a String."""
    [message] = back(Publication("测试".encode()))
    assert ("", Kind.TEXT, "text/plain", 1700000000.0) == (
        message.channel,
        message.kind,
        message.content_type,
        message.published_at,
    )


def test_encode_everything() -> None:
    """Channels, binary, event and identifier survive."""
    messages = back(Publication(b"abc", ("a", "b"), Kind.BINARY, "image/png", "e", "i"))
    assert [("a", "image/png"), ("b", "image/png")] == [(m.channel, m.content_type) for m in messages]
    assert all((m.kind, m.event, m.message_id) == (Kind.BINARY, "e", "i") for m in messages)


def test_encode_one_channel() -> None:
    """One channel is the routing key, visible to whoever else listens; binary needs no content type."""
    assert encode(Publication(b"abc", ("a,b",)), 0).routing_key == "a,b"
    [message] = back(Publication(b"abc", ("a,b",), Kind.BINARY))
    assert ("a,b", Kind.BINARY) == (message.channel, message.kind)


@pytest.mark.parametrize(
    ("publication", "kind"),
    [
        (Publication(b"", ("",)), "channel"),
        (Publication(b"", ("a" * 256,)), "channel"),
        (Publication(b"", ("a,b", "c")), "channel"),
        (Publication(b"", event="é" * 128), "property"),
        (Publication(b"", message_id="a\nb"), "property"),
    ],
)
def test_encode_refused(publication: Publication, kind: str) -> None:
    """What AMQP could not carry, or would not come back, is refused before it leaves."""
    with pytest.raises(Refused) as caught:
        encode(publication, 0)
    assert kind == caught.value.kind
