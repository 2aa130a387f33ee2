"""pushd.broker.amqp.liveness over a connection whose broker falls silent when a test says so."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from pushd.broker.amqp.liveness import Liveness, watch_liveness
from pushd.broker.amqp.probe import TICKS
from pushd.broker.amqp.session import Session
from tests.unit.broker.amqp.fakes import FakeLink


class Rig:
    """A connection and what is found out about it."""

    def __init__(self) -> None:
        self.link = FakeLink()
        self.session = Session(self.link)  # type: ignore[arg-type]
        self.changes: list[bool] = []
        self.liveness: Any = None
        made = Deferred.fromCoroutine(watch_liveness(self.session, self.changed))
        made.addCallback(lambda liveness: setattr(self, "liveness", liveness))

    def changed(self) -> None:
        """Keep the news."""
        self.changes.append(self.liveness.silent)

    def tick(self, ticks: int = 1) -> None:
        """Let time pass."""
        for _ in range(ticks):
            self.liveness.tick()

    @property
    def calls(self) -> int:
        """How often the broker was called."""
        return len(self.link.calls("basic_qos"))


@pytest.fixture
def rig() -> Rig:
    """A fresh one."""
    return Rig()


def test_a_broker_that_answers(rig: Rig) -> None:
    """It is called once a second, on a channel of its own, and there is no news."""
    rig.tick(10 * TICKS)
    assert (10, []) == (rig.calls, rig.changes)
    assert 1 == len(rig.link.channels)


def test_a_broker_that_falls_silent(rig: Rig) -> None:
    """It is known within three seconds, and once; the same call's answer says that it is back."""
    rig.tick(TICKS)
    rig.link.answers = False
    rig.tick(3 * TICKS)
    assert [True] == rig.changes
    rig.tick(100 * TICKS)
    assert ([True], 2) == (rig.changes, rig.calls)
    rig.link.answer()
    assert [True, False] == rig.changes
    rig.tick(TICKS)
    assert 3 == rig.calls


def test_a_busy_broker(rig: Rig) -> None:
    """While bytes come, deliveries before the answer for instance, it is not silent."""
    rig.link.answers = False
    for _ in range(100):
        rig.tick()
        rig.link.received += 1
    assert [] == rig.changes
    rig.tick(2 * TICKS)
    assert [True] == rig.changes


def test_a_broker_that_takes_no_publications(rig: Rig) -> None:
    """It reads nothing then, so that silence means nothing."""
    rig.tick(TICKS - 1)
    rig.link.answers = False
    rig.tick(2)
    rig.link.block("low on memory")
    rig.tick(100 * TICKS)
    assert ([], 1) == (rig.changes, rig.calls)
    rig.link.blocked = ""
    rig.tick(2 * TICKS)
    assert [True] == rig.changes


def test_a_round_trip(rig: Rig) -> None:
    """It is over with the answer to a call that was made after it began."""
    done: list[str] = []
    rig.link.answers = False
    rig.liveness.round_trip().addCallback(lambda _: done.append("first"))
    rig.liveness.round_trip().addCallback(lambda _: done.append("second"))
    assert ([], 1) == (done, rig.calls)
    rig.link.answer()
    assert (["first", "second"], 2) == (done, rig.calls)


def test_a_round_trip_to_a_broker_that_takes_no_publications(rig: Rig) -> None:
    """It is called once that is over."""
    rig.link.block("low on memory")
    rig.liveness.round_trip()
    assert 0 == rig.calls
    rig.link.blocked = ""
    rig.tick(TICKS)
    assert 1 == rig.calls


def test_its_channel_is_lost(rig: Rig) -> None:
    """So is the session: nothing would be found out any more."""
    [channel] = rig.link.channels
    channel.lose("why")
    assert rig.session.lost is not None
    assert "why" == rig.session.lost.reason


def test_a_call_that_fails(rig: Rig) -> None:
    """It is no answer."""
    assert isinstance(rig.liveness, Liveness)
    rig.link.answers = False
    rig.tick(TICKS)
    rig.link.unanswered[0].errback(RuntimeError("gone"))
    rig.tick(2 * TICKS)
    assert [True] == rig.changes
