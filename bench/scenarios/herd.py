"""A herd: thousands of clients come back at once to one instance that already serves others."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial

from bench.lab import SIZE, Lab, Row
from bench.peers.contract import Order
from bench.rows import middle
from bench.scenario import Bar, Scenario, Step, Table
from bench.server import PEERS

__all__ = ["SCENARIO"]

_THERE, _HERD = 4000, 15000
_RATE = 10.0
_WINDOW = 4000
"""Handshakes in flight: as many as a listen backlog takes; more would measure the kernel's SYN timer."""
_SOURCE = 50
"""First client address of the herd, away from those already there."""
_IN_FLIGHT = 0.5
"""Seconds after the last handshake in which what was sent before it still counts."""
_SECONDS = 30.0
"""Longer than any herd takes; the rest of the schedule is cut off with the server."""


def _plan(lab: Lab) -> Sequence[Step]:
    channels = {"those there": "live", "everybody": ""}
    return [
        Step(f"10 Hz to {to}, run {run}", partial(_measure, lab, to, channel, run))
        for run in range(1, lab.effort.repetitions + 1)
        for to, channel in channels.items()
    ]


def _measure(lab: Lab, to: str, channel: str, repetition: int) -> Iterator[Row]:
    there, herd = lab.effort.scaled(_THERE), lab.effort.scaled(_HERD)
    with (
        lab.server("pushd") as server,
        lab.sink(server, "/websocket/live") as sink,
        lab.sink(server, PEERS["pushd"].path, source=_SOURCE) as comers,
    ):
        sink.connect(there)
        lab.warm_up(server, sink, there)
        server.publish(Order(round(_SECONDS * _RATE), SIZE, 1, _RATE, channel=channel))
        time.sleep(1.0)
        sink.watch()
        comers.begin_connect(herd, _WINDOW)
        connected = comers.connected(_SECONDS)
        time.sleep(_IN_FLIGHT)
        figures = sink.report()
        yield {
            "peer": "pushd",
            "mode": to,
            "clients": there,
            "herd": herd,
            "repetition": repetition,
            "seconds": connected.seconds,
            "handshakes_per_s": connected.opened / connected.seconds,
            "refused": connected.refused,
            "missing": figures.missing,
            "lost": figures.lost,
            "longest_turn_ms": server.stats()["longest_turn"] * 1000,
            **figures.latencies(),
        }


SCENARIO = Scenario(
    name="herd",
    title="A herd of reconnecting clients",
    about=(
        "The clients of a lost instance come back to one that serves others ten messages a second. "
        "`seconds` is the time from the first connect to the last 101; latencies are of those already "
        "there, meanwhile. A message to everybody reaches the newcomers too, a message to those there "
        "does not."
    ),
    plan=_plan,
    bars=(
        Bar("herd of 15,000, all back", "s", 3.0, partial(middle, name="seconds", mode="those there")),
        Bar(
            "meanwhile, p99 of a 10 Hz message",
            "ms",
            250.0,
            partial(middle, name="p99_ms", mode="those there"),
        ),
    ),
    tables=(
        Table(
            "To one instance",
            ("mode", "clients", "herd"),
            (
                "seconds",
                "handshakes_per_s",
                "refused",
                "p50_ms",
                "p99_ms",
                "max_ms",
                "missing",
                "lost",
                "longest_turn_ms",
            ),
        ),
    ),
)
