"""The whole way: an AMQP publish, through RabbitMQ, to the clients of one instance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from bench.lab import SIZE, Lab, Row
from bench.peers.contract import Order
from bench.rabbitmq import broker
from bench.rows import middle
from bench.scenario import Bar, Scenario, Step, Table
from bench.server import PEERS

__all__ = ["SCENARIO"]

_QUEUES = ("stream", "exclusive")
_LIGHT = 10
"""Clients under light load: few enough that the fan-out itself takes no time."""
_RATES = (20.0, 100.0, 300.0, 1000.0)
"""Messages a second, then: the more seldom they come, the more has to be woken for each."""
_HELD_TO = 100.0
"""The rate that the bars are about."""


def _plan(lab: Lab) -> Sequence[Step]:
    return [
        Step(f"queue = {queue}, run {repetition}", partial(_measure, lab, queue, repetition))
        for repetition in range(1, lab.effort.repetitions + 1)
        for queue in _QUEUES
    ]


def _measure(lab: Lab, queue: str, repetition: int) -> Iterator[Row]:
    seconds = lab.effort.seconds
    with broker(cpu=None) as rabbit:
        # With a light load it is the way that counts, and every process runs where the kernel puts it; with
        # many clients nobody may have to wait for a CPU.
        for mode, clients, orders, server_cpu, other_cpu in (
            ("light", _LIGHT, [Order(round(rate * seconds), SIZE, 1, rate) for rate in _RATES], None, None),
            ("many", lab.effort.many, [lab.order(lab.effort.many)], 0, 1),
        ):
            common: Row = {"peer": "pushd", "queue": queue, "mode": mode, "clients": clients}
            with (
                lab.server("pushd", *rabbit.settings(queue), cpu=server_cpu) as server,
                rabbit.publisher(other_cpu) as publisher,
                lab.sink(server, PEERS["pushd"].path, cpu=other_cpu) as sink,
            ):
                sink.connect(clients)
                lab.measure(server, sink, Order(5, SIZE, 1, 5.0), publisher)
                for order in orders:
                    window = lab.measure(server, sink, order, publisher)
                    yield {**common, "repetition": repetition, "rate": order.rate, **window.row()}


def _bar(queue: str, limit: float) -> Bar:
    return Bar(
        f"publish to delivery through RabbitMQ, queue = {queue}, p50",
        "ms",
        limit,
        partial(middle, name="p50_ms", queue=queue, rate=_HELD_TO),
    )


_COLUMNS = ("p50_ms", "p99_ms", "max_ms", "last_ms", "cpu_us", "missing")

SCENARIO = Scenario(
    name="broker",
    title="From an AMQP publish",
    about=(
        "A publisher of its own writes to the exchange of a private RabbitMQ node, each message at the time "
        "it is due; from then on latency counts. Light load is 10 clients, and every process runs where the "
        "kernel puts it. The more seldom a message comes, the longer it takes: caches are cold, and three "
        "processes on two sleeping CPUs have to be woken one after the other. The bars are about 100 "
        "messages a second. With many clients pushd has one CPU, and the publisher and the clients the other."
    ),
    plan=_plan,
    bars=(_bar("stream", 2.0), _bar("exclusive", 1.0)),
    tables=(
        Table("Light load", ("queue", "clients", "rate"), _COLUMNS, "light"),
        Table("One by one to many clients", ("queue", "clients"), _COLUMNS, "many"),
    ),
)
