"""pushd.broker.backoff."""

from __future__ import annotations

from random import Random

from pushd.broker.backoff import Backoff


class Latest(Random):
    """Always the upper bound."""

    def uniform(self, a: float, b: float) -> float:
        """Give the upper bound."""
        assert a == 0
        return b


def test_bounds_double_up_to_the_longest() -> None:
    """The bound doubles with each delay and stops at the longest."""
    backoff = Backoff(Latest(), 0.2, 1.0)
    assert [0.2, 0.4, 0.8, 1.0, 1.0] == [backoff.delay() for _ in range(5)]


def test_reset() -> None:
    """After a reset the delays are short again."""
    backoff = Backoff(Latest(), 0.2, 1.0)
    backoff.delay()
    backoff.reset()
    assert backoff.delay() == 0.2


def test_jitter_is_full() -> None:
    """Delays lie anywhere between zero and the bound."""
    random = Random(1)
    delays = [Backoff(random, 1.0, 1.0).delay() for _ in range(200)]
    assert min(delays) < 0.1
    assert max(delays) > 0.9
