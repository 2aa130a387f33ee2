"""JSON that parsers do not agree about, through a real daemon to clients that parse it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from websockets.sync.client import connect

from tests.support.cluster import vhost_url
from tests.support.daemon import Daemon

if TYPE_CHECKING:
    from collections.abc import Iterator

    from websockets.sync.client import ClientConnection

    from tests.support.rabbitmq import RabbitNode

DATA = [
    '"\\ud83d"',
    "18446744073709551616",
    "-123456789012345678901234567890",
    "0.10000000000000000555111512312578",
    "1e400",
    '{"a":1,"a":2}',
]
"""JSON by RFC 8259 that some parser refuses or would change."""


@pytest.fixture(scope="module", params=["memory", "stream"])
def daemon(request: pytest.FixtureRequest) -> Iterator[Daemon]:
    """An instance that lets clients publish, on each broker."""
    settings = {"centrifugo.publish": "yes"}
    if request.param != "memory":
        rabbit: RabbitNode = request.getfixturevalue("rabbit")
        settings |= {"broker.url": vhost_url(rabbit), "broker.queue": "stream"}
    with Daemon("1", settings) as daemon:
        yield daemon


@pytest.fixture
def socket(daemon: Daemon) -> Iterator[ClientConnection]:
    """A client of Centrifugo's protocol, subscribed to the channel ``news``."""
    with connect(f"ws://127.0.0.1:{daemon.public}/connection/websocket") as socket:
        socket.send('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"news"}}')
        lines(socket, 2)
        yield socket


def lines(socket: ClientConnection, count: int) -> list[str]:
    """Receive at least so many objects."""
    found: list[str] = []
    while len(found) < count:
        found += str(socket.recv(timeout=10)).split("\n")
    return found


def pushed(socket: ClientConnection, count: int) -> list[str]:
    """Receive so many publications; give the text of the data of each."""
    found: list[str] = []
    while len(found) < count:
        for line in lines(socket, 1):
            if line.startswith('{"push"'):
                begin = line.index('"data":') + len('"data":')
                found.append(line[begin : line.rindex(',"offset"')])
    return found


def test_a_clients_own_publications(socket: ClientConnection) -> None:
    """All come back as they were written, and a refused one does not end the connection."""
    refused = ["NaN", "[" * 5000 + "]" * 5000]
    for number, data in enumerate([*refused, *DATA], 3):
        socket.send(f'{{"publish":{{"channel":"news","data":{data}}},"id":{number}}}')
    answers: dict[int, Any] = {}
    found: list[str] = []
    while len(answers) < len(DATA) + 2 or len(found) < len(DATA):
        for line in lines(socket, 1):
            answer = json.loads(line)
            if "id" in answer:
                answers[answer["id"]] = answer
            else:
                found.append(line[line.index('"data":') + 7 : line.rindex(',"offset"')])
    assert found == DATA
    assert [107, 107] == [answers[number]["error"]["code"] for number in (3, 4)]
    assert all("publish" in answers[number] for number in range(5, 5 + len(DATA)))


def test_strings_over_http(daemon: Daemon, socket: ClientConnection) -> None:
    """A string stays one, whatever it looks like; other values are what they are."""
    values: list[object] = ["42", "null", '{"a":1}', "plain", 42, None, {"a": 18446744073709551616}]
    for value in values:
        assert 200 == daemon.post("/api/publish", {"channel": "news", "data": value})[0]
    assert values == [json.loads(data) for data in pushed(socket, len(values))]
