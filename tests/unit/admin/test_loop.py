"""How late the reactor is."""

from __future__ import annotations

from twisted.internet.task import Clock

from pushd.admin.loop import LoopLag


def test_on_time() -> None:
    """Before the first tick, and with ticks on time, there is no lag."""
    clock = Clock()
    lag = LoopLag(clock)
    assert 0.0 == lag.worst
    lag.start()
    clock.pump([1.0] * 3)
    assert 0.0 == lag.worst


def test_the_worst_of_a_minute() -> None:
    """A late tick shows for a minute."""
    clock = Clock()
    lag = LoopLag(clock)
    lag.start()
    clock.advance(1.25)
    clock.pump([1.0] * 59)
    assert 0.25 == lag.worst
    clock.advance(1.0)
    assert 0.0 == lag.worst


def test_stop() -> None:
    """No timer is left, whether it ticked or not."""
    clock = Clock()
    lag = LoopLag(clock)
    lag.stop()
    lag.start()
    lag.stop()
    assert [] == clock.getDelayedCalls()
