"""Tests of the search for the highest sustained rate."""

from __future__ import annotations

from bench.histogram import Histogram
from bench.lab import Window
from bench.peers.contract import Order
from bench.processes import Cpu
from bench.scenarios.saturation import highest
from bench.sink import Figures


class Limited:
    """A server that sustains rates up to a limit."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.tried: list[float] = []

    def __call__(self, rate: float) -> Window | None:
        """Try a rate."""
        self.tried.append(rate)
        figures = Figures(1, 0, 1, 1, 0, 0, Histogram([(1, 1)]), {0: 1.0}, 0, 0.0)
        return Window(Order(1, 40, 1, rate), Cpu(), figures, 0.0, 0.0) if rate <= self.limit else None


def test_the_search_ends_close_below_the_limit() -> None:
    """The answer is sustained, and a tenth more is not."""
    server = Limited(730.0)
    rate, window = highest(server, 50.0, 2.0, 1.1)
    assert 730.0 / 1.1 < rate <= 730.0
    assert window is not None
    assert rate == window.order.rate
    assert len(server.tried) < 12


def test_a_server_that_cannot_even_start_has_no_rate() -> None:
    """Nothing is tried beyond the first rate."""
    server = Limited(10.0)
    assert (0.0, None) == highest(server, 50.0, 2.0, 1.1)
    assert [50.0] == server.tried
