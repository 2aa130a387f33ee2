"""Clients that deflate and clients that do not, side by side behind nginx: all get the same."""

from __future__ import annotations

import json
import random
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from selenium.webdriver.common.by import By
from websockets.exceptions import ConnectionClosedError
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import ClientConnection, connect

from tests.support.browser import chromium
from tests.support.daemon import Daemon
from tests.support.nginx import Nginx
from tests.support.stock import StockClient, javascript, python
from tests.support.wait import wait_for
from tests.support.websocket import heartbeat, open_socket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AGREED = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
DOCUMENT = {"rows": [{"symbol": "PUSHD", "price": 1.25, "name": "推送"}] * 100}


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    """An instance that deflates whatever it may."""
    settings = {"websocket.compression": "yes", "websocket.compression_min_size": "64B", "listen.demo": "yes"}
    with Daemon("1", settings) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def nginx(daemon: Daemon) -> Iterator[Nginx]:
    """The proxy in front of it."""
    with Nginx([daemon.public]) as nginx:
        yield nginx


@pytest.fixture
def raw(nginx: Nginx) -> str:
    """Give the address of the raw route."""
    return f"ws://{nginx.address}/websocket/222"


def deflating(url: str, window: int | None = None, **how: Any) -> ClientConnection:
    """Connect as ``websockets`` does by itself, with permessage-deflate; or ask for a window of its own."""
    return connect(
        url,
        extensions=[ClientPerMessageDeflateFactory(server_max_window_bits=window)],
        compression=None,
        ping_interval=None,
        proxy=None,
        open_timeout=10,
        close_timeout=5,
        legacy=True,
        **how,
    )


def agreed(client: ClientConnection) -> str | None:
    """Give the extension that the server has agreed to."""
    assert client.response is not None
    return client.response.headers.get("Sec-WebSocket-Extensions")


def broadcast(daemon: Daemon, value: Any) -> None:
    """Publish to all."""
    status, text = daemon.post("/api/broadcast", {"data": value})
    assert 200 == status, text


def test_all_get_the_same_whoever_deflates(daemon: Daemon, raw: str) -> None:
    """Small and large messages in one order; only who asked for it is told of an extension."""
    values = [{"n": n, **(DOCUMENT if n % 3 else {})} for n in range(30)]
    with ExitStack() as stack:
        plain, any_window, small_window = clients = [
            stack.enter_context(client) for client in (open_socket(raw), deflating(raw), deflating(raw, 12))
        ]
        assert (None, AGREED) == (agreed(plain), agreed(any_window))
        assert f"{AGREED}; server_max_window_bits=12" == agreed(small_window)
        assert ["1"] * 3 == [heartbeat(client) for client in clients]
        for value in values:
            broadcast(daemon, value)
        for client in clients:
            assert values == [json.loads(client.recv(timeout=10)) for _ in values]


def test_who_reads_late_gets_all_of_it(daemon: Daemon) -> None:
    """What waits for its socket is deflated as well, and no frame is cut."""
    digits = random.Random(1)
    values = [{"n": n, "hex": f"{digits.getrandbits(240_000):x}"} for n in range(200)]
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.connect(("127.0.0.1", daemon.public))
    with deflating(f"ws://127.0.0.1:{daemon.public}/websocket/222", sock=narrow, max_queue=1) as late:
        heartbeat(late)
        slow = daemon.metric("pushd_socket_full_total")
        for value in values:
            broadcast(daemon, value)
        assert daemon.metric("pushd_socket_full_total") > slow
        assert values == [json.loads(late.recv(timeout=10)) for _ in values]


@pytest.mark.parametrize(
    ("make", "program"), [(javascript, "ws.mjs"), (python, "autobahn_client.py")], ids=["ws", "autobahn"]
)
def test_stock_clients_deflate(
    daemon: Daemon, raw: str, make: Callable[..., StockClient], program: str
) -> None:
    """As they come, in both directions."""
    with make(program, raw) as client:
        assert "permessage-deflate" in client.expect("connected")["extensions"]
        client.expect("message", data={"Received: ": "1"})
        broadcast(daemon, DOCUMENT)
        client.expect("message", data=DOCUMENT)


def test_a_stock_centrifuge_deflates(daemon: Daemon, nginx: Nginx) -> None:
    """Over the same ``ws``, one push after the other."""
    with javascript("centrifuge.mjs", f"ws://{nginx.address}/connection/websocket", "222") as client:
        client.expect("subscribed", channel="broadcast")
        client.expect("subscribed", channel="222")
        for n in range(10):
            broadcast(daemon, {"n": n, **DOCUMENT})
        client.expect("message", channel="broadcast", data={"n": 9, **DOCUMENT})
    assert [{"n": n, **DOCUMENT} for n in range(10)] == client.messages


def test_a_browser_deflates(daemon: Daemon) -> None:
    """It agrees to what is answered, sends a long message, and shows the one it is given."""
    with chromium() as browser:
        browser.get(f"http://127.0.0.1:{daemon.public}/")
        wait_for(lambda: browser.execute_script("return socket.readyState === 1"), "the page's connection")
        assert AGREED == browser.execute_script("return socket.extensions")
        heartbeats = daemon.metric("pushd_heartbeats_total")
        browser.execute_script("socket.send('heartbeat'.repeat(500))")
        wait_for(lambda: daemon.metric("pushd_heartbeats_total") > heartbeats, "the long heartbeat")
        broadcast(daemon, {"greeting": "测试消息", **DOCUMENT})
        wait_for(lambda: "测试消息" in browser.find_element(By.TAG_NAME, "body").text, "the broadcast")


def test_a_fragmented_deflated_message_is_taken(raw: str) -> None:
    """One message, whatever its pieces."""
    with deflating(raw) as client:
        client.send(["heart" * 1000, "beat" * 1000, ""])
        assert '{"Received: ": "1"}' == client.recv(timeout=10)


def test_a_bomb_ends_its_own_connection(raw: str) -> None:
    """With 1009, and nobody else notices."""
    with deflating(raw) as bomber, deflating(raw) as other:
        bomber.send("0" * 20_000_000)
        with pytest.raises(ConnectionClosedError) as caught:
            bomber.recv(timeout=10)
        assert caught.value.rcvd is not None
        assert 1009 == caught.value.rcvd.code
        assert "1" == heartbeat(other)
