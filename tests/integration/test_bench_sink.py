"""The benchmark's client, compiled and fed by a scripted server: what it counts must be true."""

from __future__ import annotations

import shutil
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.native import build
from bench.peers.contract import payload
from bench.sink import Sink, Subscription

pytestmark = pytest.mark.skipif(
    shutil.which("cc") is None, reason="the benchmark's client needs a C compiler"
)

UPGRADE = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled sink."""
    return build("sink.c", tmp_path_factory.mktemp("native"))


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A listening socket."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        yield server


def frame(body: bytes, opcode: int = 1) -> bytes:
    """Give a server's frame with the shortest length field."""
    size = len(body)
    if size < 126:
        length = bytes([size])
    elif size <= 0xFFFF:
        length = b"\x7e" + struct.pack("!H", size)
    else:
        length = b"\x7f" + struct.pack("!Q", size)
    return bytes([0x80 | opcode]) + length + body


def accept(listener: socket.socket, reply: bytes = UPGRADE) -> socket.socket:
    """Take one client in, whatever it asks."""
    client, _ = listener.accept()
    client.settimeout(10)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while not client.recv(4096).endswith(b"\r\n\r\n"):
        pass
    client.sendall(reply)
    return client


def connected(sink: Sink, listener: socket.socket, reply: bytes = UPGRADE) -> socket.socket:
    """Let the sink open one connection, and give the server's end of it."""
    sink.begin_connect(1, 1)
    client = accept(listener, reply)
    sink.connected(10)
    return client


def test_frames_are_found_wherever_reads_cut_them(program: Path, listener: socket.socket) -> None:
    """Messages of all three length forms, joined and cut byte by byte, are each counted once, in order."""
    due = time.monotonic_ns()
    bodies = [payload(due, number, size) for number, size in enumerate([40, 125, 126, 200, 70_000, 31])]
    joined = b"".join(frame(body) for body in bodies)
    with (
        Sink(program, listener.getsockname()[1], Subscription()) as sink,
        connected(sink, listener) as client,
    ):
        sink.expect(len(bodies))
        for cut in [joined[i : i + 1] for i in range(700)] + [joined[700:]]:
            client.sendall(cut)
        figures = sink.complete(10)
    assert (len(bodies), 0, 0, 0) == (figures.deliveries, figures.missing, figures.misordered, figures.lost)
    assert len(joined) == figures.bytes
    assert list(range(len(bodies))) == list(figures.last)


def test_what_is_missing_or_comes_twice_is_counted(program: Path, listener: socket.socket) -> None:
    """Of 0, 2, 1, 5 one number was skipped, one came late, and two more were skipped."""
    due = time.monotonic_ns()
    with (
        Sink(program, listener.getsockname()[1], Subscription()) as sink,
        connected(sink, listener) as client,
    ):
        sink.expect(4)
        client.sendall(b"".join(frame(payload(due, number, 50)) for number in (0, 2, 1, 5)))
        figures = sink.complete(10)
    assert (4, 3, 1) == (figures.deliveries, figures.missing, figures.misordered)


def test_latency_counts_from_the_time_a_message_was_due(program: Path, listener: socket.socket) -> None:
    """A message that was due two seconds ago arrives two seconds late, within a per cent and a bit."""
    with (
        Sink(program, listener.getsockname()[1], Subscription()) as sink,
        connected(sink, listener) as client,
    ):
        sink.expect(1)
        client.sendall(frame(payload(time.monotonic_ns() - 2_000_000_000, 0, 50)))
        figures = sink.complete(10)
    assert 1.98 < figures.latency.percentile(50) / 1000 < 2.5
    assert figures.last[0] == pytest.approx(figures.latency.percentile(100), rel=0.01)


def test_a_ping_is_answered_and_not_counted(program: Path, listener: socket.socket) -> None:
    """The pong is masked and carries what the ping carried."""
    with (
        Sink(program, listener.getsockname()[1], Subscription()) as sink,
        connected(sink, listener) as client,
    ):
        client.sendall(frame(b"alive?", opcode=9))
        assert b"\x8a\x86\0\0\0\0alive?" == client.recv(100)
        assert 0 == sink.report().deliveries


def test_a_broken_connection_is_lost(program: Path, listener: socket.socket) -> None:
    """A masked frame from a server ends the connection, as RFC 6455 asks, and the report says so."""
    with (
        Sink(program, listener.getsockname()[1], Subscription()) as sink,
        connected(sink, listener) as client,
    ):
        client.sendall(b"\x81\x81\0\0\0\0x")
        assert b"" == client.recv(1)
        figures = sink.report()
    assert (0, 1) == (figures.open, figures.lost)


def test_a_refused_handshake_is_tried_again(program: Path, listener: socket.socket) -> None:
    """A 503 is counted and the client comes back."""
    with Sink(program, listener.getsockname()[1], Subscription()) as sink:
        sink.begin_connect(1, 1)
        accept(listener, b"HTTP/1.1 503 Service Unavailable\r\n\r\n").close()
        with accept(listener):
            assert (1, 1) == (sink.connected(10).refused, sink.report().open)


def test_events_are_found_wherever_reads_cut_them(program: Path, listener: socket.socket) -> None:
    """Server-sent events count by their markers; the first may come with the response head."""
    due = time.monotonic_ns()
    events = [b"id: e:%d\ndata: %s\n\n" % (number, payload(due, number, 50)) for number in range(20)]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    with Sink(program, listener.getsockname()[1], Subscription("/events", sse=True)) as sink:
        sink.expect(20)
        with connected(sink, listener, head + events[0]) as client:
            stream = b"".join(events[1:])
            for start in range(0, len(stream), 7):
                client.sendall(stream[start : start + 7])
            figures = sink.complete(10)
    assert (20, 0, 0) == (figures.deliveries, figures.missing, figures.misordered)


def test_deflated_messages_are_counted_unread(program: Path, listener: socket.socket) -> None:
    """A frame with RSV1 is one delivery; the extension was offered and insisted on."""
    agreed = UPGRADE[:-2] + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    with (
        Sink(program, listener.getsockname()[1], Subscription(deflate=True)) as sink,
        connected(sink, listener, agreed) as client,
    ):
        sink.expect(2)
        client.sendall(b"\xc1\x03abc\xc1\x00")
        figures = sink.complete(10)
    assert (2, 0, {}) == (figures.deliveries, figures.latency.total, figures.latencies())


def test_stalled_clients_do_not_count(program: Path, listener: socket.socket) -> None:
    """One of two stops reading: everything is complete when the other has it."""
    due = time.monotonic_ns()
    with (
        Sink(program, listener.getsockname()[1], Subscription()) as sink,
        connected(sink, listener) as first,
        connected(sink, listener) as second,
    ):
        sink.stall(1)
        sink.expect(1)
        first.sendall(frame(payload(due, 0, 50)))
        second.sendall(frame(payload(due, 0, 50)))
        figures = sink.complete(10)
    assert (1, 1) == (figures.deliveries, figures.open)
