"""How much a server delivers before it falls behind: the rate is raised until it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from bench.lab import SIZE, Lab, Row, Window
from bench.peers.contract import Order
from bench.processes import ProcessError
from bench.scenario import Scenario, Step, Table
from bench.server import PEERS

__all__ = ["SCENARIO", "highest"]

_START = 20_000.0
"""Deliveries per second that every server manages."""
_BOUND = 250.0
"""Milliseconds that 99 % of deliveries may take."""
_FINE = 1.1


def _plan(lab: Lab) -> Sequence[Step]:
    return [Step(peer, partial(_measure, lab, peer)) for peer in lab.peers]


def _measure(lab: Lab, peer: str) -> Iterator[Row]:
    clients = lab.effort.many // 5
    rate, window = highest(partial(_sustained, lab, peer, clients), _START / clients, 2.0, _FINE)
    if window is not None:
        yield {
            "peer": peer,
            "clients": clients,
            "messages_per_s": rate,
            "deliveries_per_s": rate * clients,
            **window.row(),
        }


def highest(
    sustained: Callable[[float], Window | None], start: float, coarse: float, fine: float
) -> tuple[float, Window | None]:
    """Find the highest rate that is sustained, to within the factor ``fine``.

    Args:
        sustained: Tries a rate; ``None`` when the server fell behind.
        start: The first rate.
        coarse: The factor by which it is raised until it is too much.
        fine: How exact the answer is to be.
    """
    good, best = 0.0, None
    rate = start
    while (window := sustained(rate)) is not None:
        good, best = rate, window
        rate *= coarse
    bad = rate
    while good and bad / good > fine:
        rate = (good * bad) ** 0.5
        window = sustained(rate)
        if window is None:
            bad = rate
        else:
            good, best = rate, window
    return good, best


def _sustained(lab: Lab, peer: str, clients: int, rate: float) -> Window | None:
    """Publish at ``rate`` to a fresh server: nothing lost, p99 in bounds, done when the schedule is."""
    order = Order(max(3, round(rate * lab.effort.seconds / 2)), SIZE, 1, rate)
    with lab.server(peer) as server, lab.sink(server, PEERS[peer].path) as sink:
        sink.connect(clients)
        lab.warm_up(server, sink, clients)
        try:
            window = lab.measure(server, sink, order, patience=5.0)
        except ProcessError:
            return None
    figures = window.figures
    whole = figures.missing == figures.misordered == figures.lost == 0
    last = figures.last[order.messages - 1]
    return window if whole and figures.latency.percentile(99) <= _BOUND and last <= _BOUND else None


SCENARIO = Scenario(
    name="saturation",
    title="Saturation",
    about=(
        "Messages are published one at a time, evenly, at a rate that is raised until the server falls "
        "behind: something is lost, the 99th percentile exceeds 250 ms, or the last message does. Shown "
        "is the highest rate that was sustained for a few seconds. Servers that join what has piled up in "
        "one write go further. A sink load near 100 % means that the client was the limit."
    ),
    plan=_plan,
    bars=(),
    tables=(
        Table(
            "Highest sustained rate",
            ("clients", "peer"),
            ("messages_per_s", "deliveries_per_s", "cpu_us", "p50_ms", "p99_ms", "sink_load"),
        ),
    ),
)
