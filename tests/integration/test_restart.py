"""SIGTERM: everybody is told in paced batches, and the process ends in time with exit code 0."""

from __future__ import annotations

import socket
import threading
import time

from websockets.exceptions import ConnectionClosed

from tests.support.daemon import Daemon
from tests.support.wait import wait_for
from tests.support.websocket import heartbeat, open_socket

CLIENTS = 200
DRAIN = 6.0

_UPGRADE = (
    b"GET /websocket/222 HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def test_sigterm_drains() -> None:
    """Not ready at once; every client closed with 1012, not all in one go; exit code 0 in time."""
    with Daemon("1", {"limits.drain_timeout": f"{DRAIN:g}s"}) as daemon:
        url = f"ws://127.0.0.1:{daemon.public}/websocket/222"
        sockets = [open_socket(url) for _ in range(CLIENTS)]
        heartbeat(sockets[-1])
        closed: list[tuple[float, int | None]] = []

        def until_closed(index: int) -> None:
            try:
                sockets[index].recv()
            except ConnectionClosed:
                closed.append((time.monotonic(), sockets[index].close_code))

        threads = [threading.Thread(target=until_closed, args=(i,)) for i in range(CLIENTS)]
        for thread in threads:
            thread.start()
        began = time.monotonic()
        daemon.terminate()
        statuses = _ready_statuses(daemon)
        assert daemon.ended(DRAIN + 5.0) == 0
        took = time.monotonic() - began
        for thread in threads:
            thread.join(10.0)
        assert statuses[-1] == 503
        assert {1012} == {code for _, code in closed}
        assert len(closed) == CLIENTS
        assert took < DRAIN + 1.0
        times = sorted(at for at, _ in closed)
        assert times[-1] - times[0] > 0.5


def test_a_client_that_does_not_answer_does_not_hold_the_drain() -> None:
    """A peer that reads nothing and closes nothing is dropped at the deadline, and the exit code stays 0."""
    settings = {"limits.drain_timeout": "4s", "limits.close_timeout": "2s"}
    with (
        Daemon("1", settings) as daemon,
        socket.create_connection(("127.0.0.1", daemon.public), 10.0) as peer,
    ):
        peer.sendall(_UPGRADE)
        assert peer.recv(1024).startswith(b"HTTP/1.1 101 ")
        daemon.terminate()
        assert daemon.ended(9.0) == 0


def test_without_clients_it_ends_at_once() -> None:
    """Nothing to drain, nothing to wait for."""
    with Daemon("1", {"limits.drain_timeout": "20s"}) as daemon:
        assert daemon.stop(10.0) == 0


def _ready_statuses(daemon: Daemon) -> list[int]:
    """Ask ``/ready`` until it is not 200; the process must not be gone before it has said so."""
    statuses: list[int] = []

    def ask() -> bool:
        statuses.append(daemon.get("/ready")[0])
        return statuses[-1] != 200

    wait_for(ask, "not ready")
    return statuses
