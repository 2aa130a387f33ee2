from __future__ import annotations

import gc

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError

from tests.support.log import logged
from tests.unit.service.tree import ADMIN, CONTROL, PUBLIC, UPGRADE, Instance, ReluctantBroker, started


@pytest.mark.parametrize("taken", [PUBLIC, ADMIN, CONTROL])
def test_a_port_that_cannot_be_had_raises(taken: int) -> None:
    """At once, so that whoever starts the daemon sees it, and before the broker is told anything."""
    instance = Instance(ReluctantBroker, taken=taken)
    with pytest.raises(CannotListenError):
        instance.service.startService()
    assert instance.broker.events is None


def test_a_stop_drains_in_order(instances: list[Instance]) -> None:
    """The public port first, the clients in batches, then the broker, and last the operators' ports."""
    instance = started(instances, ReluctantBroker)
    instance.broker.events.reset(0)
    instance.broker.events.attached("e1")
    clients = [instance.ask("/websocket/222", UPGRADE) for _ in range(15)]
    assert all(client.hear_all().startswith(b"HTTP/1.1 101 ") for client in clients)

    over = instance.stop()
    assert [f"port {PUBLIC} closed"] == instance.journal
    goodbye = b"\x88\x0a\x03\xf4shutdown"
    assert [goodbye] * 10 + [b""] * 5 == [client.hear_all() for client in clients]
    assert "draining" in instance.operator("/ready").json["reasons"]
    assert 503 == instance.status("/events?channel=a")

    instance.reactor.advance(0.05)
    assert [goodbye] * 5 == [client.hear_all() for client in clients[10:]]
    assert [f"port {PUBLIC} closed"] == instance.journal

    instance.broker.ending = Deferred()
    instance.reactor.advance(0.05)
    assert [f"port {PUBLIC} closed", "broker stopped"] == instance.journal
    assert ([], 503) == (over, instance.operator("/ready").status)

    instance.broker.ending.callback(None)
    assert [f"port {PUBLIC} closed", "broker stopped"] == instance.journal[:2]
    assert {f"port {ADMIN} closed", f"port {CONTROL} closed"} == set(instance.journal[2:])
    assert [None] == over


def test_a_broker_that_does_not_let_go_is_left(instances: list[Instance]) -> None:
    """When the drain's time is up, the daemon ends all the same."""
    instance = started(instances, ReluctantBroker, LIMITS_DRAIN_TIMEOUT="2s")
    instance.broker.ending = Deferred()
    over = instance.stop()
    instance.reactor.advance(1.9)
    assert [] == over
    with logged("pushd.drain") as log:
        instance.reactor.advance(0.2)
    assert ([None], 1) == (over, len(log.warnings))


def test_nothing_is_left_after_a_stop(instances: list[Instance]) -> None:
    """No timer runs on, and the ports are closed."""
    instance = started(instances)
    assert [None] == instance.stop()
    assert 3 == len(instance.journal)
    assert [] == [call for call in instance.reactor.getDelayedCalls() if call.active()]


def test_a_start_leaves_the_collector_little_to_do(instances: list[Instance]) -> None:
    """What lives as long as the process is never looked at again, and a herd sets off few rounds."""
    started(instances)
    assert (10_000, 5, 1_000) == gc.get_threshold()
    assert gc.get_freeze_count() > 0
