"""A thousand clients resume at once, each having missed a thousand messages."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial

from bench.eventstream import position
from bench.lab import SIZE, Lab, Row
from bench.peers.contract import Order
from bench.rabbitmq import broker
from bench.rows import middle
from bench.scenario import Bar, Scenario, Step, Table
from bench.server import Publisher

__all__ = ["SCENARIO"]

_CLIENTS, _MISSED, _LIVE = 1000, 1000, 1000
_RATE = 10.0
_SECONDS = 60.0
"""Longer than any resume takes; the rest of the schedule is cut off with the server."""
_PATH = "/events?channel=missed"
_SOURCE = 50


_IN_FLIGHT = 0.5
"""Seconds after the last client is whole in which what was sent to the live ones before it still counts."""


def _plan(lab: Lab) -> Sequence[Step]:
    return [Step(f"from {held_in}", partial(_measure, lab, held_in)) for held_in in ("memory", "the stream")]


def _measure(lab: Lab, held_in: str) -> Iterator[Row]:
    clients, live = lab.effort.scaled(_CLIENTS), lab.effort.scaled(_LIVE)
    with ExitStack() as stack:
        if held_in == "memory":
            server = stack.enter_context(lab.server("pushd"))
            publisher: Publisher = server
            beside: Publisher = server
        else:
            rabbit = stack.enter_context(broker())
            little = "history.max_messages=100"
            server = stack.enter_context(lab.server("pushd", little, *rabbit.settings("stream")))
            publisher = stack.enter_context(rabbit.publisher())
            beside = stack.enter_context(rabbit.publisher())
        watching = stack.enter_context(lab.sink(server, "/websocket/live"))
        watching.connect(live)
        header = f"Last-Event-ID: {position(server.port, _PATH)}"
        _miss(publisher)
        beside.publish(Order(round(_SECONDS * _RATE), SIZE, 1, _RATE, channel="live"))
        time.sleep(1.0)
        resuming = stack.enter_context(lab.sink(server, _PATH, sse=True, header=header, source=_SOURCE))
        watching.watch()
        began = time.monotonic_ns()
        resuming.expect(_MISSED)
        resuming.begin_connect(clients, clients)
        whole = resuming.complete(_SECONDS)
        time.sleep(_IN_FLIGHT)
        beside_them = watching.report()
        yield {
            "peer": "pushd",
            "mode": held_in,
            "clients": clients,
            "missed": _MISSED,
            "seconds": (whole.last_ns - began) / 1e9,
            "missing": whole.missing,
            "misordered": whole.misordered,
            "lost": whole.lost + beside_them.lost,
            "longest_turn_ms": server.stats()["longest_turn"] * 1000,
            **beside_them.latencies(),
        }


def _miss(publisher: Publisher) -> None:
    order = Order(_MISSED, SIZE, 1, 500.0, channel="missed")
    publisher.publish(order)
    publisher.published(order.seconds() + 30.0)


SCENARIO = Scenario(
    name="resume",
    title="Resuming",
    about=(
        "Clients of `/events` come back all at once with the same `Last-Event-ID`; each has missed a "
        "thousand messages. Once the instance's own memory holds them, once only the stream does. "
        "`seconds` is from the first connect until the last client is whole; latencies are those of a "
        "thousand live clients meanwhile, to whom ten messages a second go."
    ),
    plan=_plan,
    bars=(
        Bar(
            "1,000 resume 1,000 messages from memory",
            "s",
            5.0,
            partial(middle, name="seconds", mode="memory"),
        ),
        Bar("the same from the stream", "s", 30.0, partial(middle, name="seconds", mode="the stream")),
        Bar("meanwhile, p99 of live clients", "ms", 250.0, partial(middle, name="p99_ms", mode="memory")),
        Bar("the same from the stream", "ms", 250.0, partial(middle, name="p99_ms", mode="the stream")),
    ),
    tables=(
        Table(
            "1,000 messages each",
            ("mode", "clients"),
            ("seconds", "missing", "misordered", "lost", "p50_ms", "p99_ms", "max_ms", "longest_turn_ms"),
        ),
    ),
)
