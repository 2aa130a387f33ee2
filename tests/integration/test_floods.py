"""Clients that send or receive very much at once, and the clients beside them."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from tests.support.daemon import Daemon
from tests.support.nginx import Nginx
from tests.support.public import client_frame
from tests.support.wait import wait_for
from tests.support.websocket import heartbeat, open_socket, receive_until

if TYPE_CHECKING:
    from collections.abc import Iterator

FLOODERS, FRAMES = 20, 20_000
REPLY = b'\x81\x13{"Received: ": "1"}'
HEAD = (
    b"GET /websocket/222 HTTP/1.1\r\nHost: x:86\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
LARGE = 8_000_000
"""Bytes of a message that no socket takes at once."""


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    """An instance that takes large messages."""
    with Daemon("1", {"limits.message_size": "16MB", "limits.stall_timeout": "10m"}) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def nginx(daemon: Daemon) -> Iterator[Nginx]:
    """The proxy in front of it."""
    with Nginx([daemon.public]) as nginx:
        yield nginx


class Flooder:
    """A client over a bare socket, whose frames and bytes are its own affair.

    Args:
        address: ``host:port``.
    """

    def __init__(self, address: str) -> None:
        host, _, port = address.partition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=60)
        self.socket.sendall(HEAD)
        self._data = b""
        self._until(b"\r\n\r\n")

    def __enter__(self) -> Self:
        """Be connected."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go."""
        self.socket.close()

    def flood(self, frames: bytes) -> None:
        """Send, in a thread of its own."""
        threading.Thread(target=self.socket.sendall, args=(frames,), daemon=True).start()

    def read(self, size: int) -> bytes:
        """Read so many bytes."""
        parts = [self._data]
        while (missing := size - sum(map(len, parts))) > 0:
            parts.append(self._more(missing))
        data = b"".join(parts)
        self._data = data[size:]
        return data[:size]

    def _until(self, end: bytes) -> None:
        while end not in self._data:
            self._data += self._more(1)
        self._data = self._data.partition(end)[2]

    def _more(self, size: int) -> bytes:
        more = self.socket.recv(min(size, 1_000_000))
        assert more
        return more


@pytest.fixture(params=["direct", "nginx"])
def address(request: pytest.FixtureRequest, daemon: Daemon, nginx: Nginx) -> str:
    """The address that clients connect to."""
    return nginx.address if request.param == "nginx" else f"127.0.0.1:{daemon.public}"


def test_a_flood_holds_nobody_up(daemon: Daemon, address: str) -> None:
    """Others are served while hundreds of thousands of heartbeats wait; later, all of those are answered."""
    before = daemon.metric("pushd_heartbeats_total")
    with ExitStack() as stack:
        flooders = [stack.enter_context(Flooder(address)) for _ in range(FLOODERS)]
        honest = stack.enter_context(open_socket(f"ws://{address}/websocket/222"))
        for flooder in flooders:
            flooder.flood(client_frame(1, b"x") * FRAMES)
        assert ["1"] * 20 == [heartbeat(honest) for _ in range(20)]
        assert 200 == daemon.post("/api/broadcast", {"data": {"n": 1}})[0]
        assert '{"n":1}' == receive_until(honest, '{"n":1}')[-1]
        assert daemon.metric("pushd_heartbeats_total") - before < FLOODERS * FRAMES / 2
        for flooder in flooders:
            flooder.read(FRAMES * len(REPLY) + len(b'..{"n":1}'))
    assert FLOODERS * FRAMES + 20 == daemon.metric("pushd_heartbeats_total") - before


def test_a_large_message_is_there_once(daemon: Daemon) -> None:
    """Clients that do not read it cost what the kernel and a piece of it take; later they read all of it."""
    text = "0123456789" * (LARGE // 10)
    with ExitStack() as stack:
        clients = [stack.enter_context(Flooder(f"127.0.0.1:{daemon.public}")) for _ in range(40)]
        before, full = resident(daemon), daemon.metric("pushd_socket_full_total")
        assert 200 == daemon.post("/api/broadcast", {"data": {"text": text}})[0]
        wait_for(lambda: daemon.metric("pushd_socket_full_total") == full + 40, "all sockets full")
        grown = resident(daemon) - before
        assert grown < 10 * LARGE, f"{grown} bytes for 40 clients"
        for client in clients:
            size = int.from_bytes(client.read(10)[2:], "big")
            assert text.encode() in client.read(size)


def resident(daemon: Daemon) -> int:
    """Give the bytes of memory that the daemon has."""
    assert daemon._process
    pages = Path(f"/proc/{daemon._process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
