"""One client in a hundred stops reading: what the others notice, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from bench.lab import Lab, Row
from bench.peers.contract import Order
from bench.rows import middle
from bench.scenario import Bar, Scenario, Step, Table
from bench.server import PEERS

__all__ = ["SCENARIO"]

_SHARE = 100
_SIZE = 16_000
_MESSAGES = 400
"""6 MB: more than the kernel keeps for a client that does not read."""
_DELIVERIES = 20_000.0
"""A second, however many clients there are."""


def _plan(lab: Lab) -> Sequence[Step]:
    return [Step(mode, partial(_measure, lab, mode)) for mode in ("all read", "1 % stopped")]


def _measure(lab: Lab, mode: str) -> Iterator[Row]:
    clients = max(_SHARE, lab.effort.many // 5)
    stopped = 0 if mode == "all read" else clients // _SHARE
    with lab.server("pushd") as server, lab.sink(server, PEERS["pushd"].path) as sink:
        sink.connect(clients)
        lab.warm_up(server, sink, clients)
        if stopped:
            sink.stall(stopped)
        before = server.rss()
        window = lab.measure(server, sink, Order(_MESSAGES, _SIZE, 1, _DELIVERIES / clients))
        stats = server.stats()
        yield {
            "peer": "pushd",
            "mode": mode,
            "clients": clients,
            "stopped": stopped,
            "socket_full": stats["slow"],
            "closed": stats["closed"],
            "growth_bytes": server.peak_rss() - before,
            **window.row(),
        }


def _worse(rows: Sequence[Row]) -> float | None:
    alone, beside = middle(rows, "p99_ms", mode="all read"), middle(rows, "p99_ms", mode="1 % stopped")
    return beside / alone if alone and beside else None


def _growth(rows: Sequence[Row]) -> float | None:
    """What the stopped clients added, each, in KB; the history's growth is in both modes."""
    alone, beside = (
        middle(rows, "growth_bytes", mode="all read"),
        middle(rows, "growth_bytes", mode="1 % stopped"),
    )
    stopped = middle(rows, "stopped", mode="1 % stopped")
    return (beside - alone) / stopped / 1024 if alone is not None and beside is not None and stopped else None


SCENARIO = Scenario(
    name="slow",
    title="Clients that stop reading",
    about=(
        "One client in a hundred stops reading while 16 KB go out again and again, until its socket is "
        "full. Figures are those of the clients that read. `p99` is called unchanged within a fifth: two "
        "runs of the same thing differ as much."
    ),
    plan=_plan,
    bars=(
        Bar("1 % of clients stop reading: the others' p99", "x without", 1.2, _worse),
        Bar("memory per client that stopped", "KB", 512.0, _growth),
    ),
    tables=(
        Table(
            "16 KB, 20,000 deliveries a second",
            ("clients", "mode"),
            ("p50_ms", "p99_ms", "last_ms", "missing", "cpu_us", "socket_full", "closed", "growth_bytes"),
        ),
    ),
)
