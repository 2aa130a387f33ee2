"""Nothing is missed: 300 clients of every protocol, and everything that can go away goes away once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pushd.audit.crowd import PROTOCOLS, make_client
from pushd.audit.raw import RawClient
from tests.support.audience import QUICK, Audience
from tests.support.cluster import Cluster, vhost_url
from tests.support.faults import delete_queues
from tests.support.publisher import NumberedPublisher
from tests.support.wait import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pushd.audit.ledger import Report
    from tests.support.rabbitmq import RabbitNode

CLIENTS = 300
RATE = 40


@pytest.fixture(scope="module")
def cluster(rabbit: RabbitNode) -> Iterator[Cluster]:
    """Three instances on a stream, behind nginx."""
    with Cluster(vhost_url(rabbit), 3, {"limits.drain_timeout": "8s"}) as cluster:
        yield cluster


def _audience(cluster: Cluster) -> Audience:
    base = cluster.url("", "http")
    return Audience(make_client(PROTOCOLS[i % len(PROTOCOLS)], base, ["222"], QUICK) for i in range(CLIENTS))


def test_nothing_is_missed(cluster: Cluster, rabbit: RabbitNode) -> None:
    """Rolling restart, kill -9, restart of RabbitMQ: every confirmed message once, in order."""
    with (
        _audience(cluster) as audience,
        NumberedPublisher(cluster.broker, rate=RATE, routing_key="222") as publisher,
    ):
        audience.wait_online()
        audience.wait(lambda client: bool(client.ledger.report().last), "first messages")
        for daemon in cluster.daemons:
            assert daemon.stop() == 0
            cluster.complete()
        audience.wait_online()
        cluster.daemons[0].kill()
        cluster.complete()
        audience.wait_online()
        rabbit.restart()
        confirmed = len(publisher.confirmed)
        wait_for(lambda: len(publisher.confirmed) > confirmed + RATE, "messages after the restart", 60.0)
        publisher.finish()
        audience.wait_taken({"222": max(publisher.confirmed)})
        _judge(audience, publisher)
        resuming = [client for client in audience.clients if not isinstance(client, RawClient)]
        assert {0} == {client.ledger.report().resets for client in resuming}
        assert all(client.connects > 1 for client in resuming)


def test_after_the_stream_is_recreated_everybody_is_told(cluster: Cluster, rabbit: RabbitNode) -> None:
    """Deleting the stream loses what was in it: every client hears of it, and then of what follows."""
    with (
        _audience(cluster) as audience,
        NumberedPublisher(cluster.broker, rate=RATE, routing_key="222") as publisher,
    ):
        audience.wait_online()
        audience.wait(lambda client: bool(client.ledger.report().last), "first messages")
        delete_queues(rabbit, cluster.broker, cluster.daemons)
        audience.wait(lambda client: _told(client.ledger.report()), "clients told", 60.0)
        audience.wait_online()
        confirmed = len(publisher.confirmed)
        wait_for(lambda: len(publisher.confirmed) > confirmed + RATE, "messages in the new stream", 60.0)
        publisher.finish()
        audience.wait_taken({"222": max(publisher.confirmed)})
        _judge(audience, publisher)


def _told(report: Report) -> bool:
    return report.resets + report.breaks > 0


def _judge(audience: Audience, publisher: NumberedPublisher) -> None:
    """Hold every client's account against what the broker has confirmed."""
    reports = audience.reports({"222": max(publisher.confirmed)})
    missing = set().union(*(report.missing for report in reports))
    assert missing.isdisjoint(("222", number) for number in publisher.confirmed)
    assert {0} == {report.duplicates for report in reports}
    assert {0} == {report.out_of_order for report in reports}
