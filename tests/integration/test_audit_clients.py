"""The audited clients against a scripted server: each has its protocol's manners and notices every fault."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from pushd.audit.centrifugo import CentrifugoClient
from pushd.audit.client import Backoff, Client
from pushd.audit.raw import RawClient
from pushd.audit.sse import SseClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from websockets.asyncio.server import ServerConnection

NOW = Backoff(least=0.01, most=0.02)
DEADLINE = 10.0


async def ran(client: Client) -> Client:
    """Run a client until the server has ended it for good."""
    async with asyncio.timeout(DEADLINE):
        await client.run()
    return client


# Raw.


async def raw(script: Callable[[ServerConnection, int], Awaitable[None]]) -> RawClient:
    """Run a raw client against a server that follows ``script`` on each connection, numbered from 1."""
    connections = 0

    async def handler(socket: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        with suppress(ConnectionClosed):
            await script(socket, connections)

    async with serve(handler, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        client = RawClient(f"ws://127.0.0.1:{port}/websocket/222", NOW, heartbeat=0.05)
        await ran(client)
    return client


def test_raw_comes_back_until_it_is_told_to_stay_away() -> None:
    """1012 means another instance; 4503 means the end; what was sent meanwhile is excused."""

    async def script(socket: ServerConnection, connection: int) -> None:
        await socket.send(json.dumps({"n": connection * 10}))
        await socket.close(1012 if connection == 1 else 4503)

    client = asyncio.run(raw(script))
    report = client.ledger.report()
    assert (client.connects, client.final) == (2, "close code 4503")
    assert client.ends == {"1012": 1, "4503": 1}
    assert (report.clean, report.breaks, report.received) == (True, 1, 2)


def test_raw_counts_what_is_wrong_within_a_connection() -> None:
    """A gap and a second copy show."""

    async def script(socket: ServerConnection, connection: int) -> None:
        for number in (1, 3, 3):
            await socket.send(json.dumps({"n": number}))
        await socket.close(1008)

    report = asyncio.run(raw(script)).ledger.report()
    assert report.missing == {("", 2)}
    assert report.duplicates == 1


def test_raw_tells_answers_from_messages() -> None:
    """The answer to a heartbeat is counted by its words; an unanswered one ends the connection."""

    async def script(socket: ServerConnection, connection: int) -> None:
        await socket.recv()
        if connection == 1:
            await socket.send('{"Received: ": "8092"}')
            await socket.recv()
            await socket.wait_closed()
        else:
            await socket.close(1008)

    client = asyncio.run(raw(script))
    assert client.answers == {'{"Received: ": "8092"}': 1}
    assert client.ends == {"heartbeat unanswered": 1, "1000": 1, "1008": 1}


# SSE.


@asynccontextmanager
async def http(*answers: bytes) -> AsyncIterator[tuple[int, list[str]]]:
    """Serve one answer to each connection in turn, the last one to all further: port and request heads."""
    heads: list[str] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(answers[min(len(heads), len(answers)) - 1])
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heads


def sse(*answers: bytes) -> tuple[SseClient, list[str]]:
    """Run an SSE client against these answers; the last one must be final."""

    async def run() -> tuple[SseClient, list[str]]:
        async with http(*answers) as (port, heads):
            client = SseClient(f"http://127.0.0.1:{port}/events?channel=222", NOW)
            await ran(client)
            return client, heads

    return asyncio.run(run())


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nretry: 1\n\n"
GONE = b"HTTP/1.1 204 No Content\r\n\r\n"


def test_sse_resumes_where_it_was() -> None:
    """The position goes into Last-Event-ID; nothing is excused by the end of a stream."""
    client, heads = sse(
        STREAM + b'id: e:1\ndata: {"n": 1}\n\nid: e:2\ndata: {"n":',
        STREAM + b'id: e:3\ndata: {"n": 3}\n\n',
        GONE,
    )
    assert "Last-Event-ID" not in heads[0]
    assert "Last-Event-ID: e:1\r\n" in heads[1]
    assert client.ledger.report().missing == {("", 2)}
    assert (client.final, client.connects) == ("HTTP 204", 2)


def test_sse_takes_no_heartbeat_for_a_message() -> None:
    """Whatever its data is; its position counts all the same."""
    client, heads = sse(STREAM + b'id: e:1\nevent: heartbeat\ndata: {"n": 7}\n\n', GONE)
    assert "Last-Event-ID: e:1\r\n" in heads[1]
    assert {} == client.ledger.report().last


def test_sse_puts_the_position_in_the_query_after_an_error_status() -> None:
    """EventSource would have given up; the page makes a new one."""
    busy = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    client, heads = sse(STREAM + b'id: e:1\ndata: {"n": 1}\n\n', busy, GONE)
    assert heads[2].startswith("GET /events?channel=222&last_event_id=e%3A1 HTTP/1.1\r\n")
    assert client.ends["ConnectionRefusedError"] == 1


def test_sse_understands_chunks_and_resets() -> None:
    """Chunks may be cut anywhere; a reset excuses the gap and is counted."""
    body = b'id: e:1\ndata: {"n": 1}\n\nevent: reset\ndata: {}\n\nid: f:9\ndata: {"n": 9}\n\n'
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"".join(
        b"%x\r\n%b\r\n" % (len(body[i : i + 5]), body[i : i + 5]) for i in range(0, len(body), 5)
    )
    client, _ = sse(head + chunks + b"0\r\n\r\n", head + b"5\r\nid: ", GONE)
    report = client.ledger.report()
    assert (report.clean, report.resets, report.received) == (True, 1, 2)
    assert client.ends == {"end of stream": 1, "IncompleteReadError": 1}


# Centrifugo.


def centrifugo(
    *connections: list[dict[str, Any] | int], channels: tuple[str, ...] = ("222",), token: str = ""
) -> tuple[CentrifugoClient, list[list[dict[str, Any]]]]:
    """Run a Centrifugo client: each connection sends its values, an ``int`` being a close code.

    ``"id": "connect"`` and so on stands for the id of the command of that name.
    """
    asked: list[list[dict[str, Any]]] = []

    async def handler(socket: ServerConnection) -> None:
        asked.append([])
        ids: dict[str, int] = {}

        async def take() -> None:
            for command in map(json.loads, (await socket.recv()).splitlines()):
                asked[index].append(command)
                ids.update({name: command["id"] for name in command if name != "id"})

        index = len(asked) - 1
        await take()
        for value in connections[index]:
            if isinstance(value, int):
                await socket.close(value)
            elif value == {"take": True}:
                await take()
            else:
                line = {**value, "id": ids[value["id"]]} if "id" in value else value
                await socket.send(json.dumps(line))

    async def run() -> CentrifugoClient:
        async with serve(handler, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            url = f"ws://127.0.0.1:{port}/connection/websocket"
            client = CentrifugoClient(url, NOW, channels=channels, token=token)
            await ran(client)
            return client

    return asyncio.run(run()), asked


def hello(**more: Any) -> dict[str, Any]:
    """Answer connect."""
    return {"id": "connect", "connect": {"client": "c", "version": "1", "ping": 25, "pong": True, **more}}


def subscribed(**more: Any) -> dict[str, Any]:
    """Answer subscribe."""
    return {"id": "subscribe", "subscribe": {"recoverable": True, "epoch": "e", **more}}


def pub(number: int, offset: int, channel: str = "222") -> dict[str, Any]:
    """Push one message."""
    return {"push": {"channel": channel, "pub": {"data": {"n": number}, "offset": offset}}}


def test_centrifugo_recovers_every_subscription() -> None:
    """Its own channels and the server's, each from its own offset; a whole recovery leaves no trace."""
    served = {"broadcast": {"recoverable": True, "epoch": "e", "offset": 4}}
    again = {"broadcast": {"epoch": "e", "offset": 6, "recovered": True}}
    client, asked = centrifugo(
        [hello(subs=served), subscribed(offset=4), pub(1, 5), pub(2, 6, "broadcast"), 3001],
        [
            hello(subs=again),
            subscribed(offset=7, recovered=True, publications=[{"data": {"n": 3}, "offset": 7}]),
            {"push": {"disconnect": {"code": 3500, "reason": "over"}}},
        ],
        token="t",
    )
    position = {"recover": True, "epoch": "e"}
    connect, subscribe = asked[1]
    assert connect["connect"]["subs"] == {"broadcast": {**position, "offset": 6}}
    assert connect["connect"]["token"] == "t"
    assert subscribe["subscribe"] == {"channel": "222", **position, "offset": 5}
    report = client.ledger.report()
    assert (report.clean, report.resets, report.received) == (True, 0, 3)
    assert (client.connects, client.final) == (2, "close code 3500")


def test_centrifugo_counts_a_refused_recovery_as_a_reset() -> None:
    """``recovered: false`` excuses the gap."""
    client, _ = centrifugo(
        [hello(), subscribed(), pub(1, 5), 3001],
        [hello(), subscribed(epoch="f", offset=9, recovered=False), pub(8, 10), 3503],
    )
    report = client.ledger.report()
    assert (report.clean, report.resets) == (True, 1)


def test_centrifugo_subscribes_again_when_asked() -> None:
    """Unsubscribed with 2500 or more: subscribe again, recovering. Told again by the server: a reset."""
    client, asked = centrifugo(
        [
            hello(subs={"broadcast": {"epoch": "e", "offset": 5}}),
            subscribed(),
            pub(1, 5),
            {"push": {"channel": "222", "unsubscribe": {"code": 2500, "reason": "insufficient state"}}},
            {"take": True},
            subscribed(epoch="f", offset=9, recovered=False),
            {"push": {"channel": "broadcast", "unsubscribe": {"code": 2500, "reason": ""}}},
            {"push": {"channel": "broadcast", "subscribe": {"epoch": "f", "offset": 9}}},
            3501,
        ],
    )
    assert asked[0][2]["subscribe"] == {"channel": "222", "recover": True, "epoch": "e", "offset": 5}
    assert client.ledger.report().resets == 2


def test_centrifugo_answers_pings() -> None:
    """An empty object is a ping, answered with another."""
    _, asked = centrifugo([hello(), {}, {"take": True}, 3500], channels=())
    assert asked[0][1] == {}


@pytest.mark.parametrize(
    ("error", "final"),
    [
        ({"code": 103, "message": "permission denied"}, "error 103"),
        ({"code": 100, "message": "internal", "temporary": True}, "close code 1009"),
        ({"code": 109, "message": "token expired"}, "close code 1009"),
    ],
)
def test_centrifugo_judges_errors(error: dict[str, Any], final: str) -> None:
    """Temporary ones and an expired token are tried again, others are final."""
    client, _ = centrifugo([{"id": "connect", "error": error}, 3001], [1009], channels=())
    assert final == client.final


def test_centrifugo_stays_away_from_a_channel_taken_from_it() -> None:
    """Unsubscribe codes below 2500 are final."""
    client, _ = centrifugo(
        [hello(), subscribed(), {"push": {"channel": "222", "unsubscribe": {"code": 2000, "reason": ""}}}]
    )
    assert client.final == "unsubscribed with code 2000"


# All of them.


@pytest.mark.parametrize("make", [RawClient, CentrifugoClient, SseClient])
def test_a_refused_request_is_final_unless_it_may_pass(make: type[Client]) -> None:
    """503 is tried again, 403 is not; an answer that is no HTTP is tried again too."""

    async def run() -> Client:
        refusals = [b"HTTP/1.1 503 Busy\r\n\r\n", b"", b"HTTP/1.1 403 No\r\n\r\n"]
        async with http(*refusals) as (port, _):
            scheme = "http" if make is SseClient else "ws"
            return await ran(make(f"{scheme}://127.0.0.1:{port}/x", NOW))

    client = asyncio.run(run())
    assert client.final == "HTTP 403"
    assert sum(client.ends.values()) == 2
    assert client.connects == 0


def test_backoff_doubles_up_to_its_limit() -> None:
    """Full jitter: anything between nothing and the bound."""
    backoff = Backoff(least=1.0, most=4.0)
    for attempt, bound in ((0, 1.0), (1, 2.0), (2, 4.0), (10_000, 4.0)):
        delays = [backoff.delay(attempt) for _ in range(200)]
        assert 0.0 <= min(delays) < bound / 2 < max(delays) <= bound
