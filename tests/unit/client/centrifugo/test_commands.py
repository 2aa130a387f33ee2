from __future__ import annotations

import pytest

from pushd.client.centrifugo.commands import (
    Connect,
    History,
    NotACommandError,
    Ping,
    Pong,
    Presence,
    PresenceStats,
    Publish,
    Refresh,
    Since,
    SubRefresh,
    Subscribe,
    Unsubscribe,
    parse,
    parse_connect,
)
from pushd.client.centrifugo.errors import BAD_REQUEST, METHOD_NOT_FOUND, NOT_AVAILABLE
from pushd.message import Position


def test_what_stock_clients_say() -> None:
    """Names, versions and unknown fields are passed over."""
    lines = (
        b'{"connect":{"name":"js","token":"t","headers":{"a":"b"}},"id":1}',
        b'{"subscribe":{"channel":"news","flag":1,"recover":true,"offset":7,"epoch":"e1"},"id":2}',
    )
    assert [
        (1, Connect(token="t")),
        (2, Subscribe(channel="news", flag=1, recover=True, offset=7, epoch="e1")),
    ] == [parse(line) for line in lines]


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        (b'{"id":3,"unsubscribe":{"channel":"x"}}', Unsubscribe(channel="x")),
        (b'{"id":3,"publish":{"channel":"x","data":{"a":[1]}}}', Publish(channel="x", body=b'{"a":[1]}')),
        (b'{"id":3,"publish":{"channel":"x","data":null}}', Publish(channel="x", body=b"null")),
        (b'{"id":3,"presence":{"channel":"x"}}', Presence(channel="x")),
        (b'{"id":3,"presence_stats":{"channel":"x"}}', PresenceStats(channel="x")),
        (
            b'{"id":3,"history":{"channel":"x","limit":10,"since":{"offset":3,"epoch":null},"reverse":true}}',
            History(channel="x", limit=10, since=Since(offset=3), reverse=True),
        ),
        (b'{"id":3,"refresh":{"token":"t"}}', Refresh(token="t")),
        (b'{"id":3,"sub_refresh":{"channel":"x","token":"t"}}', SubRefresh(channel="x", token="t")),
        (b'{"id":3,"ping":{}}', Ping()),
        (
            b'{"id":3,"connect":{"token":null,"subs":{"x":{"epoch":null,"offset":5}}}}',
            Connect(subs={"x": Subscribe(offset=5)}),
        ),
    ],
)
def test_each_method_has_its_request(text: bytes, request_: object) -> None:
    """Every method of the protocol becomes its own kind of request; null is absent."""
    assert (3, request_) == parse(text)


def test_an_empty_object_is_a_pong() -> None:
    """The answer to a server's ping has neither number nor method."""
    number, pong = parse(b"{}")
    assert (0, Pong()) == (number, pong)
    assert pong is parse(b"{}")[1]


def test_a_place_is_a_position() -> None:
    """A client's epoch and offset are what everybody else calls a position."""
    assert Position("e1", 5) == Since(offset=5, epoch="e1").position


def test_bit_two_of_the_flags_wants_all_or_an_error() -> None:
    """Bit 1, which stock clients always send, means something else."""
    assert [False, False, True, True] == [Subscribe(flag=flag).all_or_error for flag in range(4)]


@pytest.mark.parametrize(
    "text",
    [
        b'{"id":4,"subscribe":{"channel":7}}',
        b'{"id":4,"subscribe":{"channel":"x","offset":-1}}',
        b'{"id":4,"subscribe":{"channel":"x","offset":18446744073709551616}}',
        b'{"id":4,"subscribe":{"channel":"x","recover":"yes"}}',
        b'{"id":4,"subscribe":"x"}',
        b'{"id":4,"subscribe":null}',
        b'{"id":4,"connect":{"subs":{"x":null}}}',
        b'{"id":4,"presence":{}}',
        b'{"id":4,"history":{"channel":"x","limit":1.5}}',
    ],
)
def test_wrong_fields_are_a_bad_request(text: bytes) -> None:
    """A known method with fields that are not the protocol's earns its error, not the end."""
    assert (4, BAD_REQUEST) == parse(text)


def test_methods_that_are_not_served() -> None:
    """A procedure call is known and not available; an unknown method is not found."""
    assert (5, NOT_AVAILABLE) == parse(b'{"id":5,"rpc":{}}')
    assert (6, METHOD_NOT_FOUND) == parse(b'{"id":6,"teleport":{}}')


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" \n ",
        b"hello",
        b"[]",
        b"7",
        b"\xff",
        b'{"id":1}',
        b'{"ping":{}}',
        b'{"id":0,"ping":{}}',
        b'{"id":-1,"ping":{}}',
        b'{"id":4294967296,"ping":{}}',
        b'{"id":true,"ping":{}}',
        b'{"id":"1","ping":{}}',
        b'{"id":1,"ping":{},"connect":{}}',
        b'{"send":{"data":1}}',
        b'{"id":1,"ping":{}}\nhello',
        b"[" * 10_000,
    ],
)
def test_what_is_no_command_is_told_apart(text: bytes) -> None:
    """Not JSON, not an object, without a number, without a method or with two of them: no command."""
    with pytest.raises(NotACommandError):
        parse(text)


def test_a_bare_connect_request() -> None:
    """Unidirectional clients send it without a number, or nothing at all."""
    assert Connect(subs={"x": Subscribe()}) == parse_connect(b'{"subs":{"x":{}},"name":"uni"}')
    assert Connect() == parse_connect(b"")


@pytest.mark.parametrize("text", [b"hello", b"[]", b'{"subs":[]}', b'{"token":7}'])
def test_a_bare_connect_request_that_is_none(text: bytes) -> None:
    """Anything else is no request."""
    with pytest.raises(NotACommandError):
        parse_connect(text)


@pytest.mark.parametrize(
    "data",
    [
        "18446744073709551616",
        "123456789012345678901234567890",
        "0.1000000000000000055511151231257827021181583404541015625",
        "1.0",
        "1e400",
        '"\\ud83d"',
        '{"a":"\\ud83d","a":"\\ud83d\\ude00"}',
        '"two  spaces"',
        "9" * 5000,
        "[" * 254 + "]" * 254,
    ],
)
def test_data_is_published_as_it_was_written(data: str) -> None:
    """No digit is lost, and half a character passes."""
    assert (3, Publish(channel="x", body=data.encode())) == parse(
        f'{{"publish":{{"channel":"x","data": {data} }},"id":3}}'.encode()
    )


def test_data_is_compact() -> None:
    """White space between tokens is not published."""
    assert (3, Publish(channel="x", body=b'{"a":[1,"b c"]}')) == parse(
        b'{"id":3,"publish":{"channel":"x","data":{ "a" : [ 1,\t"b c" ] }}}'
    )


def test_no_data() -> None:
    """What is absent is null."""
    assert (3, Publish(channel="x", body=b"null")) == parse(b'{"id":3,"publish":{"channel":"x"}}')


@pytest.mark.parametrize(
    "data", ["NaN", "[Infinity]", "[-Infinity]", "[" * 255 + "]" * 255, "[" * 950 + "]" * 950, "[" * 20_000]
)
def test_data_that_cannot_be_published(data: str) -> None:
    """What is nested too deeply, or no JSON that a browser reads, is refused, and the connection goes on."""
    assert (3, BAD_REQUEST) == parse(f'{{"id":3,"publish":{{"channel":"x","data":{data}}}}}'.encode())
    assert (3, BAD_REQUEST) == parse(f'{{"publish":{{"channel":"x","data":{data}}},"id":3}}'.encode())


@pytest.mark.parametrize(
    "text",
    [
        b'{"publish":' + b"[" * 2000,
        b'{"id":0,"publish":' + b"[" * 2000,
        b'{"id":4294967296,"x":' + b"[" * 2000,
    ],
)
def test_a_deep_command_without_a_number(text: bytes) -> None:
    """What is nested too deeply to be read needs a number to be answered under."""
    with pytest.raises(NotACommandError):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [b'{"id":4,"refresh":{"token":"\\ud83d"}}', b'{"id":4,"connect":{"subs":{"x":{"token":"\\ud83d"}}}}'],
)
def test_half_a_character_in_a_token(text: bytes) -> None:
    """No token has one: its signature could not be checked."""
    assert (4, BAD_REQUEST) == parse(text)


def test_a_bare_connect_request_that_is_deep() -> None:
    """It ends as any other that is none."""
    with pytest.raises(NotACommandError, match=r"^nested too deeply$"):
        parse_connect(b'{"data":' + b"[" * 2000 + b"]" * 2000 + b"}")
