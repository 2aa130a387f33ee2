"""A publisher is answered when a history asked for right afterwards includes its message."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from websockets.sync.client import connect

from tests.support.cluster import vhost_url
from tests.support.daemon import Daemon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from websockets.sync.client import ClientConnection

    from tests.support.rabbitmq import RabbitNode

_TIMES = 200


@pytest.fixture(scope="module", params=["memory", "stream", "exclusive"])
def daemon(request: pytest.FixtureRequest) -> Iterator[Daemon]:
    """An instance that lets clients publish, on each broker and kind of queue."""
    settings = {"centrifugo.publish": "yes"}
    if request.param != "memory":
        rabbit: RabbitNode = request.getfixturevalue("rabbit")
        settings |= {"broker.url": vhost_url(rabbit), "broker.queue": request.param}
    with Daemon("1", settings) as daemon:
        yield daemon


class _Client:
    """A client of Centrifugo's protocol that asks one thing at a time.

    Args:
        socket: Its connection.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._number = 0

    def ask(self, method: str, **fields: object) -> Any:
        """Send a command, pass over pushes, and give the answer's content."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, method: fields}))
        while True:
            for line in str(self._socket.recv(timeout=10)).split("\n"):
                answer = json.loads(line)
                if answer.get("id") == self._number:
                    return answer[method]

    def newest(self) -> object:
        """Give the data of the newest message of the channel that a history includes."""
        publications = self.ask("history", channel="news", limit=1, reverse=True)["publications"]
        return publications[0]["data"] if publications else None


def _over_http(daemon: Daemon, _: _Client) -> Callable[[int], None]:
    def publish(number: int) -> None:
        assert 200 == daemon.post("/api/publish", {"channel": "news", "data": {"n": number}})[0]

    return publish


def _by_telnet(daemon: Daemon, _: _Client, stack: ExitStack) -> Callable[[int], None]:
    control = stack.enter_context(daemon.control())

    def publish(number: int) -> None:
        assert "250 sent to channel news" == control.command(f'send news {{"n":{number}}}')

    return publish


def _by_a_client(_: Daemon, client: _Client) -> Callable[[int], None]:
    def publish(number: int) -> None:
        assert {} == client.ask("publish", channel="news", data={"n": number})

    return publish


@pytest.mark.parametrize("port", ["http", "telnet", "client"])
def test_a_history_includes_what_was_published(daemon: Daemon, port: str) -> None:
    """Each of two hundred times, whichever way it was published."""
    url = f"ws://127.0.0.1:{daemon.public}/connection/websocket"
    with ExitStack() as stack:
        client = _Client(stack.enter_context(connect(url)))
        client.ask("connect")
        client.ask("subscribe", channel="news")
        if port == "telnet":
            publish = _by_telnet(daemon, client, stack)
        else:
            publish = (_over_http if port == "http" else _by_a_client)(daemon, client)
        lacking = []
        for number in range(_TIMES):
            publish(number)
            if client.newest() != {"n": number}:
                lacking.append(number)
        assert [] == lacking
