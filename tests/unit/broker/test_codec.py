"""pushd.broker.codec."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from struct import pack

import pytest

from pushd.broker.codec import MAX_CHANNELS, Refused, decode, encode
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
        "base64",
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


_GBK = "测试".encode("gbk")


@pytest.mark.parametrize("name", ["identity", "7bit", "8bit", "BINARY", "Identity"])
def test_unencoded(name: str) -> None:
    """These values say that nothing was done to the body; its content type may still name a charset."""
    body = "测试".encode()
    assert only(body, content_encoding=name).body is body
    assert only(_GBK, content_encoding=name, content_type="text/plain; charset=gbk").body == body
    assert only(b"\xff", content_encoding=name).kind is Kind.BINARY


@pytest.mark.parametrize(
    ("encoding", "charset"),
    [
        ("gzip", "utf-8"),
        ("GZIP", "utf-8"),
        ("gzip:UTF-8", "utf-8"),
        ("gzip, utf-8", "utf-8"),
        ("gzip;GBK", "gbk"),
        ("UTF-8, gzip", "utf-8"),
        ("gzip:binary", "utf-8"),
    ],
)
def test_compressed_text(encoding: str, charset: str) -> None:
    """A body is decompressed first, and then read in its charset."""
    message = only(
        gzip.compress("测试".encode(charset)), content_encoding=encoding, content_type="text/plain"
    )
    assert ("测试".encode(), Kind.TEXT, "text/plain") == (message.body, message.kind, message.content_type)


def test_compressed_without_a_type() -> None:
    """The bytes decide once they can be read."""
    assert only(gzip.compress(b"abc"), content_encoding="gzip").kind is Kind.TEXT
    assert only(gzip.compress(b"\xff"), content_encoding="gzip").kind is Kind.BINARY


def test_compressed_twice() -> None:
    """The compression that was applied last stands first, as Spring writes it; more than two are refused."""
    body = zlib.compress(gzip.compress(b"abc"))
    assert only(body, content_encoding="deflate:gzip:utf-8").body == b"abc"
    assert refused(zlib.compress(body), content_encoding="deflate:deflate:gzip") == "compression"


@pytest.mark.parametrize("value", ["application/x-gzip", "gzip", " application/zlib "])
def test_compressed_by_kombu(value: str) -> None:
    """The charset stands in the content encoding, the compression in a header."""
    message = only(
        zlib.compress(_GBK),
        content_encoding="gbk",
        content_type="application/json",
        headers={"compression": value},
    )
    assert "测试".encode() == message.body


@pytest.mark.parametrize("value", ["none", 5, None, True, ["gzip"], ""])
def test_another_header_called_compression(value: object) -> None:
    """A value that names no compression does not concern the body."""
    assert only(b"abc", headers={"compression": value}).body == b"abc"


def test_compressed_binary() -> None:
    """It is decompressed like text; what is not in the format named is passed on as it came."""
    message = only(gzip.compress(b"\xff"), content_type="image/x", content_encoding="gzip")
    assert (b"\xff", Kind.BINARY) == (message.body, message.kind)
    for encoding in ("gzip", "zstd"):
        assert only(b"abc", content_type="image/x", content_encoding=encoding).body == b"abc"


@pytest.mark.parametrize(("body", "encoding"), [(b"abc", "gzip"), (b"abc", "zstd"), (b"abc", "br:utf-8")])
def test_what_cannot_be_decompressed(body: bytes, encoding: str) -> None:
    """Text that nobody could read is refused."""
    assert refused(body, content_encoding=encoding) == "compression"


@pytest.mark.parametrize("content_type", ["text/plain", "image/x", None])
def test_a_bomb(content_type: object) -> None:
    """A body that would become larger than the bound is refused as too large."""
    bomb = gzip.compress(bytes(1001))
    with pytest.raises(Refused, match="max_body_bytes") as caught:
        decode(7, "", Bare(content_encoding="gzip", content_type=content_type), bomb, 1000)
    assert caught.value.kind == "size"
    assert 1 == len(decode(7, "", Bare(content_encoding="gzip", content_type=content_type), bomb, 1001))


def batch(*parts: bytes) -> bytes:
    """Make the body of Spring's batch."""
    return b"".join(pack(">i", len(part)) + part for part in parts)


_BATCH = {"springBatchFormat": "lengthHeader4", "amqp_batchSize": 3}


def test_a_batch() -> None:
    """Its messages share the offset, and each says how many follow on its channel."""
    messages = decode(
        7, "a", Bare(headers=_BATCH, message_id="m", content_type="text/plain"), batch(b"x", b"", b"z")
    )
    assert [(b"x", 2), (b"", 1), (b"z", 0)] == [(m.body, m.following) for m in messages]
    assert {(7, "a", "m", Kind.TEXT)} == {(m.offset, m.channel, m.message_id, m.kind) for m in messages}


def test_a_batch_to_several_channels() -> None:
    """All of its messages reach each channel, in order."""
    messages = decode(7, "", Bare(headers={**_BATCH, "channels": "a,b"}), batch(b"x", b"y"))
    assert [("a", b"x", 1), ("b", b"x", 1), ("a", b"y", 0), ("b", b"y", 0)] == [
        (m.channel, m.body, m.following) for m in messages
    ]


def test_a_compressed_batch() -> None:
    """It is decompressed as a whole, and each message has the charset."""
    properties = Bare(headers=_BATCH, content_encoding="gzip:gbk", content_type="text/plain")
    messages = decode(7, "", properties, gzip.compress(batch(_GBK, b"x")))
    assert ["测试".encode(), b"x"] == [message.body for message in messages]


def test_a_malformed_batch() -> None:
    """It is refused as a whole, and so is one whose messages cannot be used."""
    assert refused(b"\0\0\0\5abc", headers=_BATCH) == "batch"
    assert refused(batch(b"x", b"\xff"), headers=_BATCH, content_type="text/plain") == "charset"
    assert refused(batch(*[b""] * 10_001), headers=_BATCH) == "batch"
    assert refused(batch(*[b""] * 5_001), headers={**_BATCH, "channels": "a,b"}) == "batch"


def test_another_batch_format() -> None:
    """An unknown format is no batch."""
    assert only(b"x", headers={"springBatchFormat": "other"}).body == b"x"


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


def test_very_many_channels() -> None:
    """A message has a bounded number of channels: all its copies are taken at once."""
    names = [f"c{number}" for number in range(MAX_CHANNELS)]
    for header in (names, ",".join(names)):
        messages = decode(7, "", Bare(headers={"channels": header}), b"{}")
        assert names == [message.channel for message in messages]
        assert {messages[0]} == {message.twin for message in messages[1:]}
    for more in ([*names, "one more"], ",".join([*names, "x", "y"]), "," * 100_000):
        assert "channel" == refused(headers={"channels": more})
