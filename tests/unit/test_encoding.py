"""The exact bytes of each protocol."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import pytest

from pushd import encoding
from pushd.encoding import (
    BINARY,
    TEXT,
    CentrifugoEncoding,
    CentrifugoFrames,
    Framing,
    RawEncoding,
    SseEncoding,
    UniEncoding,
    UniSseEncoding,
    frame,
    json_data,
)
from pushd.interfaces import Encoding
from pushd.message import BROADCAST, Kind, Message


def epoch() -> str:
    """Give the epoch of these tests."""
    return "e1"


@pytest.mark.parametrize(
    ("length", "head"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65535, b"\x81\x7e\xff\xff"),
        (65536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_frame_lengths(length: int, head: bytes) -> None:
    """A frame's length takes 7, 16 or 64 bits, the fewest that do."""
    assert head + b"x" * length == frame(TEXT, b"x" * length)


def test_binary_frame() -> None:
    """The opcode is in the low bits of the first byte."""
    assert b"\x82\x01\x00" == frame(BINARY, b"\x00")


@pytest.mark.parametrize(
    ("body", "kind", "data"),
    [
        (b'{"a": 1}', Kind.TEXT, b'{"a": 1}'),
        (b'{\r\n"a":\n1}', Kind.TEXT, b'{  "a": 1}'),
        (b"7", Kind.TEXT, b"7"),
        (b"hello", Kind.TEXT, b'"hello"'),
        (b"two\nlines", Kind.TEXT, b'"two\\nlines"'),
        (b'say "x"', Kind.TEXT, b'"say \\"x\\""'),
        ("naïve".encode(), Kind.TEXT, '"naïve"'.encode()),
        (b"", Kind.TEXT, b'""'),
        (b"\x00\xff", Kind.BINARY, b'"AP8="'),
        (b'{"a":1}', Kind.BINARY, b'"eyJhIjoxfQ=="'),
    ],
)
def test_json_data(body: bytes, kind: Kind, data: bytes) -> None:
    """JSON passes on one line, other text is quoted, binary is base64."""
    assert data == json_data(Message(1, "c", body, kind))


def test_raw() -> None:
    """A body is a frame: text as text, binary as binary."""
    messages = [Message(1, "c", b"ab"), Message(2, "c", b"\x00", Kind.BINARY)]
    assert b"\x81\x02ab\x82\x01\x00" == RawEncoding().join(messages)


def test_raw_same_offset() -> None:
    """What reaches a client over two of its channels is sent once."""
    messages = [Message(1, "c", b"ab"), Message(1, "d", b"ab"), Message(2, "c", b"ab")]
    assert b"\x81\x02ab\x81\x02ab" == RawEncoding().join(messages)


def test_nothing() -> None:
    """No message is no byte."""
    assert b"" == RawEncoding().join([])


def test_sse() -> None:
    """An event has the position as its id, the type as its name, and each line of the body."""
    message = Message(7, "c", b"one\ntwo\r\nthree\rfour", event="news")
    expected = b"id: e1:7\nevent: news\ndata: one\ndata: two\ndata: three\ndata: four\n\n"
    assert expected == SseEncoding(epoch).join([message])


@pytest.mark.parametrize("event", ["", "a\nb", "a\rdata: x", "\0"])
def test_sse_without_name(event: str) -> None:
    """No type, and one that could break out of its line, is no name."""
    assert b"id: e1:7\ndata: x\n\n" == SseEncoding(epoch).join([Message(7, "c", b"x", event=event)])


def test_sse_binary() -> None:
    """A binary body is base64."""
    assert b"id: e1:7\ndata: AP8=\n\n" == SseEncoding(epoch).join([Message(7, "c", b"\x00\xff", Kind.BINARY)])


def test_sse_same_offset() -> None:
    """What reaches a client over two of its channels is one event."""
    messages = [Message(1, "c", b"x"), Message(1, BROADCAST, b"x"), Message(3, "c", b"y")]
    assert b"id: e1:1\ndata: x\n\nid: e1:3\ndata: y\n\n" == SseEncoding(epoch).join(messages)


def test_centrifugo() -> None:
    """Pushes are lines of one frame; a channel's copy of an offset is a push of its own."""
    messages = [Message(1, 'a"b', b"{}"), Message(1, "d", b"{}"), Message(2, BROADCAST, b"x")]
    lines = (
        b'{"push":{"channel":"a\\"b","pub":{"data":{},"offset":1}}}\n'
        b'{"push":{"channel":"d","pub":{"data":{},"offset":1}}}\n'
        b'{"push":{"channel":"all","pub":{"data":"x","offset":2}}}'
    )
    assert b"\x81\x7e" + len(lines).to_bytes(2, "big") + lines == CentrifugoEncoding("all").join(messages)


def test_uni_websocket() -> None:
    """Bare pushes are frames of their own."""
    first = b'{"channel":"c","pub":{"data":1,"offset":1}}'
    second = b'{"channel":"all","pub":{"data":2,"offset":2}}'
    messages = [Message(1, "c", b"1"), Message(2, BROADCAST, b"2")]
    expected = b"\x81" + bytes([len(first)]) + first + b"\x81" + bytes([len(second)]) + second
    assert expected == UniEncoding("all").join(messages)


def test_centrifugo_frames() -> None:
    """Pushes as lines are, but each in a frame of its own: none has to be made for one client alone."""
    encoding = CentrifugoFrames("all")
    first = b'{"push":{"channel":"c","pub":{"data":1,"offset":1}}}'
    second = b'{"push":{"channel":"all","pub":{"data":2,"offset":2}}}'
    messages = [Message(1, "c", b"1"), Message(2, BROADCAST, b"2")]
    assert frame(TEXT, first) + frame(TEXT, second) == encoding.join(messages)


@pytest.mark.parametrize(
    "make",
    [RawEncoding, partial(UniEncoding, "all"), partial(CentrifugoFrames, "all")],
    ids=["raw", "uni", "centrifugo"],
)
def test_frames_are_made_as_wanted(make: Callable[[Framing], Encoding]) -> None:
    """Each once, however often it is joined with others."""
    payloads: list[bytes] = []

    def framing(opcode: int, payload: bytes) -> bytes:
        payloads.append(payload)
        return b"<%d>" % opcode

    encoding, messages = make(framing), [Message(1, "c", b"1"), Message(2, BROADCAST, b"2")]
    assert (b"<1><1>", b"<1>") == (encoding.join(messages), encoding.join(messages[1:]))
    assert 2 == len(payloads)


def test_uni_sse() -> None:
    """Bare pushes are events with positions."""
    expected = b'id: e1:1\ndata: {"channel":"c","pub":{"data":{"a":  1},"offset":1}}\n\n'
    assert expected == UniSseEncoding("all", epoch).join([Message(1, "c", b'{"a":\r\n1}')])


def test_uni_sse_one_offset_on_several_channels() -> None:
    """A position stands for all channels: only with the last of them has the client come there."""
    messages = [Message(1, "a", b"0"), Message(2, "a", b"0"), Message(2, "b", b"0"), Message(3, "a", b"0")]
    expected = (
        b'id: e1:1\ndata: {"channel":"a","pub":{"data":0,"offset":1}}\n\n'
        b'data: {"channel":"a","pub":{"data":0,"offset":2}}\n\n'
        b'id: e1:2\ndata: {"channel":"b","pub":{"data":0,"offset":2}}\n\n'
        b'id: e1:3\ndata: {"channel":"a","pub":{"data":0,"offset":3}}\n\n'
    )
    assert expected == UniSseEncoding("all", epoch).join(messages)


def batch(*channels: str) -> list[Message]:
    """Make a batch of two parts at offset 2, channel after channel as the log gives it."""
    return [Message(2, name, b"1%d" % (1 - left), following=left) for name in channels for left in (1, 0)]


@pytest.mark.parametrize("channels", [("c",), ("c", "d")])
def test_the_parts_of_a_batch(channels: tuple[str, ...]) -> None:
    """Each part is sent once, in order, though all have one offset; the last event carries the position."""
    messages = [Message(1, "c", b"0"), *batch(*channels), Message(3, "c", b"0")]
    assert b"\x81\x010\x81\x0210\x81\x0211\x81\x010" == RawEncoding().join(messages)
    assert b"id: e1:1\ndata: 0\n\ndata: 10\n\nid: e1:2\ndata: 11\n\nid: e1:3\ndata: 0\n\n" == SseEncoding(
        epoch
    ).join(messages)


def test_parts_that_come_by_turns() -> None:
    """The order of channels and parts does not matter, as long as each channel's parts are in order."""
    first, second, third, fourth = batch("c", "d")
    assert b"\x81\x0210\x81\x0211" == RawEncoding().join([first, third, second, fourth])


def test_centrifugos_offset_comes_with_the_last_part() -> None:
    """A client shows the offset of its last publication: a part of the batch does not bring it there."""
    first = b'{"channel":"c","pub":{"data":10}}'
    second = b'{"channel":"c","pub":{"data":11,"offset":2}}'
    messages = batch("c")
    assert frame(TEXT, first) + frame(TEXT, second) == UniEncoding("all").join(messages)
    events = b"data: " + first + b"\n\nid: e1:2\ndata: " + second + b"\n\n"
    assert events == UniSseEncoding("all", epoch).join(messages)


def test_made_once() -> None:
    """The bytes of a message are the same object for the next one who needs them."""
    raw, message = RawEncoding(), Message(1, "c", b"x" * 200)
    assert raw.piece(message) is raw.piece(message)


def test_oldest_forgotten() -> None:
    """Kept pieces are bounded in bytes, and the oldest go first."""
    raw, body = RawEncoding(), b"x" * (encoding._KEPT // 4 - 300)
    messages = [Message(offset, "c", body) for offset in range(3)]
    pieces = [raw.piece(message) for message in messages]
    assert pieces[1] is raw.piece(messages[1])
    assert pieces[2] is raw.piece(messages[2])
    assert pieces[0] is not raw.piece(messages[0])
    assert raw._size <= encoding._KEPT


def test_what_is_kept_alive_counts() -> None:
    """A small piece of a large message keeps all of it."""
    raw, body = RawEncoding(lambda _opcode, _payload: b"small"), b"x" * (encoding._KEPT // 2)
    messages = [Message(offset, "c", body) for offset in range(2)]
    for message in messages:
        raw.piece(message)
    assert [messages[1]] == list(raw._pieces)


def test_small_messages_count_for_what_they_cost() -> None:
    """The objects that hold a short one are many times its size."""
    raw = RawEncoding()
    for offset in range(encoding._KEPT // encoding._OVERHEAD + 10):
        raw.piece(Message(offset, "c", b""))
    most = encoding._KEPT // (encoding._OVERHEAD + len(frame(1, b"")))
    assert most == len(raw._pieces)


def test_larger_than_everything() -> None:
    """A piece larger than all that may be kept is given and forgotten."""
    raw, body = RawEncoding(), b"x" * encoding._KEPT
    assert len(body) + 10 == len(raw.piece(Message(1, "c", body)))
    assert 0 == raw._size


@pytest.mark.parametrize(
    "body",
    [
        b'"\\ud83d"',
        b"18446744073709551616",
        b"[1e400,0.10000000000000000555111512312578]",
        b'{"a":1,"a":2}',
        b"9" * 5000,
    ],
)
def test_rare_json_is_as_it_is(body: bytes) -> None:
    """Half a character and any number pass without a change."""
    assert b'{"channel":"c","pub":{"data":%b,"offset":1}}' % body == UniEncoding("all").push(
        Message(1, "c", body)
    )


def test_json_that_is_too_deep_is_a_marked_string() -> None:
    """A tag tells it from a text."""
    body = b"[" * 2000 + b"]" * 2000
    push = b'{"channel":"c","pub":{"data":"%b","offset":1,"tags":{"json":"text"}}}' % body
    assert push == UniEncoding("all").push(Message(1, "c", body))
    assert b'"tags"' not in UniEncoding("all").push(Message(1, "c", body, Kind.BINARY))


@pytest.mark.parametrize("declared", ["text/plain; as=string", "Text/Plain;as=string"])
@pytest.mark.parametrize("body", [b"42", b"null", b'{"a":1}'])
def test_a_declared_string_is_one(declared: str, body: bytes) -> None:
    """A text that looks like JSON is a string if its publisher says so."""
    assert body.decode() == json.loads(json_data(Message(1, "c", body, content_type=declared)))
