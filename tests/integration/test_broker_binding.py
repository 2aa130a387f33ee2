"""A queue that is no longer bound: it is found soon, bound again, and clients are told, in both modes."""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import pika
import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.threads import deferToThread

from pushd.broker.amqp.topology import segment_bytes
from pushd.broker.mark import BASIS, Mark
from pushd.config import Broker, BrokerUrl
from pushd.interfaces import PublishError
from pushd.message import Position, Publication
from tests.support.amqp import amqp_broker, section
from tests.support.faults import unbind
from tests.support.listener import Listener
from tests.support.log import Log, logged
from tests.support.until import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from pika.adapters.blocking_connection import BlockingChannel

    from pushd.broker.amqp import AmqpBroker
    from tests.support.rabbitmq import RabbitNode

both = pytest.mark.parametrize("kind", ["stream", "exclusive"])

FOUND = 4.0
"""Seconds in which a lost binding is found and restored: twice what it takes, on a busy machine."""


@pytest.fixture
def log() -> Iterator[Log]:
    """What the adapter logs; a traceback is never right."""
    with logged("pushd.broker") as log:
        yield log
    assert [] == log.tracebacks


@contextmanager
def operator(rabbit: RabbitNode) -> Iterator[BlockingChannel]:
    """A channel whose publications are confirmed, and returned when they reach no queue."""
    connection = pika.BlockingConnection(pika.URLParameters(rabbit.url))
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        yield channel
    finally:
        connection.close()


@pytest.fixture
def admin(rabbit: RabbitNode) -> Iterator[BlockingChannel]:
    """A channel of an operator for all of a test."""
    with operator(rabbit) as channel:
        yield channel


@asynccontextmanager
async def running(settings: Broker) -> AsyncIterator[tuple[AmqpBroker, Listener]]:
    """A broker that is attached and publishes, and is stopped in the end."""
    broker = amqp_broker(settings)
    listener = Listener()
    listener.broker = broker
    broker.start(listener)
    try:
        await listener.ready()
        await until(lambda: "publishing" not in broker.status().text)
        yield broker, listener
    finally:
        await broker.stop()


def neighbour(admin: BlockingChannel, settings: Broker) -> str:
    """Bind another queue to the exchange, so that no publication is returned; give its name."""
    queue = f"neighbour-{secrets.token_hex(4)}"
    admin.queue_declare(queue, durable=True, arguments={"x-expires": 60_000})
    admin.queue_bind(queue, settings.exchange)
    return queue


async def told(listener: Listener, before: int = 1) -> None:
    """Wait until it has been told that messages may have been missed, and is attached in another epoch."""
    await listener.until(lambda: len(listener.told("reset")) > before, FOUND)
    await listener.until(lambda: listener.seen[-1][0] == "attached" or "reset" != listener.seen[-1][0], FOUND)
    assert listener.epochs[-1] not in listener.epochs[:before]


@both
@pytest_twisted.ensureDeferred
async def test_a_binding_that_is_removed(
    rabbit: RabbitNode, admin: BlockingChannel, log: Log, kind: str
) -> None:
    """Every instance is told, though every publication was confirmed; nothing is torn down."""
    settings = section(rabbit, queue=kind)
    async with running(settings) as (one, first), running(settings) as (_, second):
        keep = neighbour(admin, settings)
        await one.publish(Publication(b"before"))
        await gatherResults([first.received(1), second.received(1)])
        await deferToThread(unbind, rabbit, settings.exchange, keep)
        admin.basic_publish(settings.exchange, "", b"lost", mandatory=True)
        await gatherResults([Deferred.fromCoroutine(told(each)) for each in (first, second)])
        await one.publish(Publication(b"after"))
        await gatherResults([first.received(2), second.received(2)])
        assert [b"before", b"after"] == first.bodies == second.bodies
        if kind == "stream":
            await until(lambda: first.epochs[-1] == second.epochs[-1])
    found = [line for line in log.warnings if "no longer bound" in line]
    assert len(found) in ({1, 2} if kind == "stream" else {2})
    assert not [line for line in log.warnings if "trouble with the broker" in line]


@both
@pytest_twisted.ensureDeferred
async def test_an_exchange_that_is_deleted_and_declared_again(
    rabbit: RabbitNode, admin: BlockingChannel, log: Log, kind: str
) -> None:
    """The application's new exchange has our binding again within two seconds or so, and clients are told."""
    settings = section(rabbit, queue=kind)
    async with running(settings) as (broker, listener):
        admin.exchange_delete(settings.exchange)
        admin.exchange_declare(settings.exchange, "fanout", durable=True)
        with pytest.raises(pika.exceptions.UnroutableError):
            admin.basic_publish(settings.exchange, "", b"unroutable", mandatory=True)
        await told(listener)
        admin.basic_publish(settings.exchange, "", b"after", mandatory=True)
        await listener.received(1)
        assert [b"after"] == listener.bodies
        assert broker.status().attached


@both
@pytest_twisted.ensureDeferred
async def test_an_exchange_that_is_deleted(
    rabbit: RabbitNode, admin: BlockingChannel, log: Log, kind: str
) -> None:
    """One that nobody declares again is declared and bound."""
    settings = section(rabbit, queue=kind)
    async with running(settings) as (_, listener):
        admin.exchange_delete(settings.exchange)
        await told(listener)
        admin.basic_publish(settings.exchange, "", b"after", mandatory=True)
        await listener.received(1)


@both
@pytest_twisted.ensureDeferred
async def test_an_exchange_of_another_type(
    rabbit: RabbitNode, admin: BlockingChannel, log: Log, kind: str
) -> None:
    """It is not bound, which is said once; what comes another way is consumed, and the right type is used."""
    settings = section(rabbit, queue=kind)
    async with running(settings) as (broker, listener):
        admin.exchange_delete(settings.exchange)
        admin.exchange_declare(settings.exchange, "direct", durable=True)
        await listener.until(lambda: listener.told("detached"), FOUND)
        await until(lambda: "cannot be bound" in broker.status().text)
        assert "fanout" in broker.status().text
        assert not broker.status().attached
        admin.basic_publish("", broker._consumer._binding._queue, b"directly", mandatory=True)
        await listener.received(1)
        admin.exchange_delete(settings.exchange)
        admin.exchange_declare(settings.exchange, "fanout", durable=True)
        await listener.until(lambda: len(listener.told("reset")) > 1)
        await until(lambda: broker.status().attached)
    assert 1 == len([line for line in log.warnings if "cannot be bound" in line])


@both
@pytest_twisted.ensureDeferred
async def test_an_unroutable_publication(
    rabbit: RabbitNode, admin: BlockingChannel, log: Log, kind: str
) -> None:
    """It says the same as a missing probe, sooner, and is dealt with once."""
    settings = section(rabbit, queue=kind, probe_interval="30s")
    async with running(settings) as (broker, listener):
        await deferToThread(unbind, rabbit, settings.exchange)
        confirms = [broker.publish(Publication(b"%d" % number)) for number in range(5)]
        for confirm in confirms:
            with pytest.raises(PublishError, match="no queue is bound to exchange"):
                await confirm
        await told(listener)
        await broker.publish(Publication(b"after"))
        await listener.received(1)
        assert 2 == len(set(listener.epochs)) == len(listener.told("reset"))


async def user(rabbit: RabbitNode) -> tuple[str, tuple[BrokerUrl]]:
    """Make a user who may do everything, for now."""
    name = f"user-{secrets.token_hex(4)}"
    await deferToThread(rabbit.add_user, name, "secret")
    await deferToThread(rabbit.allow, name)
    return name, (BrokerUrl("amqp", rabbit.host, rabbit.port, user=name, password="secret"),)


@both
@pytest_twisted.ensureDeferred
async def test_permissions_that_are_revoked_for_a_while(
    rabbit: RabbitNode, admin: BlockingChannel, log: Log, kind: str
) -> None:
    """What is bound goes on: nothing is lost, nobody is told anything, and one line says what is refused."""
    name, url = await user(rabbit)
    settings = section(rabbit, queue=kind, url=url)
    async with running(settings) as (broker, listener):
        await deferToThread(lambda: rabbit.allow(name, configure="^$", write="^$", read="^$"))
        await until(lambda: any("refused" in line for line in log.warnings))
        for number in range(20):
            admin.basic_publish(settings.exchange, "", b"%d" % number, mandatory=True)
        for _ in range(3):
            with pytest.raises(PublishError):
                await broker.publish(Publication(b"x"))
        await listener.received(20)
        assert broker.status().attached
        await deferToThread(rabbit.allow, name)
        await until(lambda: "publishing" not in broker.status().text)
        await broker.publish(Publication(b"after"))
        await listener.received(21)
        assert ([], 1) == (listener.told("detached"), len(listener.told("reset")))
    assert len(log.warnings) == len(set(log.warnings)) <= 3, log.warnings


@both
@pytest_twisted.ensureDeferred
async def test_a_binding_that_cannot_be_restored(
    rabbit: RabbitNode, admin: BlockingChannel, log: Log, kind: str
) -> None:
    """While binding is refused the instance is not ready, says why once, and comes back by itself."""
    name, url = await user(rabbit)
    settings = section(rabbit, queue=kind, url=url)
    async with running(settings) as (broker, listener):
        keep = neighbour(admin, settings)
        await deferToThread(lambda: rabbit.allow(name, configure="^$", read="^$"))
        await deferToThread(unbind, rabbit, settings.exchange, keep)
        await listener.until(lambda: listener.told("detached"), FOUND)
        await until(lambda: "cannot be bound again: 403" in broker.status().text)
        await deferToThread(rabbit.allow, name)
        await listener.until(lambda: len(listener.told("reset")) > 1)
        await until(lambda: broker.status().attached)
    assert 1 == len([line for line in log.warnings if "cannot be bound" in line])


@pytest_twisted.ensureDeferred
async def test_a_stream_that_was_unbound_while_nobody_read_it(
    rabbit: RabbitNode, admin: BlockingChannel, log: Log
) -> None:
    """An instance that starts binds it, and renews the epoch: clients may hold positions in the old one."""
    settings = section(rabbit)
    async with running(settings) as (broker, before):
        await broker.publish(Publication(b"before"))
        await before.received(1)
    keep = neighbour(admin, settings)
    await deferToThread(unbind, rabbit, settings.exchange, keep)
    admin.basic_publish(settings.exchange, "", b"lost", mandatory=True)
    broker, after = amqp_broker(settings), Listener()
    after.broker = broker
    broker.start(after)
    try:
        await after.ready()
        assert before.epochs[0] not in after.epochs
        async with running(settings) as (_, late):
            assert after.epochs[-1:] == late.epochs
            assert 1 == len(after.epochs)
    finally:
        await broker.stop()


@both
@pytest_twisted.ensureDeferred
async def test_probes_reach_nobody(rabbit: RabbitNode, admin: BlockingChannel, kind: str) -> None:
    """A probe becomes no message, when it comes and when it is read back; a neighbour's queue drops it."""
    settings = section(rabbit, queue=kind, probe_interval="0.3s")
    async with running(settings) as (broker, listener):
        keep = neighbour(admin, settings)
        await broker.publish(Publication(b"first"))
        await until(lambda: admin.queue_declare(keep, passive=True).method.message_count >= 4)
        await broker.publish(Publication(b"last"))
        await listener.received(2)
        assert [b"first", b"last"] == listener.bodies
        if kind == "stream":
            first, last = (message.offset for message in listener.messages)
            assert [b"last"] == [each.body for each in (await broker.read(first, last, 1 << 20)).messages]
        admin.queue_purge(keep)
        await until(lambda: admin.queue_declare(keep, passive=True).method.message_count)
        probe = next(admin.consume(keep, auto_ack=True))[1]
        assert ("5000", 1) == (probe.expiration, probe.delivery_mode)
        admin.cancel()


@pytest_twisted.ensureDeferred
async def test_forged_marks(rabbit: RabbitNode, admin: BlockingChannel, log: Log) -> None:
    """A mark that a publisher sends through the exchange is a publication, for now and after a restart."""
    settings = section(rabbit)
    async with running(settings) as (broker, listener):
        epoch = listener.epochs[0]
        forged = [
            Mark("f" * 16, "e" * 16, ""),
            Mark("f" * 16, "a b\r\nevent: x", ""),
            Mark("not a nonce", "", ""),
        ]
        life = broker._consumer._life  # type: ignore[union-attr]
        for mark in forged:
            headers = {**mark.headers(), BASIS: life.claim("x").basis}
            admin.basic_publish(settings.exchange, "", b"", pika.BasicProperties(headers=headers))
        await broker.publish(Publication(b"last"))
        await listener.received(4)
        assert [b"", b"", b"", b"last"] == listener.bodies
        async with running(settings) as (_, late):
            assert ([epoch], listener.bodies) == (late.epochs, late.bodies)
        assert [epoch] == listener.epochs


@pytest_twisted.ensureDeferred
async def test_malformed_epochs_from_before(rabbit: RabbitNode, admin: BlockingChannel, log: Log) -> None:
    """A stream whose marks claim an epoch that no position can carry gets another one."""
    settings = section(rabbit)
    admin.exchange_declare(settings.exchange, "fanout", durable=True)
    arguments = {
        "x-queue-type": "stream",
        "x-max-age": f"{round(settings.stream_max_age)}s",
        "x-max-length-bytes": settings.stream_max_bytes,
        "x-stream-max-segment-size-bytes": segment_bytes(settings.stream_max_bytes),
    }
    admin.queue_declare(settings.stream, durable=True, arguments=arguments)
    admin.queue_bind(settings.stream, settings.exchange)
    first = Mark("a" * 16)
    second = Mark("b" * 16, "a b\r\nevent: x", f"0:{first.nonce}")
    for mark in (first, second):
        admin.basic_publish("", settings.stream, b"", pika.BasicProperties(headers=mark.headers()))
    async with running(settings) as (_, listener), running(settings) as (_, other):
        [epoch] = set(listener.epochs)
        assert Position(str(epoch), 0) == Position.parse(f"{epoch}:0")
        assert [epoch] == other.epochs
