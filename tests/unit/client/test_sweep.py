from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pushd.client.sweep import Pace, Sweep
from pushd.disconnect import EXPIRED, INTERNAL_ERROR, NO_PONG, STALE, STALLED, Disconnect
from pushd.turns import Turns
from tests.support.log import logged
from tests.support.public import Probe, Shop
from tests.support.still_hub import FakeWire

PACE = Pace(ping_interval=25.0, ping_timeout=20.0, stall_timeout=30.0, connection_age=0.0)


class Wire(FakeWire):
    """A wire that is as stuck as it is told to be; whoever is behind it answers pings, or does not."""

    answers = True

    def __init__(self) -> None:
        super().__init__()
        self.stuck_for = 0.0
        self.aborts = 0
        self.takes: Callable[[], object] = int

    def ping(self) -> None:
        """Count; it may take its time."""
        super().ping()
        self.takes()

    def stuck(self, now: float) -> float:
        """Say it."""
        return self.stuck_for

    def abort(self) -> None:
        """Count."""
        self.aborts += 1


class Streaming(Probe):
    """A client of ``/events``."""

    __slots__ = ()
    protocol = "sse"


class Floor:
    """A sweep and the clients it looks after."""

    def __init__(self, pace: Pace = PACE, share: float = 0.5) -> None:
        self.shop = Shop()
        untyped: Any = self.shop.hub
        turns = Turns(self.shop.clock, self.shop.stats)
        self.sweep = Sweep(
            self.shop.clock, untyped, turns, pace, self.shop.life.deadlines, share=lambda: share
        )
        self.pace = pace
        self.sweep.start()

    def client(self, *, fails: str = "", answers: bool = True, kind: type[Probe] = Probe) -> tuple[Any, Wire]:
        """Let a client in."""
        session, wire = kind(self.shop.hub, fails=fails), Wire()
        wire.answers = answers
        session.opened_at = session.heard_at = session.pinged_at = self.shop.clock.seconds()
        untyped: Any = wire
        session.opened(untyped)
        return session, wire

    def work(self) -> None:
        """Let a tenth of a millisecond pass within a turn."""
        self.shop.clock.rightNow += 0.0001

    def wait(self, seconds: float) -> None:
        """Let time pass, tick by tick."""
        end = self.shop.clock.seconds() + seconds
        while self.shop.clock.seconds() < end:
            self.shop.clock.advance(self.pace.tick)


def test_clients_are_pinged_by_and_by() -> None:
    """Each about once in an interval, but not all in one turn."""
    floor = Floor()
    wires = [floor.client(answers=False)[1] for _ in range(200)]
    most, before = 0, 0
    for _ in range(80):
        floor.shop.clock.advance(PACE.tick)
        pings = sum(wire.pings for wire in wires)
        most, before = max(most, pings - before), pings
    assert {1} == {wire.pings for wire in wires}
    assert most <= 20


def test_a_tick_is_cut_into_slices() -> None:
    """However many have their turn at a tick, others have theirs in between; each is seen once."""
    floor = Floor()
    wires = [floor.client(answers=False)[1] for _ in range(2000)]
    for wire in wires:
        wire.takes = floor.work
    floor.wait(35.0)
    assert {1} == {wire.pings for wire in wires}
    assert 0.005 <= floor.shop.stats.longest_turn <= 0.015


def test_a_client_that_does_not_answer_is_dropped() -> None:
    """After the timeout; it is not pinged again meanwhile."""
    floor = Floor()
    _, wire = floor.client()
    floor.wait(44.0)
    assert (1, []) == (wire.pings, wire.ends)
    floor.wait(10.0)
    assert (1, [NO_PONG]) == (wire.pings, wire.ends)


def test_a_client_that_answers_stays() -> None:
    """And is pinged again."""
    floor = Floor()
    session, wire = floor.client()
    for _ in range(20):
        floor.wait(10.0)
        session.heard_at = floor.shop.clock.seconds()
    assert [] == wire.ends
    assert wire.pings in {6, 7, 8}


def test_where_no_answer_comes_none_is_expected() -> None:
    """A stream is pinged all the same."""
    floor = Floor()
    _, wire = floor.client(answers=False)
    floor.wait(130.0)
    assert [] == wire.ends
    assert wire.pings in {4, 5}


def test_a_client_that_reads_nothing_is_dropped() -> None:
    """After the stall deadline; it is spared pings, which it would not see."""
    floor = Floor()
    session, wire = floor.client()
    session.waiting, wire.stuck_for = True, 29.9
    floor.wait(40.0)
    assert (0, []) == (wire.pings, wire.ends)
    wire.stuck_for = 30.0
    floor.wait(6.0)
    assert [STALLED] == wire.ends


def test_a_client_that_reads_slowly_owes_no_answer() -> None:
    """Its socket takes something now and then; it is pinged when it has caught up, and not judged before."""
    floor = Floor()
    session, wire = floor.client()
    session.waiting = True
    floor.wait(130.0)
    assert (0, []) == (wire.pings, wire.ends)
    session.waiting = False
    floor.wait(6.0)
    assert (1, []) == (wire.pings, wire.ends)


@pytest.mark.parametrize(("share", "age"), [(0.0, 100.0), (1.0, 80.0)])
def test_connections_move_on_at_an_age(share: float, age: float) -> None:
    """Up to a fifth before the longest."""
    floor = Floor(Pace(25.0, 20.0, 30.0, 100.0), share)
    _, wire = floor.client(answers=False)
    floor.wait(age - 0.5)
    assert [] == wire.ends
    floor.wait(6.0)
    assert [STALE] == wire.ends


def test_what_let_a_client_in_may_end() -> None:
    """The session says what follows."""
    floor = Floor()
    session, wire = floor.client()
    session.expires_at = floor.shop.clock.seconds() + 10
    floor.wait(9.9)
    assert [] == wire.ends
    floor.wait(5.2)
    assert [EXPIRED] == wire.ends


def test_who_left_is_let_alone() -> None:
    """Also when its turn in the round is still to come."""
    floor = Floor()
    clients = [floor.client(answers=False) for _ in range(100)]
    floor.wait(25.1)
    for session, _ in clients:
        session.close(STALE)
    pings = [wire.pings for _, wire in clients]
    floor.wait(30.0)
    assert pings == [wire.pings for _, wire in clients]


@pytest.mark.parametrize(("fails", "ends", "aborts"), [("ping", [INTERNAL_ERROR], 0), ("ping close", [], 1)])
def test_a_client_that_fails_is_ended_and_no_other(fails: str, ends: list[Disconnect], aborts: int) -> None:
    """The log has the traceback; the sweep goes on."""
    floor = Floor()
    _, bad = floor.client(fails=fails, answers=False)
    _, good = floor.client(answers=False)
    with logged("pushd.client.sweep") as log:
        floor.wait(30.0)
    assert (ends, 1) == (bad.ends, good.pings)
    assert log.tracebacks
    assert bool(aborts) == bool(bad.aborts)


class Late:
    """Counts."""

    calls = 0

    def overdue(self) -> None:
        """Count."""
        self.calls += 1


def test_deadlines_are_looked_at() -> None:
    """In every tick."""
    floor, late = Floor(), Late()
    floor.shop.life.requests.add(late)
    floor.wait(5.2)
    assert 1 == late.calls


def test_it_stops() -> None:
    """Once or twice; then nothing ticks any more."""
    floor = Floor()
    floor.sweep.stop()
    floor.sweep.stop()
    assert [] == floor.shop.clock.getDelayedCalls()


def test_a_sweep_that_ends_by_a_mistake_says_so() -> None:
    """Silence would be the worst."""
    floor = Floor()
    floor.shop.hub.connections = None  # type: ignore[assignment]
    with logged("pushd.client.sweep") as log:
        floor.wait(1.0)
    assert log.tracebacks


def test_a_stream_of_events_has_an_interval_of_its_own() -> None:
    """Its heartbeats are for pages, pings for proxies and sockets."""
    pace = Pace(25.0, 20.0, 30.0, 0.0, heartbeat_interval=5.0)
    assert (5.0, 25.0, 0.1) == (pace.interval("sse"), pace.interval("raw"), pace.tick)
    assert 25.0 == PACE.interval("sse")
    floor = Floor(pace)
    _, other = floor.client(answers=False)
    _, stream = floor.client(answers=False, kind=Streaming)
    floor.wait(13.0)
    assert (0, 2) == (other.pings, stream.pings)


@pytest.mark.parametrize(
    ("times", "tick"), [((25.0, 20.0, 30.0), 0.4), ((100.0, 100.0, 100.0), 0.5), ((1.0, 9.0, 9.0), 0.02)]
)
def test_the_pace_suits_the_shortest_time(times: tuple[float, float, float], tick: float) -> None:
    """A round has ten ticks, and takes a fifth of it or five seconds."""
    assert tick == pytest.approx(Pace(*times, connection_age=0.0).tick)
