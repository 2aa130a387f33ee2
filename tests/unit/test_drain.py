"""Sending all clients away."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from pushd.disconnect import INTERNAL_ERROR, SHUTDOWN, Disconnect
from pushd.drain import Drain
from tests.support.log import logged
from tests.support.roster import FakeClient


class Clients:
    """A hub as far as a drain looks at it: whoever is closed leaves.

    Args:
        count: How many clients there are.
    """

    def __init__(self, count: int) -> None:
        self.connections: dict[Leaver, None] = {}
        self.left: list[Disconnect | None] = []
        for number in range(count):
            self.connections[Leaver(number, hub=self)] = None

    def leave(self, connection: Leaver, disconnect: Disconnect | None = None) -> None:
        """Forget it."""
        del self.connections[connection]
        self.left.append(disconnect)


class Leaver(FakeClient):
    """A client that leaves its hub when it is closed, or fails to, as ``stubborn`` says."""

    stubborn = False

    def __init__(self, number: int, *, hub: Clients) -> None:
        super().__init__(number)
        self._hub = hub

    def close(self, disconnect: Disconnect) -> None:
        """Leave."""
        if self.stubborn:
            raise RuntimeError("cannot be closed, as it was told to")
        self._hub.leave(self, disconnect)


class Port:
    """A drain over so many clients, and its clock.

    Args:
        count: How many clients there are.
        longest: Seconds the drain may take.
    """

    def __init__(self, count: int, longest: float = 25.0) -> None:
        self.clock: Any = Clock()
        self.hub = Clients(count)
        hub: Any = self.hub
        self.drain = Drain(self.clock, hub, longest)
        self.over: list[None] = []

    def begin(self) -> None:
        """Begin, and remember when it is done."""
        Deferred.fromCoroutine(self.drain.run()).addCallback(self.over.append)

    @property
    def left(self) -> int:
        """How many clients are still there."""
        return len(self.hub.connections)


def test_nobody_is_there() -> None:
    """A drain without clients is done at once, and nobody is let in any more."""
    port = Port(0)
    assert not port.drain.draining
    port.begin()
    assert (True, [None], []) == (port.drain.draining, port.over, port.clock.getDelayedCalls())


def test_a_few_clients_go_ten_at_a_time() -> None:
    """Every batch waits for the next tick; the drain is over one tick after the last batch."""
    port = Port(25)
    port.begin()
    seen = [port.left]
    for _ in range(2):
        port.clock.advance(0.05)
        seen.append(port.left)
    assert ([15, 5, 0], []) == (seen, port.over)
    port.clock.advance(0.05)
    assert [None] == port.over
    assert [SHUTDOWN] * 25 == port.hub.left


def test_many_clients_go_in_six_tenths_of_the_time() -> None:
    """Batches grow with the crowd, so that late answers have the rest of the time."""
    port = Port(3000, longest=10.0)
    port.begin()
    assert 3000 - 25 == port.left
    port.clock.pump([0.05] * 118)
    assert 25 == port.left
    port.clock.pump([0.05] * 2)
    assert (0, [None]) == (port.left, port.over)


def test_a_client_that_cannot_be_closed_ends_only_itself() -> None:
    """It is logged and taken out of the hub; the others go as they should."""
    port = Port(3)
    next(iter(port.hub.connections)).stubborn = True
    with logged("pushd.drain") as log:
        port.begin()
    assert [INTERNAL_ERROR, SHUTDOWN, SHUTDOWN] == port.hub.left
    assert 1 == len(log.tracebacks)


def test_a_client_that_leaves_by_itself_is_not_closed() -> None:
    """Its turn may come later than its own end."""
    port = Port(11)
    last = list(port.hub.connections)[-1]
    port.begin()
    port.hub.leave(last)
    port.clock.pump([0.05, 0.05])
    assert [*[SHUTDOWN] * 10, None] == port.hub.left
    assert [None] == port.over


def test_who_comes_during_the_drain_goes_too() -> None:
    """A client whose protocol begins only now is closed like all others."""
    port = Port(11)
    port.begin()
    port.hub.connections[Leaver(99, hub=port.hub)] = None
    port.clock.pump([0.05] * 3)
    assert (0, [None]) == (port.left, port.over)


def test_what_ends_in_time_is_waited_for() -> None:
    """No timer is left behind."""
    port = Port(0)
    port.begin()
    done: list[None] = []
    ending: Deferred[None] = Deferred()
    Deferred.fromCoroutine(port.drain.within(ending)).addCallback(done.append)
    port.clock.advance(24.9)
    assert [] == done
    ending.callback(None)
    assert ([None], []) == (done, port.clock.getDelayedCalls())


def test_what_does_not_end_is_left_behind() -> None:
    """With a warning, when the time of the whole drain is up and not later."""
    port = Port(11)
    port.begin()
    port.clock.pump([0.05, 0.05])
    done: list[None] = []
    Deferred.fromCoroutine(port.drain.within(Deferred())).addCallback(done.append)
    with logged("pushd.drain") as log:
        port.clock.advance(24.8)
        assert [] == done
        port.clock.advance(0.1)
    assert ([None], ["the broker did not let go in time"]) == (done, log.warnings)


def test_what_is_cancelled_in_good_order_was_late_all_the_same() -> None:
    """A broker's connections end well when they are cancelled; the warning must not depend on that."""
    port = Port(0)
    port.begin()
    ending: Deferred[None] = Deferred(lambda ended: ended.callback(None))
    with logged("pushd.drain") as log:
        Deferred.fromCoroutine(port.drain.within(ending))
        port.clock.advance(25)
    assert ["the broker did not let go in time"] == log.warnings


def test_even_a_late_end_has_a_moment() -> None:
    """When the clients took all the time there was, what ends at once is still no failure."""
    port = Port(0)
    port.begin()
    port.clock.advance(30)
    with logged("pushd.drain") as log:
        done: list[None] = []
        Deferred.fromCoroutine(port.drain.within(succeed(None))).addCallback(done.append)
        Deferred.fromCoroutine(port.drain.within(Deferred())).addCallback(done.append)
        assert [None] == done
        port.clock.advance(0.05)
    assert ([None, None], 1) == (done, len(log.warnings))
