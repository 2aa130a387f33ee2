"""Declarations that differ at a real RabbitMQ, nodes that are dead, and what publishers put into messages."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import secrets
import shlex
import zlib
from contextlib import asynccontextmanager, suppress
from struct import pack
from typing import TYPE_CHECKING, Any

import pika
import pytest
import pytest_twisted
from twisted.internet import reactor  # noqa: TID251  # the tests run in it
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.threads import deferToThread

from pushd.broker.amqp.topology import segment_bytes
from pushd.config import BrokerUrl
from pushd.message import Publication
from pushd.stats import Stats
from tests.support.amqp import amqp_broker, section
from tests.support.listener import Listener
from tests.support.log import Log, logged
from tests.support.rabbitmq import RabbitNode, free_port
from tests.support.until import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from pika.adapters.blocking_connection import BlockingChannel

    from pushd.broker.amqp import AmqpBroker
    from pushd.config import Broker


@pytest.fixture
def log() -> Iterator[Log]:
    """What the adapter logs; a traceback is never right."""
    with logged("pushd.broker") as log:
        yield log
    assert [] == log.tracebacks


@pytest.fixture
def admin(rabbit: RabbitNode) -> Iterator[BlockingChannel]:
    """A channel of an operator."""
    connection = pika.BlockingConnection(pika.URLParameters(rabbit.url))
    yield connection.channel()
    if connection.is_open:  # a test may have had all connections closed
        with suppress(pika.exceptions.ConnectionClosedByBroker):
            connection.close()


@asynccontextmanager
async def running(settings: Broker, **options: object) -> AsyncIterator[tuple[AmqpBroker, Listener]]:
    """A broker that has been started, and is stopped in the end."""
    broker = amqp_broker(settings, **options)
    listener = Listener()
    listener.broker = broker
    broker.start(listener)
    try:
        yield broker, listener
    finally:
        await broker.stop()


# What exists already.


def wanted(settings: Broker, **others: object) -> dict[str, object]:
    """Give the arguments that pushd declares, with others in their place."""
    arguments = {
        "x-queue-type": "stream",
        "x-max-age": f"{round(settings.stream_max_age)}s",
        "x-max-length-bytes": settings.stream_max_bytes,
        "x-stream-max-segment-size-bytes": segment_bytes(settings.stream_max_bytes),
    } | {f"x-{name.replace('_', '-')}": value for name, value in others.items()}
    return {name: value for name, value in arguments.items() if value is not None}


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({"max_age": "7200s"}, ["x-max-age is 7200s, not 3600s"]),
        ({"max_age": None}, ["x-max-age is not set, not 3600s"]),
        ({"max_length_bytes": 2_000_000}, ["x-max-length-bytes is 2000000, not"]),
        (
            {"max_length_bytes": None, "max_age": None},
            ["x-max-age is not set", "x-max-length-bytes is not set"],
        ),
        ({"stream_max_segment_size_bytes": 1_000_000}, ["only deleting the stream changes"]),
        ({"stream_max_segment_size_bytes": None}, ["x-stream-max-segment-size-bytes is not set"]),
        (
            {"max_age": "2h", "initial_cluster_size": 1, "queue_leader_locator": "client-local"},
            ["is 2h, not 3600s"],
        ),
        ({"max_age": "1h", "initial_cluster_size": 1}, []),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_stream_with_other_arguments(
    rabbit: RabbitNode, admin: BlockingChannel, log: Log, others: dict[str, object], said: list[str]
) -> None:
    """It is used as it is, through every attach, and the difference is said once."""
    settings = section(rabbit)
    admin.queue_declare(settings.stream, durable=True, arguments=wanted(settings, **others))
    async with running(settings) as (broker, listener):
        await listener.ready()
        await broker.publish(Publication(b"x"))
        await listener.received(1)
        await deferToThread(rabbit.ctl, "close_all_connections", "again")
        await listener.ready(2)
    warnings = [line for line in log.warnings if "exists with other arguments" in line]
    assert bool(said) == len(warnings)
    assert all(text in warnings[0] for text in said)


@pytest_twisted.ensureDeferred
async def test_the_command_changes_the_retention(
    rabbit: RabbitNode, admin: BlockingChannel, log: Log
) -> None:
    """What the warning tells an operator to run is taken by RabbitMQ, and the stream follows it."""
    settings = section(rabbit)
    existing = wanted(settings, max_age="7200s", max_length_bytes=2_000_000)
    admin.queue_declare(settings.stream, durable=True, arguments=existing)
    async with running(settings) as (_, listener):
        await listener.ready()
    [warning] = log.warnings
    program, *command = shlex.split(warning.partition("to change this, run: ")[2])
    assert "rabbitmqctl" == program
    await deferToThread(rabbit.ctl, *command)
    queues, policies = [
        json.loads(await deferToThread(rabbit.ctl, *asked, "--formatter", "json"))
        for asked in (("list_queues", "name", "policy"), ("list_policies",))
    ]
    assert {"name": settings.stream, "policy": settings.stream} in queues
    [policy] = [each["definition"] for each in policies if each["name"] == settings.stream]
    assert {"max-age": "3600s", "max-length-bytes": settings.stream_max_bytes} == json.loads(policy)


@pytest_twisted.ensureDeferred
async def test_a_long_name_leaves_no_room_for_values(
    rabbit: RabbitNode, admin: BlockingChannel, log: Log
) -> None:
    """RabbitMQ cuts its text: the stream is used, and what differs is named."""
    settings = section(rabbit, stream="s" * 180 + secrets.token_hex(4))
    admin.queue_declare(settings.stream, durable=True, arguments=wanted(settings, max_age="7200s"))
    async with running(settings) as (broker, listener):
        await listener.ready()
        await broker.publish(Publication(b"x"))
        await listener.received(1)
    assert "x-max-age differs from what [broker] asks for" in log.warnings[0]


@pytest.mark.parametrize(
    ("arguments", "durable"),
    [
        ({}, True),
        ({}, False),
        ({"x-queue-type": "quorum"}, True),
        ({"x-max-length-bytes": 5}, True),
        ({"x-message-ttl": 1000, "x-queue-mode": "lazy"}, True),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_queue_that_is_no_stream(
    rabbit: RabbitNode, admin: BlockingChannel, log: Log, arguments: dict[str, Any], *, durable: bool
) -> None:
    """It is not used, and the reason says what to do."""
    settings = section(rabbit)
    admin.queue_declare(settings.stream, durable=durable, arguments=arguments)
    async with running(settings) as (broker, listener):
        await until(lambda: "is no stream" in broker.status().text)
        assert "delete it, or name another in [broker] stream" in broker.status().text
        assert [] == listener.epochs


@pytest.mark.parametrize(
    ("existing", "said"),
    [
        ({"exchange_type": "topic"}, "'topic' (pushd needs a fanout exchange"),
        ({"durable": False}, "(durable: the exchange has false, pushd declares true"),
        ({"auto_delete": True}, "(auto_delete: the exchange has true, pushd declares false"),
        ({"internal": True}, "(internal: the exchange has true, pushd declares false"),
        (
            {"arguments": {"alternate-exchange": "other"}},
            "(alternate-exchange: the exchange has other, pushd declares none",
        ),
    ],
)
@pytest.mark.parametrize("queue", ["stream", "exclusive"])
@pytest_twisted.ensureDeferred
async def test_an_exchange_that_differs(  # noqa: PLR0917  # fixtures and parameters, by name
    rabbit: RabbitNode, admin: BlockingChannel, log: Log, existing: dict[str, Any], said: str, queue: str
) -> None:
    """The reason says which side has what."""
    settings = section(rabbit, queue=queue)
    admin.exchange_declare(settings.exchange, **{"exchange_type": "fanout", "durable": True} | existing)
    async with running(settings) as (broker, listener):
        await until(lambda: said in broker.status().text)
        assert [] == listener.epochs


# Several addresses.


class Silent(Protocol):
    """Accepts and says nothing."""


class Web(Protocol):
    """Answers as a web server does, and stays."""

    def dataReceived(self, data: bytes) -> None:
        """Answer."""
        assert self.transport is not None
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


class Rude(Web):
    """Answers as a web server does, and leaves."""

    def dataReceived(self, data: bytes) -> None:
        """Answer."""
        super().dataReceived(data)
        assert self.transport is not None
        self.transport.loseConnection()


@pytest_twisted.ensureDeferred
async def test_dead_nodes_first(rabbit: RabbitNode, log: Log) -> None:
    """A good node is found within ten seconds behind nodes that are silent, refuse or are no brokers."""
    kinds = (Silent, Silent, Web, Rude, Silent)
    ports = [
        await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(Factory.forProtocol(kind))
        for kind in kinds
    ]
    dead = [port.getHost().port for port in ports]
    numbers = [*dead[:2], free_port(), *dead[2:], rabbit.port]
    url = tuple(BrokerUrl("amqp", "127.0.0.1", number) for number in numbers)
    try:
        async with running(section(rabbit, url=url)) as (broker, listener):
            await listener.until(lambda: listener.epochs).addTimeout(10, reactor)
            await broker.publish(Publication(b"x"))
            await listener.received(1)
    finally:
        for port in ports:
            await port.stopListening()


# What publishers send.


class Headers(pika.BasicProperties):
    """Headers in bytes, for values that pika does not write.

    Args:
        fields: A table without its length.
    """

    def __init__(self, fields: bytes) -> None:
        super().__init__()
        self._fields = fields

    def encode(self) -> list[bytes]:
        """Write what no setter lets through."""
        return [pack(">H", self.FLAG_HEADERS), pack(">I", len(self._fields)), self._fields]


def nested(depth: int) -> bytes:
    """Make a list in a list in a list."""
    value = b"V"
    for _ in range(depth):
        value = b"A" + pack(">I", len(value)) + value
    return value


@pytest.mark.parametrize("queue", ["stream", "exclusive"])
@pytest_twisted.ensureDeferred
async def test_headers_that_do_not_concern_pushd(
    rabbit: RabbitNode, admin: BlockingChannel, queue: str
) -> None:
    """They never cost the message, whatever they are, and it still goes where it was addressed."""
    settings, stats = section(rabbit, queue=queue), Stats()
    values = [
        b"T" + pack(">Q", 1 << 48),
        b"T" + pack(">q", -86400),
        b"s" + pack(">h", -5),
        b"x" + pack(">I", 1) + b"\xff",
        b"V",
    ]
    if queue == "exclusive":  # a stream of 3.10 cannot hold them
        values += [nested(2000), b"F\0\0\0\0", b"D\2\0\0\0\5"]
    async with running(settings, stats=stats) as (_, listener):
        await listener.ready()
        for value in values:
            fields = b"\x01a" + value + b"\x08channels" + b"S\0\0\0\x03222"
            admin.basic_publish(settings.exchange, "", value, Headers(fields))
        await listener.received(len(values))
        assert {"222"} == {message.channel for message in listener.messages}
        assert values == listener.bodies
        assert ({}, []) == (dict(stats.dropped), listener.told("detached"))
        if queue == "stream":
            offsets = [message.offset for message in listener.messages]
            page = await listener.broker.read(offsets[0] - 1, offsets[-1], 1 << 20)
            assert offsets == [message.offset for message in page.messages]


_TEXT = "测试消息"
_BATCH = {"springBatchFormat": "lengthHeader4", "amqp_batchSize": 2}


@pytest.mark.parametrize("queue", ["stream", "exclusive"])
@pytest_twisted.ensureDeferred
async def test_encodings(rabbit: RabbitNode, admin: BlockingChannel, queue: str) -> None:
    """Bodies as Spring's post-processors, kombu and others write them arrive as the text they were."""
    settings, stats = section(rabbit, queue=queue), Stats()
    body, gbk = _TEXT.encode(), _TEXT.encode("gbk")
    published = [
        *((body, name, {}) for name in ("identity", "7bit", "8bit", "binary", "utf-8")),
        (gzip.compress(body), "gzip:UTF-8", {}),
        (gzip.compress(gbk), "gzip, GBK", {}),
        (zlib.compress(body), "deflate", {}),
        (zlib.compress(body), "utf-8", {"compression": "application/x-gzip"}),
        (bz2.compress(body), "utf-8", {"compression": "application/x-bz2"}),
        (lzma.compress(body), "utf-8", {"compression": "application/x-lzma"}),
    ]
    async with running(settings, stats=stats) as (_, listener):
        await listener.ready()
        for data, encoding, headers in published:
            properties = pika.BasicProperties("text/plain", encoding, headers or None)
            admin.basic_publish(settings.exchange, "", data, properties)
        parts = b"".join(pack(">I", len(part)) + part for part in (b"one", b"two"))
        properties = pika.BasicProperties("text/plain", "gzip:UTF-8", _BATCH)
        admin.basic_publish(settings.exchange, "222", gzip.compress(parts), properties)
        await listener.received(len(published) + 2)
        assert [*[body] * len(published), b"one", b"two"] == listener.bodies
        assert {} == dict(stats.dropped)


@pytest.mark.parametrize("queue", ["stream", "exclusive"])
@pytest_twisted.ensureDeferred
async def test_what_is_too_large(rabbit: RabbitNode, admin: BlockingChannel, log: Log, queue: str) -> None:
    """It is dropped, counted and said once, also when it only becomes so; what follows arrives."""
    settings, stats = section(rabbit, queue=queue, max_body_bytes=100_000), Stats()
    async with running(settings, stats=stats) as (_, listener):
        await listener.ready()
        admin.basic_publish(settings.exchange, "", bytes(1_000_000))
        bomb = pika.BasicProperties("text/plain", "gzip")
        admin.basic_publish(settings.exchange, "", gzip.compress(bytes(10_000_000)), bomb)
        batch = pika.BasicProperties("text/plain", None, _BATCH)
        admin.basic_publish(settings.exchange, "", b"\0\0\0\5abc", batch)
        admin.basic_publish(settings.exchange, "", b"x" * 100_000)
        await listener.received(1)
        assert [b"x" * 100_000] == listener.bodies
        assert {"size": 2, "batch": 1} == dict(stats.dropped)
        assert 1 == len([line for line in log.warnings if "max_body_bytes" in line])
        assert [] == listener.told("detached")
        if queue == "stream":
            offset = listener.messages[0].offset
            page = await listener.broker.read(offset - 4, offset, 1 << 20)
            assert [offset] == [message.offset for message in page.messages]
