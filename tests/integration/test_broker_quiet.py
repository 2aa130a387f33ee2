"""A quiet instance keeps its channel: RabbitMQ closes one that leaves a delivery unacknowledged for long."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pushd.audit.crowd import PROTOCOLS, make_client
from tests.support.audience import QUICK, Audience
from tests.support.cluster import vhost_url
from tests.support.daemon import Daemon, start_all
from tests.support.publisher import publish
from tests.support.rabbitmq import RabbitNode
from tests.support.wait import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROUNDS = 10
_APART = 2.0
"""Seconds between two messages: all of them take three times the broker's patience."""


@pytest.fixture(scope="module")
def impatient() -> Iterator[RabbitNode]:
    """A node that closes a channel after 6 seconds in place of 30 minutes, and looks each second."""
    with RabbitNode() as node:
        node.ctl(
            "eval",
            "application:set_env(rabbit, consumer_timeout, 6000), "
            "application:set_env(rabbit, channel_tick_interval, 1000).",
        )
        yield node


class Quiet:
    """An instance with a virtual host of its own."""

    def __init__(self, rabbit: RabbitNode, queue: str) -> None:
        self.url = vhost_url(rabbit)
        self.daemon = Daemon("1", {"broker.url": self.url, "broker.queue": queue})

    def dropped(self) -> float:
        """Count what could not be used."""
        return self.daemon.metric("pushd_messages_dropped_total")


@pytest.mark.parametrize("queue", ["stream", "exclusive"])
def test_a_trickle_of_messages(impatient: RabbitNode, queue: str) -> None:
    """Used ones, dropped ones, or none but marks: no channel is closed, no client notices anything."""
    used, dropped, unused = quiet = [Quiet(impatient, queue) for _ in range(3)]
    daemons = [each.daemon for each in quiet]
    try:
        start_all(daemons)
        with Audience(
            make_client(protocol, f"http://127.0.0.1:{used.daemon.public}", ["222"], QUICK)
            for protocol in PROTOCOLS
        ) as audience:
            audience.wait_online()
            start = unused.daemon.metric("pushd_uptime_seconds")
            for number in range(1, _ROUNDS + 1):
                publish(used.url, b'{"n": %d, "series": "222"}' % number, "222")
                publish(dropped.url, b"\xac\xed", content_type="application/x-java-serialized-object")
                audience.wait_taken({"222": number})
                wait_for(lambda number=number: dropped.dropped() == number, "dropped message")
                due = start + number * _APART
                wait_for(lambda due=due: unused.daemon.metric("pushd_uptime_seconds") >= due, "next round")
                assert [200] * 3 == [daemon.get("/ready")[0] for daemon in daemons]
            reports = audience.reports({"222": _ROUNDS})
            assert {1} == {client.connects for client in audience.clients}
            assert {(0, 0, 0)} == {(r.duplicates, r.out_of_order, r.resets) for r in reports}
            assert [set()] * len(reports) == [set(report.missing) for report in reports]
        assert [0] * 3 == [daemon.metric("pushd_broker_detaches_total") for daemon in daemons]
        assert [1] * 3 == [daemon.metric("pushd_broker_attaches_total") for daemon in daemons]
        assert "timeout" not in impatient.log
    finally:
        for daemon in daemons:
            daemon.close()
