"""One publish reaches every browser on every instance, through nginx with the original location block."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import pika
import pytest

from pushd.audit.raw import RawClient
from tests.support.audience import QUICK, Audience
from tests.support.cluster import Cluster, vhost_url
from tests.support.publisher import EXCHANGE, publish
from tests.support.websocket import heartbeat, open_socket, receive_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from websockets.sync.client import ClientConnection

    from tests.support.rabbitmq import RabbitNode

INSTANCES = {"8091", "8092", "8093"}


@pytest.fixture(scope="module")
def cluster(rabbit: RabbitNode) -> Iterator[Cluster]:
    """Three instances on a stream."""
    with Cluster(vhost_url(rabbit), 3, {"limits.drain_timeout": "10s"}) as cluster:
        yield cluster


@pytest.fixture
def sockets(cluster: Cluster) -> Iterator[list[ClientConnection]]:
    """Twelve browsers on channel 222; nginx spreads them over the instances."""
    sockets = [open_socket(cluster.url("/websocket/222")) for _ in range(12)]
    assert set(map(heartbeat, sockets)) == INSTANCES
    yield sockets
    for socket in sockets:
        socket.close()


def test_a_broadcast_reaches_the_clients_of_all_instances(
    cluster: Cluster, sockets: list[ClientConnection]
) -> None:
    """The original's own publish arrives everywhere, byte for byte, as text."""
    body = "测试消息"
    connection = pika.BlockingConnection(pika.URLParameters(cluster.broker))
    connection.channel().basic_publish(exchange="com.jihaixiang.test", routing_key="", body=body.encode())
    connection.close()
    assert [body] * 12 == [socket.recv(timeout=10) for socket in sockets]


def test_bytes_that_are_no_text_arrive_as_binary(cluster: Cluster, sockets: list[ClientConnection]) -> None:
    """What is no UTF-8 is not made into it."""
    body = bytes(range(256))
    publish(cluster.broker, body, content_type="application/octet-stream")
    assert [body] * 12 == [socket.recv(timeout=10) for socket in sockets]


def test_a_routing_key_reaches_only_its_channel(cluster: Cluster, sockets: list[ClientConnection]) -> None:
    """Clients of another channel get the next broadcast and nothing before it."""
    other = open_socket(cluster.url("/websocket/333"))
    publish(cluster.broker, b"for 222", "222")
    publish(cluster.broker, b"for 333", "333")
    publish(cluster.broker, b"for all")
    assert ["for 333", "for all"] == receive_until(other, "for all")
    assert [["for 222", "for all"]] * 12 == [receive_until(socket, "for all") for socket in sockets]
    other.close()


def test_heartbeats_are_answered_in_line_under_load(cluster: Cluster) -> None:
    """200 heartbeats amid 2,000 broadcasts a second: each answered by the same instance."""
    over = threading.Event()
    flood = threading.Thread(target=_flood, args=(cluster.broker, over))
    socket = open_socket(cluster.url("/websocket/222"))
    flood.start()
    try:
        assert socket.recv(timeout=10) == "flood"
        answers = [heartbeat(socket) for _ in range(100)]
        for _ in range(100):
            socket.send("heartbeat")
        answers += [heartbeat_answer(socket) for _ in range(100)]
    finally:
        over.set()
        flood.join()
    assert len(answers) == 200
    assert len(set(answers)) == 1
    publish(cluster.broker, b"the end", "222")
    assert set(receive_until(socket, "the end")) <= {"flood", "the end"}
    socket.close()


def test_clients_of_a_killed_instance_land_on_the_others(cluster: Cluster) -> None:
    """After kill -9 every client is back through nginx, and messages reach all of them."""
    url = cluster.url("/websocket/222")
    clients = [RawClient(url, QUICK, heartbeat=1.0) for _ in range(60)]
    with Audience(clients) as audience:
        audience.wait_online()
        cluster.daemons[1].kill()
        audience.wait(lambda client: client.online and not _talked_last_to(client, "8092"), "clients moved")
        publish(cluster.broker, b'{"n": 1}', "222")
        audience.wait_taken({"": 1})
        assert any(client.connects == 2 for client in clients)
        assert any(client.connects == 1 for client in clients)
    cluster.complete()


def test_clients_of_a_draining_instance_land_on_the_others(cluster: Cluster) -> None:
    """Nobody is turned away while one instance drains: who asks it is passed on to the next."""
    url = cluster.url("/websocket/222")
    clients = [RawClient(url, QUICK) for _ in range(60)]
    with Audience(clients) as audience:
        audience.wait_online()
        cluster.daemons[2].terminate()
        while cluster.daemons[2].running:
            socket = open_socket(url)
            heartbeat(socket)
            socket.close()
        assert cluster.daemons[2].ended() == 0
        audience.wait_online()
        ends = sum((client.ends for client in clients), Counter[str]())
        assert set(ends) == {"1012"}
        publish(cluster.broker, b'{"n": 1}', "222")
        audience.wait_taken({"": 1})
    cluster.complete()


def heartbeat_answer(socket: ClientConnection) -> str:
    """Skip to the next answer to a heartbeat."""
    while (answer := socket.recv(timeout=10)) == "flood":
        pass
    assert isinstance(answer, str)
    return answer.split('"')[3]


def _talked_last_to(client: RawClient, name: str) -> bool:
    return client.connects == 1 and any(name in answer for answer in client.answers)


def _flood(url: str, over: threading.Event) -> None:
    """Broadcast 2,000 messages a second, as many as are due every 10 ms."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    began, sent = time.monotonic(), 0
    while not over.wait(0.01):
        due = int((time.monotonic() - began) * 2000)
        for _ in range(due - sent):
            channel.basic_publish(EXCHANGE, "", b"flood")
        sent = due
    connection.close()
