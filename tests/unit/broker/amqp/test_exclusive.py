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


def test_stays_bound(rig: Rig) -> None:
    """It is bound again every ten seconds, for nobody says when the exchange goes."""
    for count in (1, 2, 3):
        assert count == len(rig.node.link.calls("queue_bind"))
        rig.clock.advance(9.9)
        assert count == len(rig.node.link.calls("queue_bind"))
        rig.clock.advance(0.1)


def test_a_binding_that_is_refused(rig: Rig) -> None:
    """An exchange that is gone ends the session; the next one declares it again."""
    link = rig.node.link
    open_channel = link.channel

    def refusing() -> object:
        opened = open_channel()
        link.channels[-1].refusals["queue_bind"] = Lost("404 NOT_FOUND", 404)
        return opened

    link.channel = refusing  # type: ignore[method-assign, assignment]
    rig.clock.advance(10)
    assert ["404 NOT_FOUND"] == rig.heard.told("detached")
    rig.again()
    assert (True, 1) == (rig.consumer.attached, len(rig.node.link.calls("exchange_declare")))
