"""pushd and its peers side by side: handshakes, idle memory, one message at a time, bursts of ten."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial

from bench.lab import SIZE, Lab, Row
from bench.rows import chosen, middle
from bench.scenario import Bar, Scenario, Step, Table
from bench.server import PEERS

__all__ = ["SCENARIO"]

_BURST = 10
_IDLE = 0.5
"""Seconds between the last handshake and the reading of the memory."""


def _plan(lab: Lab) -> Sequence[Step]:
    return [
        Step(
            f"{peer}, {clients:,} clients, run {repetition}",
            partial(_measure, lab, peer, clients, repetition),
        )
        for clients in lab.effort.clients
        for repetition in range(1, lab.effort.repetitions + 1)
        for peer in lab.peers
    ]


def _measure(lab: Lab, peer: str, clients: int, repetition: int) -> Iterator[Row]:
    common: Row = {"peer": peer, "clients": clients, "repetition": repetition, "size": SIZE}
    with lab.server(peer) as server, lab.sink(server, PEERS[peer].path) as sink:
        sink.connect(min(100, clients // 10))
        rss, cpu, some = server.rss(), server.cpu(), min(100, clients // 10)
        connected = sink.connect(clients - some)
        spent = server.cpu() - cpu
        time.sleep(_IDLE)
        yield {
            **common,
            "mode": "idle",
            "handshake_us": spent.total / connected.opened * 1e6,
            "handshakes_per_s": connected.opened / connected.seconds,
            "rss_bytes": (server.rss() - rss) / connected.opened,
            "rss_total_bytes": server.rss(),
        }
        lab.warm_up(server, sink, clients)
        for mode, burst in (("one", 1), ("burst", _BURST)):
            window = lab.measure(server, sink, lab.order(clients, burst))
            yield {**common, "mode": mode, "burst": burst, **window.row()}


def _held_to(rows: Sequence[Row]) -> int:
    """The bars are about 10,000 clients; a smaller run shows them at the most it had."""
    sizes = {int(row["clients"]) for row in rows if "clients" in row}
    return 10000 if 10000 in sizes else max(sizes, default=0)


def _figure(rows: Sequence[Row], *, mode: str, name: str, unit: float = 1.0) -> float | None:
    found = middle(rows, name, peer="pushd", mode=mode, clients=_held_to(rows))
    return None if found is None else found / unit


def _against(rows: Sequence[Row], *, peer: str, mode: str, name: str) -> float | None:
    ours = middle(rows, name, peer="pushd", mode=mode, clients=_held_to(rows))
    theirs = middle(rows, name, peer=peer, mode=mode, clients=_held_to(rows))
    return ours / theirs if ours and theirs else None


def _wrong(rows: Sequence[Row]) -> float | None:
    """Count what did not arrive, or not in order, in all runs of pushd."""
    ours = [row for row in chosen(rows, peer="pushd") if "missing" in row]
    return (
        sum(float(row[name]) for row in ours for name in ("missing", "misordered", "lost")) if ours else None
    )


def _bars() -> tuple[Bar, ...]:
    faster = partial(_against, peer="autobahn", mode="idle", name="handshakes_per_s")
    floor = partial(_figure, name="ratio")
    bun = partial(_against, peer="bun", name="cpu_us")
    return (
        Bar("one by one, CPU per delivery", "x floor", 1.15, partial(floor, mode="one")),
        Bar("burst of 10, CPU per delivery", "x floor one by one", 0.15, partial(floor, mode="burst")),
        Bar("one by one, CPU per delivery", "x Bun", 1.0, partial(bun, mode="one")),
        Bar("burst of 10, CPU per delivery", "x Bun", 1.0, partial(bun, mode="burst")),
        Bar("messages missing, lost or out of order", "", 0.0, _wrong),
        Bar("RSS per idle connection", "KB", 5.5, partial(_figure, mode="idle", name="rss_bytes", unit=1024)),
        Bar("handshakes per second", "x Autobahn's defaults", 2.2, faster, at_least=True),
    )


_FAN_OUT = (
    "cpu_us",
    "ratio",
    "user_us",
    "system_us",
    "p50_ms",
    "p99_ms",
    "last_ms",
    "missing",
    "lost",
    "sink_load",
)

SCENARIO = Scenario(
    name="comparison",
    title="pushd and its peers",
    about=(
        "Each server holds the same clients and publishes the same schedule by itself, so that the fan-"
        "out alone is measured. One by one: each message has left before the next is due. Bursts: ten "
        "messages are offered before the server gets to write. CPU is the whole process's, user and "
        "system, per message and client. `last` is the median, over messages, of the time until the last "
        "client had it."
    ),
    plan=_plan,
    bars=_bars(),
    tables=(
        Table("One message at a time", ("clients", "peer"), _FAN_OUT, "one"),
        Table("Bursts of ten", ("clients", "peer"), _FAN_OUT, "burst"),
        Table(
            "Opening and holding connections",
            ("clients", "peer"),
            ("handshake_us", "handshakes_per_s", "rss_bytes", "rss_total_bytes"),
            "idle",
        ),
    ),
)
