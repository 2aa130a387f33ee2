"""A broker that does not answer, or takes no publications: known within seconds, and nothing is torn down."""

from __future__ import annotations

import os
import signal
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import pytest
import pytest_twisted
from twisted.internet import reactor  # noqa: TID251  # the tests run in it
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from pushd.config import Broker
from pushd.interfaces import PublishError
from pushd.message import Publication
from tests.support.amqp import amqp_broker, section
from tests.support.listener import Listener
from tests.support.log import Log, logged
from tests.support.rabbitmq import RabbitNode
from tests.support.until import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from pushd.broker.amqp import AmqpBroker

both = pytest.mark.parametrize("kind", ["stream", "exclusive"])

BOUND = 3.0
"""Seconds within which silence is known and a publication is answered."""


@pytest.fixture(scope="module")
def mortal() -> Iterator[RabbitNode]:
    """A node to be frozen."""
    with RabbitNode() as node:
        yield node


@pytest.fixture
def log() -> Iterator[Log]:
    """What the adapter logs; a traceback is never right."""
    with logged("pushd.broker") as log:
        yield log
    assert [] == log.tracebacks


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


@contextmanager
def frozen(node: RabbitNode) -> Iterator[None]:
    """Stop the node in its tracks while the block runs."""
    os.kill(node.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(node.pid, signal.SIGCONT)


@asynccontextmanager
async def alarmed(node: RabbitNode) -> AsyncIterator[None]:
    """Have the node be out of memory while the block runs."""
    await deferToThread(node.ctl, "set_vm_memory_high_watermark", "0.00001")
    try:
        yield
    finally:
        await deferToThread(node.ctl, "set_vm_memory_high_watermark", "0.4")


def answer(broker: AmqpBroker, body: bytes = b"x") -> Deferred[str]:
    """Publish; gives why it failed, in time, or ``""``."""
    published = broker.publish(Publication(body)).addTimeout(BOUND, reactor)
    return published.addCallbacks(lambda _: "", lambda failure: _reason(failure.value))


def _reason(error: Exception) -> str:
    assert isinstance(error, PublishError), error
    assert error.temporary
    return error.reason


@both
@pytest_twisted.ensureDeferred
async def test_a_frozen_broker(mortal: RabbitNode, log: Log, kind: str) -> None:
    """It is known in time, clients stay, and the same connection goes on in the same epoch."""
    settings = section(mortal, queue=kind)
    async with running(settings) as (broker, listener):
        channel = broker._consumer._channel
        with frozen(mortal):
            waiting = answer(broker, b"waiting")
            await listener.until(lambda: listener.told("detached"), BOUND)
            assert ["the broker does not answer"] == listener.told("detached")
            assert not broker.status().attached
            assert "does not answer" in broker.status().text
            reason = await waiting
            assert "may or may not have been published: the broker does not answer" in reason
            assert "the broker does not answer" == await answer(broker)
        await listener.ready(2)
        await until(lambda: "publishing" not in broker.status().text)
        assert "" == await answer(broker, b"after")
        await listener.until(lambda: b"after" in listener.bodies)
        assert [b"waiting", b"after"] == listener.bodies
        assert (1, 1) == (len(set(listener.epochs)), len(listener.told("reset")))
        assert broker._consumer._channel is channel
    assert ["consuming: the broker does not answer; clients stay, and nothing arrives"] == log.warnings


@both
@pytest_twisted.ensureDeferred
async def test_a_memory_alarm(mortal: RabbitNode, log: Log, kind: str) -> None:
    """Publications are refused at once with the true reason, the first one too; consuming stays ready."""
    settings = section(mortal, queue=kind, probe_interval=0)
    async with running(settings) as (broker, listener):
        async with alarmed(mortal):
            assert "may or may not have been published: the broker takes no publications" in await answer(
                broker, b"first"
            )
            assert (await answer(broker)).startswith("the broker takes no publications")
            assert broker.status().attached
        await until(lambda: "publishing" not in broker.status().text)
        assert "" == await answer(broker, b"after")
        await listener.until(lambda: b"after" in listener.bodies)
        assert {b"after"} <= set(listener.bodies) <= {b"first", b"after"}
        assert [] == listener.told("detached")
    assert [] == log.warnings


@pytest_twisted.ensureDeferred
async def test_a_long_memory_alarm(mortal: RabbitNode, log: Log) -> None:
    """Probes meet it first, so that it is known before anybody publishes; consumer and binding are well."""
    settings = section(mortal, probe_interval="0.2s")
    async with running(settings) as (broker, listener):
        async with alarmed(mortal):
            await until(lambda: "takes no publications" in broker.status().text)
            assert (await answer(broker)).startswith("the broker takes no publications")
        await until(lambda: "publishing" not in broker.status().text)
        assert "" == await answer(broker, b"after")
        await listener.received(1)
        assert (1, []) == (len(listener.told("reset")), listener.told("detached"))
    assert [] == log.warnings
