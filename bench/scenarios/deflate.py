"""A deflated broadcast of JSON against the same one undeflated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from bench.lab import Lab, Row
from bench.rows import middle
from bench.scenario import Bar, Scenario, Step, Table
from bench.server import PEERS

__all__ = ["SCENARIO"]

_SIZE = 2048
_MODES = {"plain": False, "deflated": True}


def _plan(lab: Lab) -> Sequence[Step]:
    return [
        Step(f"{mode}, run {repetition}", partial(_measure, lab, mode, repetition))
        for repetition in range(1, lab.effort.repetitions + 1)
        for mode in _MODES
    ]


def _measure(lab: Lab, mode: str, repetition: int) -> Iterator[Row]:
    clients, deflate = lab.effort.many, _MODES[mode]
    with (
        lab.server("pushd", "websocket.compression=yes") as server,
        lab.sink(server, PEERS["pushd"].path, deflate=deflate) as sink,
    ):
        sink.connect(clients)
        lab.warm_up(server, sink, clients)
        window = lab.measure(server, sink, lab.order(clients, size=_SIZE, shape="json"))
        yield {"peer": "pushd", "mode": mode, "clients": clients, "repetition": repetition, **window.row()}


def _dearer(rows: Sequence[Row]) -> float | None:
    deflated, plain = middle(rows, "cpu_us", mode="deflated"), middle(rows, "cpu_us", mode="plain")
    return deflated / plain if deflated and plain else None


SCENARIO = Scenario(
    name="deflate",
    title="permessage-deflate",
    about=(
        "A JSON document of 2 KB to clients that all negotiated permessage-deflate, against the same "
        "document to clients that did not offer it. Deflated frames are counted, not read, so there is no "
        "latency."
    ),
    plan=_plan,
    bars=(Bar("deflated broadcast of 2 KB JSON, CPU per delivery", "x undeflated", 1.3, _dearer),),
    tables=(
        Table("2 KB JSON", ("clients", "mode"), ("cpu_us", "user_us", "system_us", "bytes_per_delivery")),
    ),
)
