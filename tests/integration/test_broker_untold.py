"""Clients of every protocol miss no message untold: a lost binding, a silent broker, an alarm."""

from __future__ import annotations

import os
import signal
from operator import lt
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pika
import pytest

from tests.integration.test_broker_outage import Pair, pair
from tests.support.faults import unbind
from tests.support.publisher import EXCHANGE, NumberedPublisher
from tests.support.wait import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.rabbitmq import RabbitNode

__all__ = ["pair"]  # a fixture

NEIGHBOUR = "neighbour"


def with_neighbour(pair: Pair) -> None:
    """Bind another application's queue, so that every publication is confirmed whatever becomes of ours."""
    connection = pika.BlockingConnection(pika.URLParameters(pair.url))
    channel = connection.channel()
    channel.queue_declare(NEIGHBOUR, durable=True, arguments={"x-max-length": 10})
    channel.queue_bind(NEIGHBOUR, EXCHANGE)
    connection.close()


def remove_bindings(pair: Pair, rabbit: RabbitNode) -> None:
    """Remove all bindings but the neighbour's."""
    unbind(rabbit, EXCHANGE, NEIGHBOUR, urlsplit(pair.url).path[1:])


def renew_exchange(pair: Pair, rabbit: RabbitNode) -> None:
    """Delete the exchange, declare it again, and bind the neighbour's queue only."""
    connection = pika.BlockingConnection(pika.URLParameters(pair.url))
    channel = connection.channel()
    channel.exchange_delete(EXCHANGE)
    channel.exchange_declare(EXCHANGE, "fanout", durable=True)
    channel.queue_bind(NEIGHBOUR, EXCHANGE)
    connection.close()


@pytest.mark.parametrize("fault", [remove_bindings, renew_exchange], ids=lambda fault: fault.__name__)
def test_a_lost_binding(pair: Pair, rabbit: RabbitNode, fault: Callable[[Pair, RabbitNode], None]) -> None:
    """All clients are told, nobody gets anything twice, and both instances are ready again."""
    with_neighbour(pair)
    detaches, resets = pair.read("pushd_broker_detaches_total"), pair.read("pushd_log_resets_total")
    with pair.audience() as audience, NumberedPublisher(pair.url, rate=100, routing_key="222") as publisher:
        audience.wait_online()
        audience.wait(lambda client: client.ledger.report().received > 50, "50 messages")
        fault(pair, rabbit)
        wait_for(lambda: all(map(lt, resets, pair.read("pushd_log_resets_total"))), "resets of both", 10.0)
        pair.wait_ready()
        after = publisher.last
        audience.wait(lambda client: client.ledger.report().last.get("222", 0) > after + 50, "messages again")
        publisher.finish()
        audience.wait_taken({"222": max(publisher.confirmed)})
        reports = audience.reports({"222": max(publisher.confirmed)})
        assert all(report.clean for report in reports), reports
        assert all(report.resets or report.breaks for report in reports)
    assert any(map(lt, detaches, pair.read("pushd_broker_detaches_total")))
    assert all("may have been missed" in daemon.log for daemon in pair.daemons)


def freeze(rabbit: RabbitNode, pair: Pair) -> None:
    """Stop the node until each instance says that it is not ready, and a publication has failed."""
    os.kill(rabbit.pid, signal.SIGSTOP)
    try:
        wait_for(lambda: all(daemon.get("/ready")[0] == 503 for daemon in pair.daemons), "not ready", 4.0)
        status, body = pair.daemons[0].post("/api/broadcast", {"data": "x"}, timeout=4.0)
        assert (503, True) == (status, "the broker does not answer" in body)
    finally:
        os.kill(rabbit.pid, signal.SIGCONT)


def run_out_of_memory(rabbit: RabbitNode, pair: Pair) -> None:
    """Have an alarm until a publication has failed; nobody is unready for that."""
    rabbit.ctl("set_vm_memory_high_watermark", "0.00001")
    try:
        status, body = pair.daemons[0].post("/api/broadcast", {"data": "x"}, timeout=4.0)
        assert (503, True) == (status, "the broker takes no publications" in body)
        assert [200, 200] == [daemon.get("/ready")[0] for daemon in pair.daemons]
    finally:
        rabbit.ctl("set_vm_memory_high_watermark", "0.4")


@pytest.mark.parametrize("fault", [freeze, run_out_of_memory], ids=lambda fault: fault.__name__)
def test_a_broker_that_comes_back(
    pair: Pair, rabbit: RabbitNode, fault: Callable[[RabbitNode, Pair], None]
) -> None:
    """Clients stay, miss nothing, and are told nothing; no connection to the broker is made anew."""
    resets = pair.read("pushd_log_resets_total")
    with pair.audience() as audience, NumberedPublisher(pair.url, rate=100, routing_key="222") as publisher:
        audience.wait_online()
        audience.wait(lambda client: client.ledger.report().received > 20, "20 messages")
        fault(rabbit, pair)
        pair.wait_ready()
        after = publisher.last
        audience.wait(lambda client: client.ledger.report().last.get("222", 0) > after + 50, "messages again")
        publisher.finish()
        audience.wait_taken({"222": max(publisher.confirmed)})
        reports = audience.reports({"222": max(publisher.confirmed)})
        assert all(report.clean for report in reports), reports
        assert {(0, 0)} == {(report.resets, report.breaks) for report in reports}
        assert {1} == {client.connects for client in audience.clients}
    assert resets == pair.read("pushd_log_resets_total")
