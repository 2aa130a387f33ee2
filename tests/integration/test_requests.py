"""Requests as browsers, proxies and libraries send them, to a real instance and through the shipped nginx."""

from __future__ import annotations

import http.client
import socket
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.support.daemon import Daemon
from tests.support.nginx import Nginx
from tests.support.stock import javascript
from tests.support.websocket import heartbeat, open_socket

if TYPE_CHECKING:
    from collections.abc import Iterator

CHANNELS = [quote(f"{number:03}" + "\u9891" * 84) for number in range(128)]
"""As many as a connection may have, each with 255 bytes of UTF-8."""


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    """One instance that does not wait long."""
    with Daemon("1", {"limits.handshake_timeout": "1s", "websocket.ping_interval": "300ms"}) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def nginx(daemon: Daemon) -> Iterator[Nginx]:
    """The shipped nginx before it."""
    with Nginx([daemon.public]) as nginx:
        yield nginx


def answer(port: int, *pieces: bytes) -> bytes:
    """Send bytes to a port of the instance, and give all that comes until it ends the connection."""
    heard = b""
    with closing(socket.create_connection(("127.0.0.1", port), 10)) as client:
        for piece in pieces:
            client.sendall(piece)
        client.settimeout(10)
        while data := client.recv(65536):
            heard += data
    return heard


HEAD = b"GET /nowhere HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (HEAD + b"\r\n", 404),
        (b"\r\n" + HEAD + b"\r\n", 404),
        (HEAD + b"Cookie: city=Z\xfcrich\r\nUser-Agent: \xe6\xb5\x8b\r\n\r\n", 404),
        (HEAD + b"Cookie: " + b"x" * 16384 + b"\r\n\r\n", 404),
        (HEAD + b"Cookie: " + b"x" * 16385 + b"\r\n\r\n", 431),
        (HEAD.replace(b"/nowhere", b"/" + b"x" * 131072) + b"\r\n", 414),
        (HEAD.replace(b"\r\n", b"\n") + b"\n", 400),
        (HEAD, 408),
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 200),
        (b"GET /events?chanel=x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (HEAD + b"Expect: wonders\r\n\r\n", 417),
    ],
)
def test_every_request_is_answered(daemon: Daemon, request_: bytes, status: int) -> None:
    """With a status, and never with a reset alone."""
    assert answer(daemon.public, request_).startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /live HTTP/1.1\r\n\r\n", 400),
        (b"GET /live HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
        (b"GET http://localhost/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200),
        (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 200),
        (b"GET /live HTTP/1.1\nHost: localhost\n\n", 400),
    ],
)
def test_the_admin_port_answers_every_request(daemon: Daemon, request_: bytes, status: int) -> None:
    """By the same rules."""
    assert answer(daemon.admin, request_).startswith(b"HTTP/1.1 %d " % status)


def test_curl_sends_a_large_body_at_once_when_it_may(daemon: Daemon) -> None:
    """It waits for ``100 Continue`` by itself from 1 MB on, here by request; none is sent for too much."""
    url = f"http://127.0.0.1:{daemon.public}/connection/uni_sse"
    for size, status in ((20, b"HTTP/1.1 100 Continue"), (70_000, b"HTTP/1.1 413 ")):
        command = ["curl", "-sS", "-i", "--noproxy", "*", "--max-time", "5", "-H", "Expect: 100-continue"]
        done = subprocess.run(
            [*command, "--data-binary", "@-", url],
            input=b'{"subs":{}}'.ljust(size),
            capture_output=True,
            timeout=20,
            check=False,  # the stream never ends: curl's own deadline does
        )
        assert done.stdout.startswith(status)


def test_128_long_channels_fit_through_nginx(nginx: Nginx, daemon: Daemon) -> None:
    """As events and as a WebSocket, percent-encoded."""
    query = "&".join(f"channel={name}" for name in CHANNELS)
    with closing(http.client.HTTPConnection(nginx.host, nginx.port, timeout=10)) as connection:
        connection.request("GET", f"/events?{query}", headers={"Cookie": "x" * 16384})
        stream = connection.getresponse()
        assert 200 == stream.status
        websocket = open_socket(f"ws://{nginx.address}/websocket/?{query}")
        assert "1" == heartbeat(websocket)
        channels = daemon.metric("pushd_channels")
        websocket.close()
        assert 128 == channels


def test_a_code_of_the_application_comes_back(daemon: Daemon) -> None:
    """As a browser's ``close(4001)`` expects it."""
    websocket = open_socket(f"ws://127.0.0.1:{daemon.public}/websocket/222")
    websocket.close(4001)
    assert 4001 == websocket.close_code


def test_a_stock_client_is_given_its_subprotocol(daemon: Daemon) -> None:
    """It would end a connection on which none of its offers was chosen."""
    url = f"ws://127.0.0.1:{daemon.public}/connection/websocket"
    with javascript("subprotocol.mjs", url, "centrifuge-protobuf", "centrifuge-json") as client:
        assert "centrifuge-json" == client.expect("connected")["protocol"]


def test_a_client_without_pongs_of_the_protocol_stays(daemon: Daemon) -> None:
    """Its library answers the WebSocket's pings; nothing else is said."""
    url = f"ws://127.0.0.1:{daemon.public}/connection/websocket?cf_ws_frame_ping_pong=true"
    with javascript("subprotocol.mjs", url) as client:
        client.expect("connected")
        client.expect("ping")
        client.expect("ping")
        client.expect("ping")
        assert [{"id": 1}] == [{"id": message["id"]} for message in client.messages]
        assert 1 == daemon.metrics()['pushd_connections{protocol="centrifugo"}']


def test_addresses_of_a_proxy_have_ports(daemon: Daemon) -> None:
    """What cannot be read is counted, and said once."""
    before = daemon.metric("pushd_forwarded_unreadable_total")
    for address in ("1.2.3.4:5678", "[::1]:80", "[2001:db8::1]:80", "nonsense", "nonsense"):
        head = b"GET /events?x=1 HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: %b\r\n\r\n" % address.encode()
        assert answer(daemon.public, head).startswith(b"HTTP/1.1 400 ")
    assert before + 2 == daemon.metric("pushd_forwarded_unreadable_total")
    assert 1 == daemon.log.count("X-Forwarded-For is malformed")
    assert "nonsense" not in daemon.log
