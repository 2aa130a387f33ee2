"""pushd.broker.amqp.exclusive; what all consumers have in common is in test_consumer.py."""

from __future__ import annotations

from pushd.broker.amqp.faults import Lost
from tests.support.log import Log
from tests.unit.broker.amqp.test_consumer import Rig, log, rig

__all__ = ["log", "rig"]  # fixtures


def test_a_queue_of_its_own(rig: Rig) -> None:
    """The server names it, it goes with the connection, and it is bound before anything is consumed."""
    assert [{"queue": "", "exclusive": True}] == rig.node.link.calls("queue_declare")
    assert [{"queue": "amq.gen-1", "exchange": "x"}] == rig.node.link.calls("queue_bind")
    assert ("amq.gen-1", {}) == (rig.channel.queue, rig.channel.arguments)


def test_each_attachment_is_another_life(rig: Rig, log: Log) -> None:
    """Offsets begin again, the epoch is new, and the log says what that means."""
    rig.deliver(1)
    assert ([], 1) == (log.warnings, rig.consumer.offset)
    rig.channel.lose()
    rig.again()
    assert ([0, 0], 0) == (rig.heard.told("reset"), rig.consumer.offset)
    first, second = rig.heard.told("attached")
    assert (16, True) == (len(first), first != second)
    assert "lost to this instance's clients" in log.warnings[-1]


def test_a_binding_that_is_gone(rig: Rig, log: Log) -> None:
    """The same queue is bound again within two seconds, and begins another life."""
    rig.deliver(1)
    rig.consumer.ack(1)
    rig.clock.pump([0.25] * 8)
    assert ["what is published does not arrive"] == rig.heard.told("detached")
    assert ([0, 1], 2) == (rig.heard.told("reset"), len(set(rig.heard.told("attached"))))
    assert (2, 1) == (len(rig.node.link.calls("queue_bind")), len(rig.node.links))
    assert 1 == len(log.warnings)


def test_an_unfinished_delivery_explains_a_missing_probe(rig: Rig) -> None:
    """The broker may hold back what comes after it."""
    rig.deliver(1)
    rig.clock.pump([0.25] * 40)
    assert (1, []) == (len(rig.node.link.calls("queue_bind")), rig.heard.told("detached"))


def test_a_silent_connection_explains_a_missing_probe(rig: Rig) -> None:
    """Nothing is known before the broker has answered on it."""
    rig.deliver(1)
    rig.consumer.ack(1)
    rig.node.link.answers = False
    rig.clock.pump([0.25] * 40)
    assert ["the broker does not answer"] == rig.heard.told("detached")
    assert 1 == len(rig.node.link.calls("queue_bind"))


def test_a_binding_that_cannot_be_restored(rig: Rig) -> None:
    """What the broker refuses does not end the session: what can be consumed still is."""
    rig.node.link.refusals["queue_bind"] = Lost("403 ACCESS_REFUSED", 403)
    rig.consumer.rebind(0)
    rig.deliver(1)
    assert [(1, b"1")] == rig.heard.told("message")
    assert (False, None) == (rig.consumer.attached, rig.node.link.closing)
    assert "cannot be bound again: 403 ACCESS_REFUSED" in rig.consumer.trouble
    rig.node.link.refusals.clear()
    rig.clock.advance(2)
    assert (True, 1) == (rig.consumer.attached, len(rig.node.links))


def test_the_session_ends_while_a_renewal_is_owed(rig: Rig) -> None:
    """The next one begins another life anyway."""
    rig.node.link.refusals["queue_bind"] = Lost("403 ACCESS_REFUSED", 403)
    rig.consumer.rebind(0)
    rig.again()
    assert (True, "") == (rig.consumer.attached, rig.consumer.trouble)
