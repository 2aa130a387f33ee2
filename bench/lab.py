"""What a scenario works with: the effort to make, programs to start, and the standard measurement."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from bench.native import build
from bench.peers.contract import Order
from bench.processes import Cpu
from bench.server import PEERS, Publisher, Server
from bench.sink import Figures, Sink, Subscription

__all__ = ["FULL", "QUICK", "SIZE", "Effort", "Lab", "Row", "Window"]

Row: TypeAlias = dict[str, str | int | float | bool]
"""One measurement, flat: what was measured (``scenario``, ``peer``, ``clients`` …) and the figures."""

SIZE = 200
"""Bytes of a message, unless a scenario says otherwise."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much to measure.

    Attributes:
        clients: The numbers of connections of the comparison.
        many: The number of connections of scenarios that take just one number.
        repetitions: How often each is measured, peers in turn.
        seconds: How long each window of publishing lasts.
        scale: What the sizes of the big scenarios (herd, resume, 100,000) are multiplied by.
    """

    clients: tuple[int, ...]
    many: int
    repetitions: int
    seconds: float
    scale: float

    def scaled(self, number: int) -> int:
        """Give a big scenario's number at this effort."""
        return max(1, round(number * self.scale))


QUICK = Effort(clients=(500, 2000), many=2000, repetitions=1, seconds=2.0, scale=0.1)
FULL = Effort(clients=(1000, 5000, 10000, 19000), many=10000, repetitions=5, seconds=8.0, scale=1.0)


@dataclass(frozen=True, slots=True)
class Window:
    """What one window of publishing showed.

    Attributes:
        order: What was published.
        cpu: What the server spent, from before the first message until the last client had the last.
        figures: What the clients received.
        late: Seconds by which the latest burst missed its schedule.
        sink_load: The sink's share of its CPU meanwhile; near 1.0 it limits the server.
    """

    order: Order
    cpu: Cpu
    figures: Figures
    late: float
    sink_load: float

    def row(self) -> Row:
        """Give the figures as row entries: CPU in microseconds per delivery, times in milliseconds."""
        per = 1e6 / max(1, self.figures.deliveries)
        return {
            "cpu_us": self.cpu.total * per,
            "user_us": self.cpu.user * per,
            "system_us": self.cpu.system * per,
            "deliveries": self.figures.deliveries,
            "bytes_per_delivery": self.figures.bytes / max(1, self.figures.deliveries),
            "missing": self.figures.missing,
            "misordered": self.figures.misordered,
            "lost": self.figures.lost,
            "late_ms": self.late * 1000,
            "sink_load": self.sink_load,
            **self.figures.latencies(),
        }


class Lab:
    """Starts servers and sinks for the scenarios.

    Args:
        effort: How much to measure.
        peers: Names of the servers to compare.
        folder: Where compiled programs go.
    """

    def __init__(self, effort: Effort, peers: Sequence[str], folder: Path) -> None:
        self.effort = effort
        self.peers = tuple(peers)
        self.versions: dict[str, str] = {}
        self._sink = build("sink.c", folder)
        self._folder = folder

    def server(self, name: str, *options: str, cpu: int | None = 0) -> Server:
        """Start a peer; it is a context manager that ends it."""
        peer = PEERS[name]
        command = peer.command
        if command[0].endswith(".c"):
            command = (str(build(command[0], self._folder)),)
        server = Server([*command, *options], cpu)
        self.versions[name] = server.version
        return server

    def sink(
        self, server: Server, path: str, *, source: int = 0, cpu: int | None = 1, **how: str | bool
    ) -> Sink:
        """Start a sink for a server; ``how`` are :class:`Subscription` fields."""
        return Sink(self._sink, server.port, Subscription(path=path, **how), source=source, cpu=cpu)  # type: ignore[arg-type]

    def order(
        self,
        clients: int,
        burst: int = 1,
        size: int = SIZE,
        shape: str = "text",
        seconds: float | None = None,
    ) -> Order:
        """Give a schedule that keeps the slowest peer's bursts apart: one by one means one by one.

        40 us a client between messages and 160 us between bursts of ten are above what
        stock Autobahn spends, and for the fast peers mostly idle time.

        Args:
            seconds: How long it lasts, about; the effort's if not given.
        """
        interval = max(0.05, clients * (40e-6 if burst == 1 else 16e-6 * burst))
        bursts = max(2, round((seconds or self.effort.seconds) / interval))
        return Order(bursts * burst, size, burst, burst / interval, shape)

    def measure(
        self,
        server: Server,
        sink: Sink,
        order: Order,
        publisher: Publisher | None = None,
        patience: float = 60.0,
    ) -> Window:
        """Publish, wait until everybody has everything, and tell what it cost.

        Args:
            publisher: Who publishes; ``None`` for the server itself.
            patience: Seconds to wait after the end of the schedule.

        Raises:
            ProcessError: Not everything arrived in time.
        """
        publisher = publisher or server
        timeout = order.seconds() + patience
        sink.expect(order.messages)
        before, sink_before, began = server.cpu(), sink.report(), time.monotonic()
        publisher.publish(order)
        figures = sink.complete(timeout)
        spent = server.cpu() - before
        load = (figures.cpu - sink_before.cpu) / (time.monotonic() - began)
        return Window(order, spent, figures, publisher.published(timeout), load)

    def warm_up(self, server: Server, sink: Sink, clients: int) -> None:
        """Publish a little that is not counted: caches, lazy imports, first allocations."""
        interval = max(0.02, clients * 40e-6)
        self.measure(server, sink, Order(5, SIZE, 1, 1 / interval))
