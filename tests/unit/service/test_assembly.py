from __future__ import annotations

import pytest

from pushd.broker.amqp import AmqpBroker
from pushd.broker.memory import MemoryBroker
from pushd.service import Pushd
from tests.unit.service.tree import ADMIN, CONTROL, PUBLIC, Instance, started


def test_nothing_happens_before_the_start() -> None:
    """Building the daemon opens no port and sets no timer."""
    instance = Instance()
    assert isinstance(instance.service, Pushd)
    assert ({}, []) == (instance.reactor.factories, instance.reactor.getDelayedCalls())


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("memory:", MemoryBroker),
        ("amqp://guest@127.0.0.1", AmqpBroker),
        ("amqps://guest@127.0.0.1", AmqpBroker),
    ],
)
def test_the_url_chooses_the_broker(url: str, kind: type) -> None:
    """One that is remote connects only when the daemon starts."""
    instance = Instance(BROKER_URL=url)
    assert kind is type(instance.service._broker)
    assert [] == instance.reactor.tcpClients


def test_a_start_opens_all_three_ports(instances: list[Instance]) -> None:
    """The browsers' with a backlog for a herd, and the operators' too, since they are plain endpoints."""
    instance = started(instances)
    assert {PUBLIC, ADMIN, CONTROL} == set(instance.reactor.factories)
    assert 200 == instance.operator("/ready").status
