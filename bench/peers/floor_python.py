"""The floor in Python: a bare loop of ``socket.send`` over the accepted sockets, bursts joined."""

from __future__ import annotations

import platform
import selectors
import socket
import struct
import sys
import time
from contextlib import suppress

from bench.peers.contract import parse_order, ready, say, schedule, start_time

_RESPONSE = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
"""The answer to the constant key of ``marker.h`` (the example of RFC 6455 section 1.3)."""


def frame(payload: bytes) -> bytes:
    """Give a text frame, RFC 6455 section 5.2."""
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x81, size) + payload
    return struct.pack("!BBH", 0x81, 126, size) + payload


def publish(line: str, clients: list[socket.socket]) -> None:
    """Carry out one command: nothing but one ``send`` per client and burst."""
    order = parse_order(line)
    late = 0.0
    for burst in schedule(order, start_time()):
        frames = b"".join(map(frame, burst.payloads))
        time.sleep(burst.wait())
        late = max(late, burst.late())
        for client in clients:
            client.send(frames)
    say("published", messages=order.messages, late=late)


def main() -> None:
    """Serve until standard input ends."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    listener.setblocking(False)
    clients: list[socket.socket] = []
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    selector.register(0, selectors.EVENT_READ)
    ready(listener.getsockname()[1], f"CPython {platform.python_version()}")
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                with suppress(BlockingIOError):
                    while True:
                        selector.register(listener.accept()[0], selectors.EVENT_READ)
            elif key.fileobj == 0:
                line = sys.stdin.readline()
                if not line:
                    return
                publish(line, clients)
            elif isinstance(key.fileobj, socket.socket):
                selector.unregister(key.fileobj)
                key.fileobj.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if key.fileobj.recv(2048):
                    key.fileobj.send(_RESPONSE)
                    clients.append(key.fileobj)


if __name__ == "__main__":
    main()
