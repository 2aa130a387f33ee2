"""Every way of losing the broker ends in delivery again, with nobody restarted and nobody disconnected."""

from __future__ import annotations

from itertools import count
from operator import lt
from typing import TYPE_CHECKING

import pika
import pytest

from pushd.audit.crowd import PROTOCOLS, make_client
from tests.support.audience import QUICK, Audience
from tests.support.cluster import vhost_url
from tests.support.daemon import Daemon, start_all
from tests.support.faults import FAULTS
from tests.support.publisher import NumberedPublisher, publish
from tests.support.wait import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.support.rabbitmq import RabbitNode


class Pair:
    """Two instances on one virtual host, and an audience of every protocol at each."""

    def __init__(self, rabbit: RabbitNode, queue: str) -> None:
        self.queue = queue
        self.url = vhost_url(rabbit)
        settings = {"broker.url": self.url, "broker.queue": queue, "broker.heartbeat": "2s"}
        self.daemons = [Daemon(name, settings) for name in ("8091", "8092")]

    def audience(self, each: int = 2) -> Audience:
        """Connect clients straight to the instances, so that a lost connection is pushd's doing."""
        return Audience(
            make_client(protocol, f"http://127.0.0.1:{daemon.public}", ["222"], QUICK)
            for daemon in self.daemons
            for protocol in PROTOCOLS
            for _ in range(each)
        )

    def read(self, metric: str) -> list[float]:
        """Read a metric of each instance."""
        return [daemon.metric(metric) for daemon in self.daemons]

    def wait_reaching(self, audience: Audience) -> None:
        """Publish until every client has been given something: some may be on their way back."""
        numbers = count(1)

        def reaches_all() -> bool:
            publish(self.url, b'{"n": %d, "series": "end"}' % next(numbers))
            return all("end" in report.last for report in audience.reports())

        wait_for(reaches_all, "delivery to everybody")

    def wait_ready(self) -> None:
        """Return once both are attached again."""
        for daemon in self.daemons:
            daemon.wait_ready(60.0)


@pytest.fixture(scope="module", params=["stream", "exclusive"])
def pair(request: pytest.FixtureRequest, rabbit: RabbitNode) -> Iterator[Pair]:
    """Two instances in each of the queue kinds."""
    pair = Pair(rabbit, request.param)
    try:
        start_all(pair.daemons)
        yield pair
    finally:
        for daemon in pair.daemons:
            daemon.close()


def test_a_restart_of_the_broker_amid_1000_messages(pair: Pair, rabbit: RabbitNode) -> None:
    """Stream: every confirmed message once, in order, to clients that never dropped.

    Exclusive: clients are told, and the loss is stated by a metric and in the log.
    """
    before = pair.read("pushd_log_resets_total")
    with (
        pair.audience() as audience,
        NumberedPublisher(pair.url, rate=250, routing_key="222", most=1000) as publisher,
    ):
        audience.wait_online()
        wait_for(lambda: len(publisher.confirmed) > 300, "300 messages")
        rabbit.restart()
        wait_for(lambda: publisher.done, "1,000 confirmed messages", 60.0)
        pair.wait_ready()
        pair.wait_reaching(audience)
        reports = audience.reports({"222": max(publisher.confirmed)})
        assert {0} == {report.duplicates + report.out_of_order for report in reports}
        if pair.queue == "stream":
            missing = set().union(*(report.missing for report in reports))
            assert missing.isdisjoint(("222", n) for n in publisher.confirmed)
            assert {1} == {client.connects for client in audience.clients}
            assert {0} == {report.resets for report in reports}
        else:
            assert [n + 1 for n in before] == pair.read("pushd_log_resets_total")
            assert all("may have been missed" in daemon.log for daemon in pair.daemons)


@pytest.mark.parametrize("fault", FAULTS[:-1], ids=lambda fault: fault.__name__)
def test_delivery_resumes(
    pair: Pair, rabbit: RabbitNode, fault: Callable[[RabbitNode, str, Sequence[Daemon]], None]
) -> None:
    """Whatever the fault, the same processes deliver again, to whoever was connected before it."""
    with pair.audience(1) as audience:
        audience.wait_online()
        before = pair.read("pushd_broker_attaches_total")
        fault(rabbit, pair.url, pair.daemons)
        wait_for(
            lambda: all(map(lt, before, pair.read("pushd_broker_attaches_total"))),
            "a new attach of both",
            60.0,
        )
        pair.wait_ready()
        pair.wait_reaching(audience)


def test_publishing_recovers_from_a_deleted_exchange(pair: Pair) -> None:
    """Confirmed or refused with a reason, never silence; and confirmed again without a restart."""
    connection = pika.BlockingConnection(pika.URLParameters(pair.url))
    connection.channel().exchange_delete("com.jihaixiang.test")
    connection.close()
    with pair.audience(1) as audience, pair.daemons[0].control() as telnet:
        audience.wait_online()
        wait_for(
            lambda: telnet.command('broadcast {"n": 1}').startswith("250 "), "a confirmed broadcast", 40.0
        )
        if pair.queue == "stream":
            # The end of its connection tells a raw client of the loss. It gets nothing until it is back.
            audience.wait(
                lambda client: client.ends["4010"] > 0 or client.ledger.report().last.get("", 0) >= 1,
                "has the message, or is a raw client that was told",
            )
        # With exclusive queues, the other instance's queue may be bound later, and keeps nothing for it.
        pair.wait_reaching(audience)
