from __future__ import annotations

import time

import jwt
import pytest

from pushd.deflate import inflate
from tests.support.line import Line
from tests.support.public import client_frame
from tests.unit.admin.port import Conversation, request
from tests.unit.service.tree import ADMIN, UPGRADE, Instance, started

SECRET = "correct horse battery staple, twice over"


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        ("/websocket/222", UPGRADE, 101),
        ("/connection/websocket", UPGRADE, 101),
        ("/connection/uni_websocket", UPGRADE, 101),
        ("/connection/uni_sse?cf_connect=%7B%7D", "", 200),
        ("/events?channel=222", "", 200),
        ("/", "", 404),
        ("/elsewhere", "", 404),
    ],
)
def test_the_public_port_has_these_routes(
    instances: list[Instance], target: str, headers: str, status: int
) -> None:
    """Each protocol at its own path, and without the demo nothing at the root."""
    assert status == started(instances).status(target, headers)


@pytest.mark.parametrize(("path", "methods"), [("/events", b"GET"), ("/connection/uni_sse", b"GET, POST")])
def test_a_page_may_ask_for_events_with_headers(instances: list[Instance], path: str, methods: bytes) -> None:
    """A browser asks first when a page sends a token or a position of its own."""
    asks = "Origin: https://a.example\r\nAccess-Control-Request-Method: GET\r\n"
    answer = started(instances).ask(path, asks, "OPTIONS").hear_all()
    assert b"\r\nAccess-Control-Allow-Methods: %b\r\n" % methods in answer
    assert b"\r\nAccess-Control-Allow-Origin: *\r\n" in answer


def test_the_raw_route_stands_where_it_is_configured(instances: list[Instance]) -> None:
    """And no longer at its default."""
    instance = started(instances, WEBSOCKET_PATH="/push/")
    assert (101, 404) == (instance.status("/push/a", UPGRADE), instance.status("/websocket/a", UPGRADE))


def test_the_demo_page_knows_the_raw_route(instances: list[Instance]) -> None:
    """It is only there when asked for."""
    instance = started(instances, LISTEN_DEMO="yes", WEBSOCKET_PATH="/push/")
    page = instance.ask("/").hear_all()
    assert page.startswith(b"HTTP/1.1 200 ")
    assert b"/push/" in page
    assert 200 == instance.status("/", method="HEAD")


def test_subprotocols_are_chosen(instances: list[Instance]) -> None:
    """Centrifugo's wherever its protocol is spoken, on the raw route those of the configuration."""
    instance = started(instances, WEBSOCKET_SUBPROTOCOLS="v2, v1")

    def chosen(path: str, offers: str) -> bytes:
        answer = instance.ask(path, f"{UPGRADE}Sec-WebSocket-Protocol: {offers}\r\n").hear()
        assert answer.startswith(b"HTTP/1.1 101 ")
        return answer.partition(b"Sec-WebSocket-Protocol: ")[2].partition(b"\r\n")[0]

    for path in ("/connection/websocket", "/connection/uni_websocket"):
        assert b"centrifuge-json" == chosen(path, "centrifuge-json")
        assert b"centrifuge-json" == chosen(path, "centrifuge-protobuf, centrifuge-json")
        assert b"" == chosen(path, "v1")
    assert [b"v1", b""] == [chosen("/websocket/222", offers) for offers in ("x, v1, v2", "V1")]


def test_heads_are_bounded_as_configured(instances: list[Instance]) -> None:
    """The request line and each header."""
    small = started(instances, LIMITS_REQUEST_LINE_SIZE="100B", LIMITS_HEADER_SIZE="200B")
    assert [200, 414, 200, 431] == [
        small.status("/events?channel=222"),
        small.status(f"/events?channel={'x' * 100}"),
        small.status("/events", f"Cookie: {'x' * 200}\r\n"),
        small.status("/events", f"Cookie: {'x' * 201}\r\n"),
    ]


def test_an_unreadable_address_is_counted(instances: list[Instance]) -> None:
    """By its kind, for the admin port's metrics."""
    instance = started(instances, AUTH_TRUSTED_PROXIES="192.0.2.0/24")
    instance.status("/events", "X-Forwarded-For: unknown\r\n")
    metrics = Conversation(instance.reactor.factories[ADMIN])
    metrics.say(request("GET", "/metrics"))
    assert b'\npushd_forwarded_unreadable_total{kind="hidden"} 1.0\n' in metrics.hear().body


def test_a_token_is_asked_for_in_jwt_mode(instances: list[Instance]) -> None:
    """Signed with the configured secret, for the configured audience, by the configured issuer."""
    instance = started(
        instances, AUTH_MODE="jwt", AUTH_JWT_SECRET=SECRET, AUTH_JWT_AUDIENCE="push", AUTH_JWT_ISSUER="shop"
    )
    claims = {"sub": "7", "exp": time.time() + 60, "aud": "push", "iss": "shop", "channels": ["222"]}

    def answer(secret: str = SECRET, **changes: object) -> int:
        token = jwt.encode(claims | changes, secret, algorithm="HS256")
        return instance.status(f"/events?channel=222&token={token}")

    assert 401 == instance.status("/events?channel=222")
    assert [200, 401, 401, 401] == [
        answer(),
        answer(secret="x" * 32),
        answer(aud="other"),
        answer(iss="other"),
    ]


def test_what_is_published_reaches_a_client(instances: list[Instance]) -> None:
    """From the admin port, over the broker and the hub, to a WebSocket; confirmed once it has arrived."""
    instance = started(instances)
    client = instance.ask("/websocket/222", UPGRADE)
    assert client.hear_all().startswith(b"HTTP/1.1 101 ")
    operator = Conversation(instance.reactor.factories[ADMIN])
    body = b'{"channel":"222","data":{"n":1}}'
    operator.say(request("POST", "/api/publish", body, content_type="application/json"))
    assert b"" == operator.wire.value()
    instance.reactor.advance(0.1)
    assert (200, b'\x81\x07{"n":1}') == (operator.hear().status, client.hear_all())


DEFLATE = UPGRADE + "Sec-WebSocket-Extensions: permessage-deflate\r\n"
COMMAND = client_frame(1, b'{"id":1,"connect":{}}')


def told(client: Line) -> tuple[int, bytes]:
    """Give the first byte of the one frame that a client was sent, and what the frame says."""
    data = client.hear_all()
    payload = data[4:] if data[1] == 126 else data[2:]
    return data[0], inflate(payload, 10_000) if data[0] & 0x40 else payload


@pytest.mark.parametrize(
    ("target", "first", "beginning"),
    [
        ("/websocket/222", b"", b"xxx"),
        ("/connection/websocket", COMMAND, b'{"push":{"channel":"broadcast"'),
        ("/connection/uni_websocket?cf_connect=%7B%7D", b"", b'{"channel":"broadcast"'),
    ],
)
@pytest.mark.parametrize("compression", ["yes", "no"])
def test_what_is_large_enough_is_deflated(
    instances: list[Instance], target: str, first: bytes, beginning: bytes, compression: str
) -> None:
    """For clients of each protocol that asked for it, if so configured."""
    instance = started(instances, WEBSOCKET_COMPRESSION=compression, WEBSOCKET_COMPRESSION_MIN_SIZE="800B")
    deflating, plain = instance.ask(target, DEFLATE), instance.ask(target, UPGRADE)
    for client in (deflating, plain):
        client.say(first)
        client.hear_all()
    for size, mark in ((600, 0x81), (900, 0xC1 if compression == "yes" else 0x81)):
        operator = Conversation(instance.reactor.factories[ADMIN])
        wish = b'{"data":"%b"}' % (b"x" * size)
        operator.say(request("POST", "/api/broadcast", wish, content_type="application/json"))
        instance.reactor.advance(0.1)
        first_byte, text = told(deflating)
        assert (mark, beginning) == (first_byte, text[: len(beginning)])
        assert (0x81, text) == told(plain)
