"""The harness's side of ``sink.c``: thousands of clients in one process, and what they saw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.histogram import Histogram
from bench.processes import LineProcess

__all__ = ["Connected", "Figures", "Sink", "Subscription"]


@dataclass(frozen=True, slots=True)
class Subscription:
    """How the clients of one sink ask.

    Attributes:
        path: The request target.
        sse: Server-sent events instead of WebSocket.
        deflate: Offer permessage-deflate as browsers do, and insist on getting it.
        header: One more request header, or ``""``.
    """

    path: str = "/"
    sse: bool = False
    deflate: bool = False
    header: str = ""

    def options(self) -> list[str]:
        """Give the sink's command line options."""
        options = ["--path", self.path, "--protocol", "sse" if self.sse else "ws"]
        options += ["--deflate"] if self.deflate else []
        return options + (["--header", self.header] if self.header else [])


@dataclass(frozen=True, slots=True)
class Connected:
    """How opening connections went.

    Attributes:
        opened: How many were opened by the command.
        refused: How many attempts failed before (each was tried again).
        seconds: From the first connect to the last response.
    """

    opened: int
    refused: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What the clients of one or several sinks received.

    Attributes:
        open: Connections that were reading at the end.
        lost: Connections that ended.
        deliveries: Messages received, over all connections.
        bytes: What carried them, WebSocket framing included.
        missing: Numbers that were skipped on some connection.
        misordered: Messages that came twice or too late.
        latency: Receipt minus the time the message was due, over all deliveries.
        last: Per message number, the milliseconds until its last receiver had it.
        last_ns: CLOCK_MONOTONIC time of the last receipt.
        cpu: CPU seconds the sinks have spent since they started.
    """

    open: int
    lost: int
    deliveries: int
    bytes: int
    missing: int
    misordered: int
    latency: Histogram
    last: dict[int, float]
    last_ns: int
    cpu: float

    @classmethod
    def read(cls, answer: dict[str, Any]) -> Figures:
        """Take a sink's ``report`` or ``complete``."""
        return cls(
            answer["open"],
            answer["lost"],
            answer["deliveries"],
            answer["bytes"],
            answer["missing"],
            answer["misordered"],
            Histogram(answer["histogram"]),
            {number: slowest / 1000 for number, _, slowest in answer["messages"]},
            answer["last_ns"],
            answer["cpu"],
        )

    def __add__(self, other: Figures) -> Figures:
        """Give both together."""
        numbers = self.last.keys() | other.last.keys()
        return Figures(
            self.open + other.open,
            self.lost + other.lost,
            self.deliveries + other.deliveries,
            self.bytes + other.bytes,
            self.missing + other.missing,
            self.misordered + other.misordered,
            self.latency + other.latency,
            {number: max(self.last.get(number, 0.0), other.last.get(number, 0.0)) for number in numbers},
            max(self.last_ns, other.last_ns),
            self.cpu + other.cpu,
        )

    def latencies(self) -> dict[str, float]:
        """Give the row entries that tell latency, in milliseconds; none when markers could not be read."""
        if not self.latency.total:
            return {}
        return {
            "p50_ms": self.latency.percentile(50),
            "p99_ms": self.latency.percentile(99),
            "max_ms": self.latency.percentile(100),
            "last_ms": median(self.last.values()),
        }


class Sink(LineProcess):
    """A running sink.

    Args:
        program: The compiled ``sink.c``.
        port: The server's.
        subscription: What to ask for.
        source: The first of its client addresses; sinks that run together are given distinct ones.
        cpu: Where to bind it.
    """

    def __init__(
        self, program: Path, port: int, subscription: Subscription, *, source: int = 0, cpu: int | None = 1
    ) -> None:
        options = ["--port", str(port), "--source", str(source), *subscription.options()]
        super().__init__([str(program), *options], cpu)

    def connect(self, number: int, window: int = 500, timeout: float = 120.0) -> Connected:
        """Open connections with at most ``window`` handshakes in flight, and wait until all are open."""
        self.begin_connect(number, window)
        return self.connected(timeout)

    def begin_connect(self, number: int, window: int) -> None:
        """Start to open connections."""
        self.tell(f"connect {number} {window}")

    def connected(self, timeout: float) -> Connected:
        """Wait until all are open."""
        answer = self.hear("connected", timeout)
        return Connected(answer["opened"], answer["refused"], answer["seconds"])

    def expect(self, messages: int) -> None:
        """Forget all figures; from now on every client is to receive messages 0 to ``messages`` - 1."""
        self.tell(f"expect {messages}")
        self.hear("watching", 30.0)

    def watch(self) -> None:
        """Forget all figures, and take whatever comes."""
        self.tell("watch")
        self.hear("watching", 30.0)

    def complete(self, timeout: float) -> Figures:
        """Wait until every client has all that was expected."""
        return Figures.read(self.hear("complete", timeout))

    def report(self) -> Figures:
        """Ask for the figures as they are."""
        self.tell("report")
        return Figures.read(self.hear("report", 30.0))

    def stall(self, number: int) -> None:
        """Let some clients stop reading for good; they no longer count."""
        self.tell(f"stall {number}")
        self.hear("stalled", 10.0)
