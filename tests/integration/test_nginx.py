"""The shipped nginx configuration, with a real nginx."""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from pushd.audit.sse import SseClient
from tests.support.audience import QUICK, Audience
from tests.support.daemon import Daemon, start_all
from tests.support.nginx import Nginx
from tests.support.rabbitmq import free_port
from tests.support.wait import wait_for
from tests.support.websocket import heartbeat, open_socket

if TYPE_CHECKING:
    from collections.abc import Iterator


class Refusing(BaseHTTPRequestHandler):
    """An instance that takes nobody, as one that drains or is full: 503 for every request."""

    seen: list[dict[str, str]]

    def do_GET(self) -> None:
        """Note the head and refuse."""
        self.seen.append(dict(self.headers))
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any, **more: Any) -> None:
        """Say nothing."""


@pytest.fixture
def refusing() -> Iterator[tuple[int, list[dict[str, str]]]]:
    """Run such an instance: its port and the heads of the requests it has seen."""
    handler = type("Handler", (Refusing,), {"seen": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, handler.seen  # type: ignore[attr-defined]
        server.shutdown()


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    """One instance with the memory broker."""
    with Daemon("1") as daemon:
        yield daemon


def test_the_shipped_file_passes_the_check() -> None:
    """``nginx -t`` finds no fault in it."""
    assert "test is successful" in Nginx([free_port()]).check()


def test_dead_and_refusing_instances_are_passed_over(
    daemon: Daemon, refusing: tuple[int, list[dict[str, str]]]
) -> None:
    """Every client lands on the one instance that takes clients, whichever is asked first."""
    port, seen = refusing
    with Nginx([free_port(), port, daemon.public]) as nginx:
        sockets = [open_socket(f"ws://{nginx.address}/websocket/222") for _ in range(20)]
        assert Counter(map(heartbeat, sockets)) == {"1": 20}
        assert seen
        for socket in sockets:
            socket.close()


def test_when_all_refuse_the_client_is_told(refusing: tuple[int, list[dict[str, str]]]) -> None:
    """503 is passed on when no instance is left to ask."""
    port, _ = refusing
    with Nginx([port]) as nginx:
        connection = http.client.HTTPConnection(nginx.host, nginx.port, timeout=10)
        connection.request("GET", "/events")
        assert connection.getresponse().status == 503
        connection.close()


def test_headers_of_the_original_block(refusing: tuple[int, list[dict[str, str]]]) -> None:
    """Host has the port, the upgrade goes through, and what a client says about its address does not."""
    port, seen = refusing
    with Nginx([port]) as nginx:
        connection = http.client.HTTPConnection(nginx.host, nginx.port, timeout=10)
        claims = {"X-Forwarded-For": "6.6.6.6", "X-Real-IP": "6.6.6.6"}
        connection.request("GET", "/websocket/222", headers={"Upgrade": "websocket", **claims})
        connection.getresponse().read()
        connection.request("GET", "/events", headers=claims)
        connection.getresponse().read()
        connection.close()
        upgrade, plain = seen
        assert upgrade["Host"] == plain["Host"] == nginx.address
        assert (upgrade["Upgrade"], upgrade["Connection"]) == ("websocket", "upgrade")
        assert "Upgrade" not in plain
        assert {"127.0.0.1"} == {head[name] for head in seen for name in claims}


@pytest.mark.parametrize("path", ["/websocket/222", "/connection/websocket", "/events"])
def test_no_token_in_any_log(path: str) -> None:
    """Neither a request that went well nor one that found no instance leaves its query behind."""
    with Nginx([free_port()]) as nginx:
        connection = http.client.HTTPConnection(nginx.host, nginx.port, timeout=10)
        connection.request("GET", f"{path}?token=SECRET", headers={"Referer": "http://page/?token=SECRET"})
        assert connection.getresponse().status == 502
        connection.close()
        assert path in wait_for(lambda: nginx.access_log, "line in the access log")
        assert "SECRET" not in nginx.access_log + nginx.error_log


def test_events_are_not_held_back(daemon: Daemon) -> None:
    """One small event arrives at once although buffering is at its default."""
    with Nginx([daemon.public]) as nginx:
        client = SseClient(f"http://{nginx.address}/events?channel=222", QUICK)
        with Audience([client]) as audience:
            audience.wait_online()
            assert daemon.post("/api/publish", {"channel": "222", "data": {"n": 1}})[0] == 200
            audience.wait_taken({"": 1}, timeout=5.0)


@pytest.mark.parametrize(
    ("path", "cookie", "status"),
    [
        ("/events", 20_000, 431),
        ("/events", 140_000, 400),
        (f"/events?channel={'x' * 140_000}", 0, 414),
    ],
    ids=["header", "giant header", "giant request line"],
)
def test_giant_heads_are_refused(daemon: Daemon, path: str, cookie: int, status: int) -> None:
    """A header beyond pushd's limit by pushd, what is beyond nginx's by nginx; others come through."""
    with Nginx([daemon.public]) as nginx:
        connection = http.client.HTTPConnection(nginx.host, nginx.port, timeout=10)
        connection.request("GET", path, headers={"Cookie": "x" * cookie})
        assert connection.getresponse().status == status
        connection.close()
        socket = open_socket(f"ws://{nginx.address}/websocket/222")
        assert heartbeat(socket) == "1"
        socket.close()


def test_other_paths_stop_at_nginx(daemon: Daemon) -> None:
    """Nothing but the clients' routes is exposed."""
    with Nginx([daemon.public]) as nginx:
        for path in ("/", "/metrics", "/api/broadcast"):
            connection = http.client.HTTPConnection(nginx.host, nginx.port, timeout=10)
            connection.request("POST", path, json.dumps({"data": 1}))
            assert connection.getresponse().status == 404
            connection.close()


def test_a_port_that_instances_share_is_listed_for_each_try() -> None:
    """Both get clients; who waited for one that died is passed on to the same port, which the other has."""
    with ExitStack() as stack:
        shared = free_port()
        nginx = stack.enter_context(Nginx([shared, shared]))
        daemons = [stack.enter_context(closing(_sharing(shared, name))) for name in ("a", "b")]
        start_all(daemons)
        sockets = [open_socket(f"ws://{nginx.address}/websocket/222") for _ in range(40)]
        assert {"a", "b"} == set(map(heartbeat, sockets))
        for socket in sockets:
            socket.close()

        daemons[0].freeze()
        waiting = [http.client.HTTPConnection(nginx.host, nginx.port, timeout=10) for _ in range(40)]
        for each in waiting:
            stack.enter_context(closing(each)).request("GET", "/connection/elsewhere")
        daemons[0].kill()
        assert [404] * 40 == [each.getresponse().status for each in waiting]
        retried = f"upstream=127.0.0.1:{shared}, 127.0.0.1:{shared} status=502, 404"
        wait_for(lambda: retried in nginx.access_log, "client that was passed on")


def _sharing(port: int, name: str) -> Daemon:
    """Make an instance that shares its port with others, and whose heartbeats answer ``name``."""
    keys = {"listen.public": f"tcp:{port}:interface=127.0.0.1", "listen.reuse_port": "yes"}
    return Daemon("1", keys | {"websocket.heartbeat_reply": f'{{"Received: ": "{name}"}}'})
