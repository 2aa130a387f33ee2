"""Several instances on one port: the kernel spreads the browsers, RabbitMQ reaches all of them."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

import pytest
from websockets.exceptions import ConnectionClosed

from tests.support.cluster import vhost_url
from tests.support.daemon import Daemon, start_all
from tests.support.publisher import publish
from tests.support.rabbitmq import free_port
from tests.support.websocket import heartbeat, open_socket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from websockets.sync.client import ClientConnection

    from tests.support.rabbitmq import RabbitNode

_ENOUGH = 200
"""Connections among which both of two instances are found; each lands on either by a hash of its address."""


@contextmanager
def sharing(broker: str, endpoint: str) -> Iterator[list[Daemon]]:
    """Run two instances that both listen on ``endpoint``."""
    keys = {"broker.url": broker, "listen.public": endpoint, "listen.reuse_port": "yes"}
    daemons = [Daemon(name, keys) for name in ("8091", "8092")]
    with ExitStack() as stack:
        for daemon in daemons:
            stack.enter_context(closing(daemon))
        start_all(daemons)
        yield daemons


def connect_to_both(url: str) -> dict[str, list[ClientConnection]]:
    """Open connections until each instance has one; give them by instance."""
    sockets: dict[str, list[ClientConnection]] = {}
    for _ in range(_ENOUGH):
        socket = open_socket(url)
        sockets.setdefault(heartbeat(socket), []).append(socket)
        if len(sockets) == 2:
            return sockets
    raise AssertionError(f"{_ENOUGH} connections all landed on {set(sockets)}")


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [("tcp:{}:interface=127.0.0.1", "127.0.0.1"), (r"tcp6:{}:interface=\:\:1:backlog=100", "[::1]")],
)
def test_a_shared_port_outlives_an_instance(rabbit: RabbitNode, endpoint: str, host: str) -> None:
    """Both have clients; when one stops, all land on the other; started again, it has its share."""
    port, broker = free_port(), vhost_url(rabbit)
    url = f"ws://{host}:{port}/websocket/222"
    with sharing(broker, endpoint.format(port)) as daemons:
        sockets = connect_to_both(url)
        publish(broker, b"to all")
        assert {"to all"} == {socket.recv(timeout=10) for each in sockets.values() for socket in each}

        assert 0 == daemons[0].stop()
        with pytest.raises(ConnectionClosed) as closed:
            sockets["8091"][0].recv(timeout=10)
        assert 1012 == closed.value.rcvd.code  # type: ignore[union-attr]
        moved = [open_socket(url) for _ in range(20)]
        assert {"8092"} == set(map(heartbeat, moved))

        start_all(daemons[:1])
        back = connect_to_both(url)
        publish(broker, b"to all again")
        everybody = [*sockets["8092"], *moved, *back["8091"], *back["8092"]]
        assert {"to all again"} == {socket.recv(timeout=10) for socket in everybody}
        for socket in everybody:
            socket.close()
