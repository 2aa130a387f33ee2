"""RabbitMQ behind TLS: who is trusted, and who is not."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
import pytest_twisted
from twisted.internet import reactor  # noqa: TID251  # the tests run in it

from pushd.config import Broker, BrokerUrl
from pushd.message import Publication
from tests.support.amqp import amqp_broker, section
from tests.support.listener import Listener
from tests.support.log import logged
from tests.support.rabbitmq import RabbitNode
from tests.support.tls import Authority
from tests.support.until import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Twisted hands its certificates to pyOpenSSL in a form that is going out of use.
pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who signs."""
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def secure(authority: Authority) -> Iterator[RabbitNode]:
    """A node that talks to holders of a certificate only."""
    certificate, key = authority.issue("localhost")
    demand = {"ssl_options.verify": "verify_peer", "ssl_options.fail_if_no_peer_cert": "true"}
    tls = {"cacertfile": authority.certificate, "certfile": certificate, "keyfile": key}
    with RabbitNode(settings=demand, tls=tls) as node:
        yield node


@pytest.fixture
def settings(secure: RabbitNode, authority: Authority) -> Broker:
    """The right ones."""
    certificate, key = authority.issue("client")
    return section(
        secure,
        url=(BrokerUrl("amqps", "localhost", secure.tls_port),),
        ca_file=str(authority.certificate),
        certificate=str(certificate),
        private_key=str(key),
        heartbeat=1,
    )


@pytest_twisted.ensureDeferred
async def test_trusted(settings: Broker) -> None:
    """With the authority's certificate and one of our own, everything works."""
    broker, listener = amqp_broker(settings), Listener()
    broker.start(listener)
    await listener.ready()
    await broker.publish(Publication(b"x"))
    await listener.received(1)
    await broker.stop()


async def refused(settings: Broker, text: str) -> None:
    """Have a broker fail to connect, with one line."""
    broker = amqp_broker(settings)
    with logged("pushd.broker") as log:
        broker.start(Listener())
        await until(lambda: text in broker.status().text)
        await broker.stop()
    assert [] == log.tracebacks
    assert any(text in line for line in log.warnings)


@pytest_twisted.ensureDeferred
async def test_another_host(settings: Broker, secure: RabbitNode) -> None:
    """A certificate that names another host is not accepted."""
    url = (BrokerUrl("amqps", "127.0.0.1", secure.tls_port),)
    await refused(settings.model_copy(update={"url": url}), "does not name this host")


@pytest_twisted.ensureDeferred
async def test_unknown_authority(settings: Broker, tmp_path: Path) -> None:
    """A certificate by somebody else is not accepted."""
    other = str(Authority(tmp_path).certificate)
    await refused(settings.model_copy(update={"ca_file": other}), "certificate verify failed")


@pytest_twisted.ensureDeferred
async def test_system_trust(settings: Broker) -> None:
    """Without an authority of its own, the system's are trusted, and this is none of them."""
    await refused(settings.model_copy(update={"ca_file": ""}), "certificate verify failed")


@pytest_twisted.ensureDeferred
async def test_no_certificate_of_our_own(settings: Broker) -> None:
    """A node that demands a certificate says so."""
    await refused(settings.model_copy(update={"certificate": "", "private_key": ""}), "certificate")


@pytest_twisted.ensureDeferred
async def test_dead_peer(settings: Broker, secure: RabbitNode) -> None:
    """Over TLS too, a peer that never answers again is left in time."""
    broker, listener = amqp_broker(settings), Listener()
    broker.start(listener)
    await listener.ready()
    os.kill(secure.pid, signal.SIGSTOP)
    try:
        await listener.until(lambda: listener.told("detached"))
        await broker.stop().addTimeout(15, reactor)
    finally:
        os.kill(secure.pid, signal.SIGCONT)


def test_unreadable_certificate(settings: Broker, tmp_path: Path) -> None:
    """A file that holds no certificate is refused at the start."""
    path = tmp_path / "empty.pem"
    path.write_text("nothing")
    with pytest.raises(ValueError, match="no certificate"):
        amqp_broker(settings.model_copy(update={"ca_file": str(path)}))
    with pytest.raises(ValueError, match="certificate"):
        amqp_broker(settings.model_copy(update={"certificate": str(path), "private_key": ""}))
