"""A plain WebSocket client for tests that follow one connection word by word."""

from __future__ import annotations

import json

from websockets.sync.client import ClientConnection, connect

__all__ = ["heartbeat", "open_socket", "receive_until"]


def open_socket(url: str) -> ClientConnection:
    """Connect, with compression, pings and proxies off."""
    return connect(
        url, compression=None, ping_interval=None, proxy=None, open_timeout=10, close_timeout=5, legacy=True
    )


def heartbeat(socket: ClientConnection) -> str:
    """Send a heartbeat and give the name of the instance that answers, skipping what is pushed meanwhile."""
    socket.send("heartbeat")
    while True:
        answer = socket.recv(timeout=10)
        if isinstance(answer, str) and answer.startswith('{"Received: "'):
            name: str = json.loads(answer)["Received: "]
            return name


def receive_until(socket: ClientConnection, last: str | bytes) -> list[str | bytes]:
    """Receive up to and including ``last`` and give all of it."""
    received = [socket.recv(timeout=20)]
    while received[-1] != last:
        received.append(socket.recv(timeout=20))
    return received
