"""A herd is served bit by bit."""

from __future__ import annotations

from pushd.client.reception import Reception
from pushd.stats import Stats
from pushd.turns import Turns
from tests.support.log import logged
from tests.support.turning import TurningClock


class Hall:
    """A reception, and who was called up."""

    def __init__(self, each: float = 0.0) -> None:
        self.clock = TurningClock()
        self.reception = Reception(Turns(self.clock, Stats()))
        self.called: list[int] = []
        self._each = each

    def come(self, count: int) -> int:
        """Let so many come; give how many of them were served at once."""
        at_once = 0
        for number in range(count):
            if self.reception.has_room():
                at_once += 1
            else:
                self.reception.wait(lambda number=number: self._call(number))  # type: ignore[misc]
        return at_once

    def _call(self, number: int) -> None:
        self.clock.rightNow += self._each
        self.called.append(number)


def test_a_few_are_served_at_once() -> None:
    """In each turn anew."""
    hall = Hall()
    for _ in range(3):
        assert 50 == hall.come(50)
        hall.clock.turn()
    assert ([], []) == (hall.called, hall.clock.getDelayedCalls())


def test_a_visitor_that_fails() -> None:
    """It is logged, and whoever waits behind it is called up all the same."""
    hall = Hall()
    hall.come(50)
    hall.reception.wait(lambda: 1 / 0)  # type: ignore[arg-type]
    hall.come(1)
    with logged("pushd.turns") as log:
        while hall.clock.getDelayedCalls():
            hall.clock.turn()
    assert ([0], 1) == (hall.called, len(log.tracebacks))
    assert 50 == hall.come(50)


def test_the_rest_of_a_herd_waits_in_order() -> None:
    """Who comes while others wait is behind them; when nobody waits any more, there is room again."""
    hall = Hall(each=0.0002)
    assert 50 == hall.come(130)
    hall.clock.turn()
    assert list(range(50, 80)) == hall.called
    assert 0 == hall.come(1)
    while hall.clock.getDelayedCalls():
        hall.clock.turn()
    assert [*range(50, 130), 0] == hall.called
    assert 50 == hall.come(50)
