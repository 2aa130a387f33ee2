"""pushd and its peers side by side: handshakes, idle memory, one message at a time, bursts of ten."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from bench.lab import SIZE, Lab, Row
from bench.rows import FLOOR, chosen, middle
from bench.scenario import Bar, Scenario, Step, Table
from bench.server import PEERS, Server
from bench.sink import Sink

__all__ = ["SCENARIO"]

_MODES = {"one": 1, "burst": 10}
"""Messages offered at once, by mode."""

_IDLE = 0.5
"""Seconds between the last handshake and the reading of the memory."""

_TOGETHER = 5
"""Peers that are there at the same time, besides the floor: a kernel with too many sockets is slower."""

_TURNS = 3
"""How often each of them has its turn to publish."""


@dataclass(frozen=True, slots=True)
class _Stand:
    """A peer with all its clients."""

    server: Server
    sink: Sink
    common: Row


def _plan(lab: Lab) -> Sequence[Step]:
    return [
        Step(
            f"{clients:,} clients, {', '.join(peers)}",
            partial(_measure, lab, peers, clients, repetition),
        )
        for clients in lab.effort.clients
        for repetition in range(1, lab.effort.repetitions + 1)
        for peers in _groups(lab.peers)
    ]


def _groups(peers: Sequence[str]) -> Sequence[Sequence[str]]:
    """Give those who are measured together; the floor is with everybody."""
    floor, others = [name for name in peers if name == FLOOR], [name for name in peers if name != FLOOR]
    starts = range(0, max(1, len(others)), _TOGETHER)
    return [[*floor, *others[start : start + _TOGETHER]] for start in starts]


def _measure(lab: Lab, peers: Sequence[str], clients: int, repetition: int) -> Iterator[Row]:
    """Start all, then let them publish in turn; who goes first is another one in each repetition."""
    first = (repetition - 1) % len(peers)
    with ExitStack() as stack:
        stands = []
        for peer in (*peers[first:], *peers[:first]):
            # The group tells the floors apart: each is that of its own company.
            common: Row = {"peer": peer, "group": peers[-1], "clients": clients, "repetition": repetition}
            stand = _Stand(
                server := stack.enter_context(lab.server(peer)),
                stack.enter_context(lab.sink(server, PEERS[peer].path)),
                common,
            )
            stands.append(stand)
            yield _fill(stand, clients)
        for stand in stands:
            lab.warm_up(stand.server, stand.sink, clients)
        for turn in range(1, _TURNS + 1):
            for mode, burst in _MODES.items():
                order = lab.order(clients, burst, seconds=lab.effort.seconds / _TURNS)
                for stand in stands:
                    window = lab.measure(stand.server, stand.sink, order)
                    yield {**stand.common, "turn": turn, "mode": mode, "size": SIZE, **window.row()}


def _fill(stand: _Stand, clients: int) -> Row:
    """Open the connections, and tell what that took."""
    server, sink = stand.server, stand.sink
    some = min(100, clients // 10)
    sink.connect(some)
    rss, cpu = server.rss(), server.cpu()
    connected = sink.connect(clients - some)
    spent = server.cpu() - cpu
    time.sleep(_IDLE)
    return {
        **stand.common,
        "mode": "idle",
        "handshake_us": spent.total / connected.opened * 1e6,
        "handshakes_per_s": connected.opened / connected.seconds,
        "rss_bytes": (server.rss() - rss) / connected.opened,
        "rss_total_bytes": server.rss(),
    }


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
    bun = partial(_against, peer="bun", name="ratio")
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
        "out alone is measured. Five servers and the floor are there at once and publish in turns of a few "
        "seconds, so that all of them meet the same hour of a noisy machine; ratios are those within a "
        "turn. One by one: each message has left before the next is due. Bursts: ten messages are offered "
        "before the server gets to write. CPU is the whole process's, user and system, per message and "
        "client. `last` is the median, over messages, of the time until the last client had it."
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
