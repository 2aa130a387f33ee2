"""As many clients as fit: one instance at its open-file limit, and 100,000 over six instances."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial, reduce
from operator import add
from statistics import median

from bench.lab import SIZE, Lab, Row
from bench.peers.contract import Order
from bench.rabbitmq import broker
from bench.scenario import Scenario, Step, Table
from bench.server import PEERS

__all__ = ["SCENARIO"]

_MESSAGES = 5
_INTERVAL = 4.0
_CROWDS = {"one instance": (1, 19000), "six instances": (6, 100000)}


def _plan(lab: Lab) -> Sequence[Step]:
    return [Step(mode, partial(_measure, lab, mode, *crowd)) for mode, crowd in _CROWDS.items()]


def _measure(lab: Lab, mode: str, instances: int, crowd: int) -> Iterator[Row]:
    each = lab.effort.scaled(crowd) // instances
    server_cpu, sink_cpu = (0, 1) if instances == 1 else (None, None)
    with ExitStack() as stack:
        rabbit = stack.enter_context(broker(sink_cpu))
        settings = rabbit.settings("exclusive")
        servers = [
            stack.enter_context(lab.server("pushd", f"pushd.instance={number}", *settings, cpu=server_cpu))
            for number in range(1, instances + 1)
        ]
        publisher = stack.enter_context(rabbit.publisher(sink_cpu))
        before = sum(server.rss() for server in servers)
        sinks = [
            stack.enter_context(lab.sink(server, PEERS["pushd"].path, source=30 * number, cpu=sink_cpu))
            for number, server in enumerate(servers)
        ]
        began = time.monotonic()
        for sink in sinks:
            sink.begin_connect(each, 500)
        opened = sum(sink.connected(300.0).opened for sink in sinks)
        seconds = time.monotonic() - began
        rss = sum(server.rss() for server in servers) - before
        order = Order(_MESSAGES, SIZE, 1, 1 / _INTERVAL)
        for sink in sinks:
            sink.expect(_MESSAGES)
        publisher.publish(order)
        figures = reduce(add, [sink.complete(order.seconds() + 60.0) for sink in sinks])
        yield {
            "peer": "pushd",
            "mode": mode,
            "clients": opened,
            "handshakes_per_s": opened / seconds,
            "rss_bytes": rss / opened,
            "missing": figures.missing,
            "lost": figures.lost,
            "p50_ms": figures.latency.percentile(50),
            "last_ms": median(figures.last.values()),
            "max_ms": max(figures.last.values()),
            "longest_turn_ms": max(server.stats()["longest_turn"] for server in servers) * 1000,
        }


SCENARIO = Scenario(
    name="crowd",
    title="As many as fit",
    about=(
        "A process may open 20,000 files here, so 19,000 clients are the most one instance takes; 100,000 "
        "need six, with six sinks, all on the same two CPUs. Messages come from RabbitMQ, one every four "
        "seconds. `last` is the median time until the last of all clients had a message, `max` the "
        "longest."
    ),
    plan=_plan,
    bars=(),
    tables=(
        Table(
            "One broadcast to everybody",
            ("mode", "clients"),
            (
                "handshakes_per_s",
                "rss_bytes",
                "p50_ms",
                "last_ms",
                "max_ms",
                "longest_turn_ms",
                "missing",
                "lost",
            ),
        ),
    ),
)
