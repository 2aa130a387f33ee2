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
_RATE = 100.0
"""Messages a second, then: enough that no process has to be woken from a deep sleep for each."""


def _plan(lab: Lab) -> Sequence[Step]:
    return [Step(f"queue = {queue}", partial(_measure, lab, queue)) for queue in _QUEUES]


def _measure(lab: Lab, queue: str) -> Iterator[Row]:
    light = Order(round(_RATE * lab.effort.seconds), SIZE, 1, _RATE)
    with broker(cpu=None) as rabbit:
        for mode, clients, order in (
            ("light", _LIGHT, light),
            ("many", lab.effort.many, lab.order(lab.effort.many)),
        ):
            # With a light load it is the way that counts, as long as nobody has to wait for a CPU.
            server_cpu, sink_cpu = (0, 1) if mode == "many" else (None, None)
            with (
                lab.server("pushd", *rabbit.settings(queue), cpu=server_cpu) as server,
                rabbit.publisher(sink_cpu) as publisher,
                lab.sink(server, PEERS["pushd"].path, cpu=sink_cpu) as sink,
            ):
                sink.connect(clients)
                lab.measure(server, sink, Order(5, SIZE, 1, 5.0), publisher)
                window = lab.measure(server, sink, order, publisher)
                yield {"peer": "pushd", "queue": queue, "mode": mode, "clients": clients, **window.row()}


def _bar(queue: str, limit: float) -> Bar:
    return Bar(
        f"publish to delivery through RabbitMQ, queue = {queue}, p50",
        "ms",
        limit,
        partial(middle, name="p50_ms", queue=queue, mode="light"),
    )


SCENARIO = Scenario(
    name="broker",
    title="From an AMQP publish",
    about=(
        "A publisher of its own writes to the exchange of a private RabbitMQ node; latency counts from "
        "the time the message was due to be published. Light load is 100 messages a second to 10 clients, "
        "and every process runs where the kernel puts it; with many clients pushd has one CPU and the "
        "clients the other. (A message that comes after a long silence takes about half a millisecond "
        "more, while caches are cold and CPUs wake.)"
    ),
    plan=_plan,
    bars=(_bar("stream", 2.0), _bar("exclusive", 1.0)),
    tables=(
        Table(
            "One by one", ("queue", "clients"), ("p50_ms", "p99_ms", "max_ms", "last_ms", "cpu_us", "missing")
        ),
    ),
)
