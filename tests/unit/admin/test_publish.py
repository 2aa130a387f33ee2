"""Publishing over HTTP."""

from __future__ import annotations

import json
from typing import Any, NoReturn, cast

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import LogLevel, capturedLogs

from pushd.admin.exchange import Answer, Ask
from pushd.admin.publish import BroadcastRequest, PublishPage, PublishRequest
from pushd.interfaces import PublishError
from pushd.message import STRING, Publication


def post(
    value: object, *, to: type[BroadcastRequest] = PublishRequest, size: int = 100
) -> tuple[int, Any, list[Publication]]:
    """Publish, with a broker that confirms at once; give the status, the JSON and what was published."""
    published: list[Publication] = []

    def publish(publication: Publication) -> Deferred[None]:
        published.append(publication)
        return succeed(None)

    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    answer = PublishPage(to, publish, size).answer(Ask("application/json", body))
    found: list[Answer] = []
    if isinstance(answer, Deferred):
        answer.addCallback(found.append)
    else:
        found.append(answer)
    return found[0].status, json.loads(found[0].body), published


@pytest.mark.parametrize(
    ("value", "publication"),
    [
        ({"channel": "x", "data": "plain é"}, Publication("plain é".encode(), ("x",))),
        (
            {"channel": "x", "data": {"a": [1, "é", None]}},
            Publication('{"a":[1,"é",null]}'.encode(), ("x",), content_type="application/json"),
        ),
        ({"channel": "x", "data": None}, Publication(b"null", ("x",), content_type="application/json")),
        ({"channels": ["b", "a", "b"], "data": ""}, Publication(b"", ("b", "a"))),
        ({"channels": ["a,b", "a,b"], "data": ""}, Publication(b"", ("a,b",))),
        (
            {"channel": "x", "data": "d", "event": "price", "message_id": "m1"},
            Publication(b"d", ("x",), event="price", message_id="m1"),
        ),
        ({"channel": "x", "data": "42"}, Publication(b"42", ("x",), content_type=STRING)),
        ({"channel": "x", "data": '{"a":1}'}, Publication(b'{"a":1}', ("x",), content_type=STRING)),
        ({"channel": "x", "data": "null"}, Publication(b"null", ("x",), content_type=STRING)),
        (
            {"channel": "x", "data": 123456789012345678901234567890},
            Publication(b"123456789012345678901234567890", ("x",), content_type="application/json"),
        ),
    ],
)
def test_publish(value: object, publication: Publication) -> None:
    """A string goes as its text, marked if it looks like JSON; other JSON compact; channels each once."""
    assert (200, {"published": True}, [publication]) == post(value)


def test_broadcast() -> None:
    """A broadcast has no channel, and takes none."""
    assert (200, {"published": True}, [Publication(b"d")]) == post({"data": "d"}, to=BroadcastRequest)
    status, answer, published = post({"data": "d", "channel": "x"}, to=BroadcastRequest)
    assert (422, "channel", []) == (status, answer["error"]["field"], published)


@pytest.mark.parametrize(
    ("value", "field", "message"),
    [
        ({"channel": "x"}, "data", "Field required"),
        ({"data": "d"}, None, "either channel or channels must be given"),
        ({"data": "d", "channel": "x", "channels": ["y"]}, None, "either channel or channels must be given"),
        ({"data": "d", "channel": 7}, "channel", "Input should be a valid string"),
        ({"data": "d", "channel": ""}, "channel", "a channel's name must not be empty"),
        (
            {"data": "d", "channels": ["a", "b c"]},
            "channels.1",
            "a channel's name must have no spaces and no unprintable characters",
        ),
        (
            {"data": "d", "channels": ["a,b", "c"]},
            "channels",
            "a channel with a comma in its name can only be addressed alone",
        ),
        ({"data": "d", "channels": "a"}, "channels", "Input should be a valid list"),
        (
            {"data": "d", "channel": "x", "event": "a\nb"},
            "event",
            "this must be printable and at most 255 bytes",
        ),
        (
            {"data": "d", "channel": "x", "message_id": "é" * 128},
            "message_id",
            "this must be printable and at most 255 bytes",
        ),
        ({"data": "d", "channel": "x", "ttl": 1}, "ttl", "Extra inputs are not permitted"),
        ({"data": "d", "channel": "x", "y" * 100: 1}, "y" * 64, "Extra inputs are not permitted"),
        ([], None, "the body must be a JSON object"),
    ],
)
def test_mistakes_in_fields(value: object, field: str | None, message: str) -> None:
    """The error names the field and what is wrong with it, and nothing is published."""
    assert (422, {"error": {"field": field, "message": message}}, []) == post(value)


@pytest.mark.parametrize("count", [0, 101])
def test_how_many_channels(count: int) -> None:
    """One to a hundred."""
    status, answer, _ = post({"data": "d", "channels": [f"c{number}" for number in range(count)]})
    assert (422, "channels") == (status, answer["error"]["field"])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"data":NaN}',
        b'{"data":1e999}',
        b'{"data":"\xe9"}',
        b'{"data":"\\ud800"}',
        b"[" * 100_000,
        b"9" * 5000,
    ],
)
def test_no_json(body: bytes) -> None:
    """What is no JSON, or could not be written as JSON in UTF-8 again, is refused."""
    assert (400, {"error": {"field": None, "message": "the body is not JSON in UTF-8"}}, []) == post(body)


def test_too_big() -> None:
    """The bound on a message counts the bytes that would be sent."""
    assert 200 == post({"channel": "x", "data": "é" * 50})[0]
    assert (413, {"error": {"field": "data", "message": "this must not exceed 100 bytes"}}, []) == post(
        {"channel": "x", "data": "é" * 51}
    )


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_content_type(content_type: str) -> None:
    """What a form of another origin can send is not taken."""
    page = PublishPage(BroadcastRequest, lambda _: succeed(None), 100)
    answer = cast("Answer", page.answer(Ask(content_type, b'{"data":"d"}')))
    assert 415 == answer.status


@pytest.mark.parametrize(("temporary", "status"), [(True, 503), (False, 502)])
def test_no_confirm(temporary: bool, status: int) -> None:
    """Without a confirm the reason is said; when it may pass, so is when to come again."""
    error = PublishError("the broker is away", temporary=temporary)
    found: list[Answer] = []
    page = PublishPage(BroadcastRequest, lambda _: fail(error), 100)
    cast("Deferred[Answer]", page.answer(Ask("application/json", b'{"data":"d"}'))).addCallback(found.append)
    assert (status, b'{"error":{"field":null,"message":"the broker is away"}}\n', temporary) == (
        found[0].status,
        found[0].body,
        "Retry-After" in found[0].headers,
    )


def test_a_fault_of_ours() -> None:
    """What is no answer of the broker's goes to the log, not to the peer."""

    def publish(publication: Publication) -> NoReturn:
        raise LookupError("secret")

    found: list[Answer] = []
    page = PublishPage(BroadcastRequest, publish, 100)
    with capturedLogs() as events:
        cast("Deferred[Answer]", page.answer(Ask("application/json", b'{"data":"d"}'))).addCallback(
            found.append
        )
    assert [LogLevel.critical] == [event["log_level"] for event in events]
    assert (500, False) == (found[0].status, b"secret" in found[0].body)
