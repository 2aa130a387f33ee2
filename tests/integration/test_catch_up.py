"""Back from before what an instance remembers: each protocol gives it from the stream, or says it cannot."""

from __future__ import annotations

import http.client
import json
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from websockets.exceptions import ConnectionClosedError

from tests.support.cluster import vhost_url
from tests.support.daemon import Daemon, start_all
from tests.support.publisher import NumberedPublisher
from tests.support.wait import wait_for
from tests.support.websocket import open_socket

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tests.support.rabbitmq import RabbitNode

CHANNEL = "222"
MISSED = 400
"""Messages that a client has missed; an instance remembers 50."""

FURTHER = 100
"""Messages that come while it catches up, and after."""


@contextmanager
def two_instances(rabbit: RabbitNode, **settings: str) -> Iterator[tuple[str, list[Daemon]]]:
    """Run two instances that remember little; gives the broker's address and them."""
    url = vhost_url(rabbit)
    keys = {"broker.url": url, "history.max_messages": "50", **settings}
    daemons = [Daemon(str(8091 + number), keys) for number in range(2)]
    with ExitStack() as stack:
        for daemon in daemons:
            stack.callback(daemon.close)
        start_all(daemons)
        yield url, daemons


@contextmanager
def events(daemon: Daemon, path: str, position: str = "") -> Iterator[Iterator[dict[str, str]]]:
    """Open a stream of server-sent events; gives one event after the other, as its fields."""
    connection = http.client.HTTPConnection("127.0.0.1", daemon.public, timeout=20.0)
    try:
        connection.request("GET", path, headers={"Last-Event-ID": position} if position else {})
        with connection.getresponse() as response:
            yield _parsed(response)
    finally:
        connection.close()


def _parsed(lines: http.client.HTTPResponse) -> Iterator[dict[str, str]]:
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.decode().rstrip("\n").partition(":")
        if name:
            fields[name] = value.strip()
        elif fields:
            yield fields
            fields = {}


def here(daemon: Daemon) -> str:
    """Give the position of a client that has missed nothing yet."""
    with events(daemon, f"/events?channel={CHANNEL}") as stream:
        return next(stream)["id"]


def sse(daemon: Daemon, position: str) -> Generator[int]:
    """Give the numbers that a browser's ``EventSource`` gets."""
    with events(daemon, f"/events?channel={CHANNEL}", position) as stream:
        for event in stream:
            assert event.get("event", "position") == "position"
            if "event" not in event and "data" in event:
                yield json.loads(event["data"])["n"]


def raw(daemon: Daemon, position: str) -> Generator[int]:
    """Give the numbers that a plain WebSocket gets."""
    url = f"ws://127.0.0.1:{daemon.public}/websocket/{CHANNEL}?last_event_id={position}"
    with open_socket(url) as socket:
        while True:
            yield json.loads(socket.recv(timeout=20))["n"]


def centrifugo(daemon: Daemon, position: str) -> Generator[int]:
    """Give the numbers that a client of Centrifugo's protocol gets."""
    with closing(_subscribed(daemon, position)) as answers:
        for answer in answers:
            if "subscribe" in answer:
                assert answer["subscribe"]["recovered"]
                for publication in answer["subscribe"]["publications"]:
                    yield publication["data"]["n"]
            elif "pub" in answer.get("push", {}):
                yield answer["push"]["pub"]["data"]["n"]


def _subscribed(daemon: Daemon, position: str) -> Generator[dict[str, Any]]:
    """Subscribe as stock clients do, without waiting for the answer to "connect"; give what comes."""
    epoch, _, offset = position.rpartition(":")
    where = {"recover": True, "epoch": epoch, "offset": int(offset)}
    with open_socket(f"ws://127.0.0.1:{daemon.public}/connection/websocket") as socket:
        connect = {"id": 1, "connect": {"subs": {"broadcast": where}}}
        subscribe = {"id": 2, "subscribe": {"channel": CHANNEL, **where}}
        socket.send(f"{json.dumps(connect)}\n{json.dumps(subscribe)}")
        while True:
            for line in str(socket.recv(timeout=20)).splitlines():
                yield json.loads(line)


def uni_sse(daemon: Daemon, position: str) -> Generator[int]:
    """Give the numbers that a unidirectional client gets."""
    request = quote(json.dumps({"subs": {CHANNEL: {}}}))
    with events(daemon, f"/connection/uni_sse?cf_connect={request}", position) as stream:
        for event in stream:
            push = json.loads(event["data"])
            for publication in push.get("connect", {"subs": {CHANNEL: {}}})["subs"][CHANNEL].get(
                "publications", ()
            ):
                yield publication["data"]["n"]
            if "pub" in push:
                yield push["pub"]["data"]["n"]


def test_what_memory_has_forgotten_comes_from_the_stream(rabbit: RabbitNode) -> None:
    """On another instance, whole and in order, while publishing goes on."""
    with two_instances(rabbit) as (url, (first, second)):
        position = here(first)
        with NumberedPublisher(url, rate=300, routing_key=CHANNEL) as publisher:
            wait_for(lambda: len(publisher.confirmed) > MISSED, "messages that are missed")
            for client in (sse, raw, centrifugo, uni_sse):
                last = len(publisher.confirmed) + FURTHER
                with closing(client(second, position)) as numbers:
                    assert list(range(1, last + 1)) == [next(numbers) for _ in range(last)]
        samples = second.metrics()
        # One for each, and with uni_sse perhaps the broadcasts, too.
        assert samples['pushd_resumes_total{source="stream"}'] >= 4
        assert 'pushd_resumes_total{source="lost"}' not in samples
        assert not second.metric("pushd_stream_reads_failed_total")


def test_what_the_stream_has_lost_is_said(rabbit: RabbitNode) -> None:
    """Each protocol says it in its own way, and nobody gets a part of it."""
    with two_instances(rabbit, **{"broker.stream_max_bytes": "200KB"}) as (url, (first, second)):
        position = here(first)
        with NumberedPublisher(url, rate=2000, routing_key=CHANNEL, most=800, body="x" * 1000) as publisher:
            wait_for(lambda: len(publisher.confirmed) == 800, "messages that are missed")
        with events(second, f"/events?channel={CHANNEL}", position) as stream:
            assert ["position", "reset"] == [next(stream)["event"], next(stream)["event"]]
        with pytest.raises(ConnectionClosedError) as closed, closing(raw(second, position)) as numbers:
            next(numbers)
        assert closed.value.rcvd is not None
        assert 4010 == closed.value.rcvd.code
        with closing(_subscribed(second, position)) as answers:
            answer = next(answer for answer in answers if "subscribe" in answer)
        assert ("recovered" in answer["subscribe"], answer["subscribe"]["was_recovering"]) == (False, True)
        assert second.metrics()['pushd_stream_reads_failed_total{reason="gone"}'] >= 3
