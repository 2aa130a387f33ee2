"""Everything that can go wrong between the broker's adapter and a real RabbitMQ."""

from __future__ import annotations

import os
import secrets
import signal
import struct
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING

import pika
import pytest
import pytest_twisted
from twisted.internet import reactor  # noqa: TID251  # the tests run in it
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from pushd.broker.amqp.topology import segment_bytes
from pushd.broker.mark import NONCE, Mark
from pushd.config import Broker, BrokerUrl
from pushd.interfaces import PublishError
from pushd.message import Publication
from pushd.stats import Stats
from tests.support.amqp import Eager, amqp_broker, section
from tests.support.listener import Listener
from tests.support.log import Log, logged
from tests.support.rabbitmq import RabbitNode, free_port
from tests.support.until import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from pika.adapters.blocking_connection import BlockingChannel

    from pushd.broker.amqp import AmqpBroker


@pytest.fixture
def log() -> Iterator[Log]:
    """What the adapter logs; a traceback is never right."""
    with logged("pushd.broker") as log:
        yield log
    assert [] == log.tracebacks


@contextmanager
def operator(rabbit: RabbitNode) -> Iterator[BlockingChannel]:
    """A channel of an operator."""
    connection = pika.BlockingConnection(pika.URLParameters(rabbit.url))
    try:
        yield connection.channel()
    finally:
        # pika rejects what it holds of a stream, for which RabbitMQ closes the connection.
        with suppress(pika.exceptions.ConnectionClosedByBroker):
            connection.close()


@pytest.fixture
def admin(rabbit: RabbitNode) -> Iterator[BlockingChannel]:
    """A channel of an operator for all of a test."""
    with operator(rabbit) as channel:
        yield channel


@pytest.fixture(scope="module")
def mortal() -> Iterator[RabbitNode]:
    """A node to be killed, stopped and frozen."""
    with RabbitNode() as node:
        yield node


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


class Poison(pika.BasicProperties):
    """A header with a date beyond the year 9999, which Java can send and pika can neither write nor read."""

    def encode(self) -> list[bytes]:
        """Write what no setter lets through: the flag of headers, and a table of one field."""
        field = b"\x01x" + b"T" + struct.pack(">Q", 1 << 48)
        return [struct.pack(">H", self.FLAG_HEADERS), struct.pack(">I", len(field)), field]


def ctl(node: RabbitNode, *arguments: str) -> Deferred[str]:
    """Run rabbitmqctl while the reactor goes on."""
    return deferToThread(node.ctl, *arguments)


async def trouble(settings: Broker, log: Log, text: str) -> AmqpBroker:
    """Have a broker fail again and again; whatever it says, it says once, in the log and in its status."""
    random = Eager()
    async with running(settings, random=random) as (broker, listener):
        await until(lambda: text in broker.status().text)
        enough = random.attempts + 6
        await until(lambda: random.attempts >= enough)
        assert text in broker.status().text
        assert not broker.status().attached
        assert [] == listener.epochs
        assert len([line for line in log.warnings if text in line]) in {1, 2}, log.warnings
        assert len(log.warnings) == len(set(log.warnings)), log.warnings
        with pytest.raises(PublishError):
            await broker.publish(Publication(b"x"))
    return broker


# What an operator may get wrong.


@pytest_twisted.ensureDeferred
async def test_wrong_password(rabbit: RabbitNode, log: Log) -> None:
    """A refused login says so."""
    url = (BrokerUrl("amqp", rabbit.host, rabbit.port, password="wrong"),)
    await trouble(section(rabbit, url=url), log, "check user and password")


@pytest_twisted.ensureDeferred
async def test_missing_vhost(rabbit: RabbitNode, log: Log) -> None:
    """A virtual host that does not exist says so."""
    url = (BrokerUrl("amqp", rabbit.host, rabbit.port, vhost="missing"),)
    await trouble(section(rabbit, url=url), log, "vhost missing not found")


@pytest_twisted.ensureDeferred
async def test_nobody_listens(rabbit: RabbitNode, log: Log) -> None:
    """A closed port says so."""
    url = (BrokerUrl("amqp", "127.0.0.1", free_port()),)
    await trouble(section(rabbit, url=url), log, "refused")


@pytest_twisted.ensureDeferred
async def test_no_amqp(rabbit: RabbitNode, log: Log) -> None:
    """Something that speaks another protocol says so, without a traceback."""

    class Web(Protocol):
        def dataReceived(self, data: bytes) -> None:
            assert self.transport is not None
            self.transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            self.transport.loseConnection()

    port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(Factory.forProtocol(Web))
    try:
        url = (BrokerUrl("amqp", "127.0.0.1", port.getHost().port),)
        await trouble(section(rabbit, url=url), log, "closed the connection")
    finally:
        await port.stopListening()


async def user(rabbit: RabbitNode, **rights: str) -> tuple[BrokerUrl]:
    """Make a user with certain rights in the default virtual host."""
    name = f"user-{secrets.token_hex(4)}"
    await deferToThread(rabbit.add_user, name, "secret")
    await deferToThread(lambda: rabbit.allow(name, **rights))
    return (BrokerUrl("amqp", rabbit.host, rabbit.port, user=name, password="secret"),)


@pytest_twisted.ensureDeferred
async def test_no_permission_to_read(rabbit: RabbitNode, log: Log) -> None:
    """A user who may not read from the exchange is told which right is missing."""
    url = await user(rabbit, read="^$")
    await trouble(section(rabbit, url=url), log, "ACCESS_REFUSED")


@pytest_twisted.ensureDeferred
async def test_no_permission_for_marks(rabbit: RabbitNode, log: Log) -> None:
    """A user who may not write to the default exchange is told why he must; publishing works all the same."""
    settings = section(rabbit)
    url = await user(rabbit, write="^test\\.")
    settings = settings.model_copy(update={"url": url})
    async with running(settings) as (broker, listener):
        await until(lambda: "for the marks" in broker.status().text)
        assert "amq.default" in broker.status().text
        await broker.publish(Publication(b"x"))
        assert [] == listener.epochs


@pytest_twisted.ensureDeferred
async def test_no_permission_to_declare(rabbit: RabbitNode, admin: BlockingChannel, log: Log) -> None:
    """A user who may declare nothing can use what an operator has declared."""
    settings = section(rabbit)
    admin.exchange_declare(settings.exchange, "fanout", durable=True)
    admin.queue_declare(settings.stream, durable=True, arguments={"x-queue-type": "stream"})
    url = await user(rabbit, configure="^$")
    async with running(settings.model_copy(update={"url": url})) as (broker, listener):
        await listener.ready()
        await broker.publish(Publication(b"x"))
        await listener.received(1)


@pytest_twisted.ensureDeferred
async def test_exchange_of_another_type(rabbit: RabbitNode, admin: BlockingChannel, log: Log) -> None:
    """An exchange that is no fanout is not used."""
    settings = section(rabbit)
    admin.exchange_declare(settings.exchange, "direct", durable=True)
    await trouble(settings, log, "pushd needs a fanout exchange")


@pytest_twisted.ensureDeferred
async def test_queue_with_other_arguments(rabbit: RabbitNode, admin: BlockingChannel, log: Log) -> None:
    """A queue under the stream's name that is otherwise is not used."""
    settings = section(rabbit)
    admin.queue_declare(settings.stream, durable=True)
    await trouble(settings, log, "declared with other arguments")


@pytest_twisted.ensureDeferred
async def test_spring_declares_first(rabbit: RabbitNode, admin: BlockingChannel) -> None:
    """The exchange of ``new FanoutExchange(name)`` fits, and so does ours for Spring's next declaration."""
    settings = section(rabbit)
    admin.exchange_declare(settings.exchange, "fanout", durable=True, auto_delete=False)
    async with running(settings) as (_, listener):
        await listener.ready()
        admin.exchange_declare(settings.exchange, "fanout", durable=True, auto_delete=False)


# What may happen while it works.


@pytest.mark.parametrize("kind", ["stream", "exclusive"])
@pytest_twisted.ensureDeferred
async def test_original_publish(rabbit: RabbitNode, admin: BlockingChannel, kind: str) -> None:
    """The plainest publication there is arrives as text, byte for byte, and an odd header hurts nobody."""
    settings, stats = section(rabbit, queue=kind), Stats()
    async with running(settings, stats=stats) as (_, listener):
        await listener.ready()
        admin.basic_publish(exchange=settings.exchange, routing_key="", body="测试消息".encode())
        admin.basic_publish(settings.exchange, "", b"poison", properties=Poison())
        java = pika.BasicProperties(content_type="application/x-java-serialized-object")
        admin.basic_publish(settings.exchange, "", b"\xac\xed", properties=java)
        admin.basic_publish(settings.exchange, "222", b"last")
        await listener.received(3)
        assert ["测试消息".encode(), b"poison", b"last"] == listener.bodies
        assert {"java": 1} == dict(stats.dropped)
        assert [] == listener.told("detached")


@pytest.mark.parametrize("kind", ["stream", "exclusive"])
@pytest_twisted.ensureDeferred
async def test_closed_by_an_administrator(rabbit: RabbitNode, log: Log, kind: str) -> None:
    """Connections closed by an operator come back, and say what he said."""
    settings = section(rabbit, queue=kind)
    async with running(settings) as (broker, listener):
        await listener.ready()
        await until(lambda: "publishing" not in broker.status().text)
        await broker.publish(Publication(b"before"))
        await listener.received(1)
        await ctl(rabbit, "close_all_connections", "maintenance today")
        await listener.ready(2)
        await until(lambda: "publishing" not in broker.status().text)
        await broker.publish(Publication(b"after"))
        await listener.received(2)
        assert [b"before", b"after"] == listener.bodies
        assert len(set(listener.epochs)) == (1 if kind == "stream" else 2)
        assert len(listener.told("reset")) == (1 if kind == "stream" else 2)
    assert any("maintenance today" in line for line in log.warnings)
    assert ("lost" in " ".join(log.warnings)) == (kind == "exclusive")


@pytest_twisted.ensureDeferred
async def test_exclusive_queue_deleted(rabbit: RabbitNode, admin: BlockingChannel, log: Log) -> None:
    """A consumer whose exclusive queue is deleted gets another one."""
    settings = section(rabbit, queue="exclusive")
    async with running(settings) as (broker, listener):
        await listener.ready()
        # Only its own connection may delete an exclusive queue, or its node from within.
        await ctl(
            rabbit,
            "eval",
            "[rabbit_amqqueue:delete(Q, false, false, <<>>) || Q <- rabbit_amqqueue:list(), "
            "amqqueue:get_exclusive_owner(Q) =/= none].",
        )
        await listener.ready(2)
        await broker.publish(Publication(b"x"))
        await listener.received(1)


@pytest_twisted.ensureDeferred
async def test_stream_recreated(rabbit: RabbitNode, admin: BlockingChannel, log: Log) -> None:
    """A stream that is deleted is declared again and is another one: a reset and a new epoch, everywhere."""
    settings = section(rabbit)
    async with running(settings) as (broker, listener), running(settings) as (_, other):
        await gatherResults([listener.ready(), other.ready()])
        for number in range(5):
            await broker.publish(Publication(b"%d" % number))
        await gatherResults([listener.received(5), other.received(5)])
        admin.queue_delete(settings.stream)
        await gatherResults([listener.ready(2), other.ready(2)])
        await broker.publish(Publication(b"new"))
        await gatherResults([listener.received(6), other.received(6)])
        await until(lambda: listener.epochs[-1] == other.epochs[-1])
        assert listener.epochs[0] == other.epochs[0] != listener.epochs[-1]
        assert len(listener.told("reset")) >= 2


@pytest_twisted.ensureDeferred
async def test_stream_recreated_and_grown(rabbit: RabbitNode, admin: BlockingChannel, log: Log) -> None:
    """A stream that was replaced unseen, and is longer already than the old one, is not taken for it."""
    settings = section(rabbit)
    async with running(settings) as (broker, listener):
        await listener.ready()
        await broker.publish(Publication(b"old"))
        await listener.received(1)
        admin.queue_delete(settings.stream)  # the reactor stands still until all of this is done
        arguments = {
            "x-queue-type": "stream",
            "x-max-age": "3600s",
            "x-max-length-bytes": settings.stream_max_bytes,
            "x-stream-max-segment-size-bytes": segment_bytes(settings.stream_max_bytes),
        }
        admin.queue_declare(settings.stream, durable=True, arguments=arguments)
        admin.queue_bind(settings.stream, settings.exchange)
        for number in range(50):
            admin.basic_publish(settings.exchange, "", b"%d" % number)
        await listener.ready(2)
        assert [b"old", *(b"%d" % number for number in range(50))] == listener.bodies
        assert len(set(listener.epochs)) == 2
        assert len(listener.told("reset")) == 2


@pytest_twisted.ensureDeferred
async def test_another_name_for_the_same_life(rabbit: RabbitNode, admin: BlockingChannel, log: Log) -> None:
    """Instances that named the stream's life differently agree on what was claimed last."""
    settings = section(rabbit)
    async with running(settings) as (one, listener), running(settings) as (two, other):
        await gatherResults([listener.ready(), other.ready()])
        await until(lambda: not one._consumer._canary._name and not two._consumer._canary._name)  # claimed
        admin.basic_qos(prefetch_count=1)
        _, properties, _ = next(admin.consume(settings.stream, arguments={"x-stream-offset": "first"}))
        basis = f"{properties.headers['x-stream-offset']}:{properties.headers[NONCE]}"
        claim = Mark("f" * 16, "e" * 16, basis)
        admin.basic_publish("", settings.stream, b"", pika.BasicProperties(headers=claim.headers()))
        await gatherResults(
            [each.until(lambda each=each: "e" * 16 in each.epochs) for each in (listener, other)]
        )
        assert [listener.epochs[-1]] == other.epochs[-1:]


@pytest_twisted.ensureDeferred
async def test_two_instances_start_at_once(rabbit: RabbitNode) -> None:
    """On a stream that does not exist yet both name the same epoch; so does one that starts late."""
    settings = section(rabbit)
    async with running(settings) as (one, first), running(settings) as (_, second):
        await gatherResults([first.ready(), second.ready()])
        await gatherResults([one.publish(Publication(b"%d" % number)) for number in range(100)])
        await gatherResults([first.received(100), second.received(100)])
        async with running(settings) as (_, late):
            await late.ready()
            assert first.bodies == late.bodies
            assert [m.offset for m in first.messages] == [m.offset for m in late.messages]
            assert {*first.epochs, *second.epochs, *late.epochs} == {first.epochs[0]}
        async with running(settings, max_age=1) as (_, later):
            await later.ready()
            assert first.epochs == later.epochs


def aged(rabbit: RabbitNode, stream: str) -> bool:
    """Add a record, and tell whether everything before such records is more than a second old."""
    with operator(rabbit) as channel:
        channel.basic_publish("", stream, b"now")
        channel.basic_qos(prefetch_count=1)
        _, _, body = next(channel.consume(stream, arguments={"x-stream-offset": "1s"}))
        return bool(body == b"now")


@pytest_twisted.ensureDeferred
async def test_late_starter_scans(rabbit: RabbitNode, admin: BlockingChannel) -> None:
    """The epoch is found in the stream's first records when the part read back names none."""
    settings = section(rabbit)
    async with running(settings) as (_, first):
        await first.ready()
    for _ in range(2000):
        admin.basic_publish(settings.exchange, "", b"x" * 100)
    await until(lambda: aged(rabbit, settings.stream))
    async with running(settings, max_age=1) as (broker, late):
        await late.ready()
        assert first.epochs == late.epochs
        assert broker.status().attached


@pytest_twisted.ensureDeferred
async def test_nothing_is_bound(rabbit: RabbitNode, admin: BlockingChannel) -> None:
    """A publication that reaches no queue is not called published."""
    settings = section(rabbit)
    async with running(settings) as (broker, listener):
        await listener.ready()
        admin.queue_unbind(settings.stream, settings.exchange)
        confirms = [broker.publish(Publication(b"%d" % number)) for number in range(5)]
        for confirm in confirms:
            with pytest.raises(PublishError, match="no queue is bound to exchange"):
                await confirm


@pytest_twisted.ensureDeferred
async def test_read_what_retention_removed(rabbit: RabbitNode) -> None:
    """Reading back from before the stream's first record says so, and gives what is left."""
    settings = section(rabbit, stream_max_bytes=200_000)
    async with running(settings) as (broker, listener):
        await listener.ready()
        for _ in range(30):
            await gatherResults([broker.publish(Publication(b"x" * 1000)) for _ in range(20)])
        await listener.received(600)
        offsets = [message.offset for message in listener.messages]
        assert len((await broker.read(offsets[-20], offsets[-1], 1 << 20)).messages) == 19
        page = await broker.read(offsets[0], offsets[-1], 1 << 20)
        assert offsets[0] < page.after
        assert [offset for offset in offsets if offset > page.after] == [m.offset for m in page.messages]


@pytest_twisted.ensureDeferred
async def test_next_node(rabbit: RabbitNode, log: Log) -> None:
    """With several nodes, one that does not answer is passed over."""
    url = (BrokerUrl("amqp", "127.0.0.1", free_port()), BrokerUrl("amqp", rabbit.host, rabbit.port))
    async with running(section(rabbit, url=url)) as (_, listener):
        await listener.ready()


# What may happen to the node.


class Storm:
    """Publishes numbered messages, again until each is confirmed."""

    def __init__(self, broker: AmqpBroker) -> None:
        self.confirmed: list[bytes] = []
        self._broker = broker
        self._going = True
        self._number = 0

    async def run(self) -> None:
        """Publish until told to end."""
        while self._going:
            batch = [self._publish() for _ in range(20)]
            await gatherResults(batch)
            await deferLater(reactor, 0.005, lambda: None)  # a pace, while nothing is confirmed too

    def end(self) -> None:
        """Have it end."""
        self._going = False

    def _publish(self) -> Deferred[None]:
        self._number += 1
        body = b"%d" % self._number
        return self._broker.publish(Publication(body)).addCallbacks(
            lambda _: self.confirmed.append(body), lambda failure: failure.trap(PublishError) and None
        )


@pytest.mark.parametrize("how", ["stop", "kill"])
@pytest_twisted.ensureDeferred
async def test_restart(mortal: RabbitNode, log: Log, how: str) -> None:
    """A restart, clean or not, in the middle of publishing loses nothing that was confirmed, and no order."""
    settings = section(mortal)
    async with running(settings) as (broker, listener), running(settings) as (_, other):
        await gatherResults([listener.ready(), other.ready()])
        storm = Storm(broker)
        going = Deferred.fromCoroutine(storm.run())
        await until(lambda: len(storm.confirmed) > 200)
        await deferToThread(mortal.settle)
        before = len(storm.confirmed)
        await deferToThread(getattr(mortal, how))
        assert not broker.status().attached
        await deferToThread(mortal.start)
        await gatherResults([listener.ready(2), other.ready(2)])
        await until(lambda: len(storm.confirmed) > before + 200)
        storm.end()
        await going
        await broker.publish(Publication(b"end"))
        await gatherResults(
            [each.until(lambda each=each: b"end" in each.bodies) for each in (listener, other)]
        )
        for each in (listener, other):
            assert not set(storm.confirmed) - set(each.bodies)
            numbers = [int(body) for body in each.bodies if body != b"end"]
            assert sorted(set(numbers)) == numbers
            assert len(each.told("reset")) == 1
        assert listener.bodies == other.bodies
        assert len({*listener.epochs, *other.epochs}) == 1


@pytest_twisted.ensureDeferred
async def test_frozen_node(mortal: RabbitNode, log: Log) -> None:
    """A node that stops answering is noticed by its missing heartbeats, and nothing waits for it for ever."""
    settings = section(mortal, heartbeat=1)
    async with running(settings) as (broker, listener):
        await listener.ready()
        os.kill(mortal.pid, signal.SIGSTOP)
        try:
            await listener.until(lambda: listener.told("detached"))
            with pytest.raises(PublishError):
                await broker.publish(Publication(b"x"))
        finally:
            os.kill(mortal.pid, signal.SIGCONT)
        await listener.ready(2)
        await until(lambda: "publishing" not in broker.status().text)
        await broker.publish(Publication(b"x"))
        await listener.until(lambda: b"x" in listener.bodies)
        assert len(set(listener.epochs)) == 1


@pytest_twisted.ensureDeferred
async def test_stop_with_a_frozen_node(mortal: RabbitNode) -> None:
    """Stopping does not wait for a node that does not answer."""
    settings = section(mortal)
    async with running(settings) as (broker, listener):
        await listener.ready()
        os.kill(mortal.pid, signal.SIGSTOP)
        try:
            await broker.stop().addTimeout(15, reactor)
        finally:
            os.kill(mortal.pid, signal.SIGCONT)


@pytest_twisted.ensureDeferred
async def test_memory_alarm(mortal: RabbitNode, log: Log) -> None:
    """A broker out of memory takes no publications, which says so in time; the consumer keeps its place."""
    settings = section(mortal)
    async with running(settings) as (broker, listener):
        await listener.ready()
        await ctl(mortal, "set_vm_memory_high_watermark", "0.00001")
        try:
            with pytest.raises(PublishError) as caught:
                await broker.publish(Publication(b"x"))
            assert caught.value.temporary
            assert [] == listener.told("detached")
        finally:
            await ctl(mortal, "set_vm_memory_high_watermark", "0.4")
        await until(lambda: "publishing" not in broker.status().text)
        await broker.publish(Publication(b"y"))
        await listener.until(lambda: b"y" in listener.bodies)
        assert [] == listener.told("detached")
