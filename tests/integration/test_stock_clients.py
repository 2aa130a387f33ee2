"""The clients that applications use, as they are: they lose an instance and miss nothing on the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.cluster import Cluster, vhost_url
from tests.support.publisher import publish
from tests.support.stock import StockClient, go, javascript, python

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.rabbitmq import RabbitNode


@pytest.fixture(scope="module")
def cluster(rabbit: RabbitNode) -> Iterator[Cluster]:
    """Two instances on a stream, behind nginx."""
    with Cluster(vhost_url(rabbit), 2, {"sse.retry": "1s", "limits.drain_timeout": "5s"}) as cluster:
        yield cluster


@pytest.fixture
def lonely(cluster: Cluster) -> Iterator[Cluster]:
    """The same with only the first instance running, so that it has to take the client."""
    cluster.complete()
    cluster.daemons[1].stop()
    yield cluster
    cluster.complete()


@pytest.mark.parametrize(
    ("make", "program"),
    [(javascript, "centrifuge.mjs"), (python, "centrifuge_client.py"), (go, "centrifuge")],
    ids=["js", "python", "go"],
)
@pytest.mark.parametrize("end", ["drain", "crash"])
def test_centrifuge_recovers_on_another_instance(
    lonely: Cluster, make: Callable[..., StockClient], program: str, end: str
) -> None:
    """Channel and broadcasts: what it missed comes first, then what follows, each once."""
    with make(program, lonely.url("/connection/websocket"), "222") as client:
        client.expect("subscribed", channel="broadcast")
        client.expect("subscribed", channel="222")
        publish(lonely.broker, b'{"n": 1}', "222")
        client.expect("message", channel="222", data={"n": 1})
        publish(lonely.broker, b'{"n": 2}')
        client.expect("message", channel="broadcast", data={"n": 2})
        _lose(lonely, end)
        client.expect("connecting")
        publish(lonely.broker, b'{"n": 3}', "222")
        publish(lonely.broker, b'{"n": 4}')
        lonely.complete()
        client.expect("message", channel="222", data={"n": 3})
        publish(lonely.broker, b'{"n": 5}', "222")
        client.expect("message", channel="222", data={"n": 5})
    numbers = [message["n"] for message in client.messages]
    assert [1, 2, 3, 4, 5] == sorted(numbers)


@pytest.mark.parametrize("end", ["drain", "crash"])
def test_eventsource_resumes_on_another_instance(lonely: Cluster, end: str) -> None:
    """Many channels with one Last-Event-ID: everything missed, in order, each once."""
    url = lonely.url("/events?channel=222&channel=news", "http")
    with javascript("eventsource.mjs", url) as client:
        client.expect("connected")
        publish(lonely.broker, b'{"n": 1}', "222")
        client.expect("message", data={"n": 1})
        # EventSource gives up for good on an error status: the next instance must be there first.
        lonely.daemons[1].start()
        lonely.daemons[1].wait_ready()
        _lose(lonely, end)
        client.expect("connecting")
        publish(lonely.broker, b'{"n": 2}', "news")
        publish(lonely.broker, b'{"n": 3}')
        publish(lonely.broker, b'{"n": 4}', "222")
        publish(lonely.broker, b'{"n": 5}', "others")
        client.expect("message", data={"n": 4})
        publish(lonely.broker, b'{"n": 6}', "news")
        client.expect("message", data={"n": 6})
    assert [1, 2, 3, 4, 6] == [message["n"] for message in client.messages]


def _lose(cluster: Cluster, end: str) -> None:
    """End the first instance."""
    if end == "crash":
        cluster.daemons[0].kill()
    else:
        assert cluster.daemons[0].stop() == 0
