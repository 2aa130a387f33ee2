"""pushd.broker.amqp.keeper."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from pushd.broker.amqp.complaints import Complaints
from pushd.broker.amqp.faults import Lost
from pushd.broker.amqp.keeper import Keeper, Node
from pushd.broker.amqp.session import Session
from pushd.broker.backoff import Backoff
from tests.support.log import Log, logged
from tests.unit.broker.amqp.fakes import FakeLink


class Fixed(Random):
    """Waits as long as it may."""

    def uniform(self, a: float, b: float) -> float:
        """Give the upper bound."""
        return b


class Rig:
    """A keeper of two nodes, and everything it does."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.links: list[FakeLink] = []
        self.tried: list[str] = []
        self.sessions: list[Session] = []
        self.connecting: Deferred[FakeLink] | None = None
        self.preparing: Deferred[None] = succeed(None)
        nodes = [Node(name, lambda name=name: self.connect(name)) for name in ("a", "b")]
        self.keeper = Keeper(
            self.clock,
            nodes,
            "testing",
            self.prepare,
            backoff=Backoff(Fixed(), 1, 8),
            complaints=Complaints(),
        )

    async def connect(self, name: str) -> FakeLink:
        """Connect, or wait."""
        self.tried.append(name)
        if self.connecting is not None:
            return await self.connecting
        self.links.append(FakeLink())
        return self.links[-1]

    async def prepare(self, session: Session) -> None:
        """Prepare, or wait."""
        self.sessions.append(session)
        await self.preparing
        self.keeper.works()


@pytest.fixture
def rig() -> Iterator[Rig]:
    """One that is stopped in the end, for no coroutine is to be left hanging."""
    rig = Rig()
    yield rig
    done: list[None] = []
    rig.keeper.stop().addCallback(done.append)
    for link in rig.links:
        if link.lost is None:
            link.lose()
    assert done


@pytest.fixture
def log() -> Iterator[Log]:
    """What it says."""
    with logged("pushd.broker") as log:
        yield log


def stopped(rig: Rig) -> bool:
    """Stop, and tell whether nothing is left."""
    done: list[None] = []
    rig.keeper.stop().addCallback(done.append)
    return bool(done)


def test_works(rig: Rig) -> None:
    """It connects to the first node and works."""
    assert rig.keeper.trouble == "connecting"
    rig.keeper.start()
    assert (["a"], "") == (rig.tried, rig.keeper.trouble)


def test_lost_and_found(rig: Rig, log: Log) -> None:
    """What is lost is said, closed, and tried at the next node after a delay."""
    rig.keeper.start()
    rig.links[0].lose("why")
    assert rig.keeper.trouble == "a: why"
    assert ["trouble with the broker at a: why"] == log.warnings
    rig.clock.advance(0.9)
    assert ["a"] == rig.tried
    rig.clock.advance(0.1)
    assert (["a", "b"], "") == (rig.tried, rig.keeper.trouble)


def test_ended_by_the_session(rig: Rig) -> None:
    """A session that is over closes its connection, and only then goes the time until the next one."""
    rig.keeper.start()
    rig.sessions[0].end(Lost("deaf"))
    assert rig.keeper.trouble == "a: deaf"
    assert rig.links[0].closing is not None
    rig.clock.advance(10)
    assert ["a"] == rig.tried
    rig.links[0].lose()
    rig.clock.advance(1)
    assert ["a", "b"] == rig.tried


def test_interrupted(rig: Rig) -> None:
    """Whoever knows that a session is of no use may end it; without one there is nothing to end."""
    rig.keeper.interrupt(Lost("too early"))
    rig.keeper.start()
    rig.keeper.interrupt(Lost("useless"))
    assert rig.keeper.trouble == "a: useless"
    rig.links[0].lose()
    rig.clock.advance(1)
    assert ["a", "b"] == rig.tried


def test_refused(rig: Rig, log: Log) -> None:
    """Nodes that cannot be reached are tried in turn, ever more rarely; each says the same thing once."""
    rig.connecting = Deferred()
    rig.keeper.start()
    for _ in range(6):
        connecting, rig.connecting = rig.connecting, Deferred()
        connecting.errback(OSError("closed"))
        rig.clock.advance(8)
    assert ["a", "b"] * 3 == rig.tried[:6]
    assert [
        "trouble with the broker at a: OSError: closed",
        "trouble with the broker at b: OSError: closed",
    ] == log.warnings
    assert not log.tracebacks


def test_no_answer(rig: Rig) -> None:
    """A node that does not answer is given up after ten seconds, before and after the login."""
    rig.connecting = Deferred()
    rig.keeper.start()
    rig.clock.advance(10)
    assert rig.keeper.trouble == "a: the broker did not answer within 10 seconds"
    rig.connecting, rig.preparing = None, Deferred()
    rig.clock.advance(1)
    rig.clock.advance(10)
    assert rig.keeper.trouble == "b: the broker did not answer within 10 seconds"
    assert rig.links[0].closing is not None


def test_lost_while_preparing(rig: Rig) -> None:
    """A connection that goes during the preparation is not waited for."""
    rig.preparing = Deferred()
    rig.keeper.start()
    rig.links[0].lose("why")
    assert rig.keeper.trouble == "a: why"
    rig.clock.advance(1)
    assert ["a", "b"] == rig.tried


def test_preparation_refused(rig: Rig, log: Log) -> None:
    """What the broker refuses ends the session."""
    rig.preparing = Deferred()
    rig.keeper.start()
    rig.preparing.errback(Lost("403", 403))
    assert rig.keeper.trouble == "a: 403"
    assert rig.links[0].closing is not None
    assert not log.tracebacks


def test_our_own_mistake(rig: Rig, log: Log) -> None:
    """A failure of ours is logged with its traceback and does not end the loop."""
    rig.preparing = Deferred()
    rig.keeper.start()
    rig.preparing.errback(ZeroDivisionError())
    rig.links[0].lose()
    rig.preparing = succeed(None)
    rig.clock.advance(1)
    assert (["a", "b"], "", 1) == (rig.tried, rig.keeper.trouble, len(log.tracebacks))


def test_back_off_resets_only_after_working_for_a_while(rig: Rig) -> None:
    """A session that works and is lost at once is no success; one that lasts is."""
    rig.keeper.start()
    for delay in (1, 2, 4):
        rig.links[-1].lose()
        count = len(rig.tried)
        rig.clock.advance(delay - 0.01)
        assert count == len(rig.tried)
        rig.clock.advance(0.01)
        assert count + 1 == len(rig.tried)
    rig.clock.advance(10)
    rig.links[-1].lose()
    count = len(rig.tried)
    rig.clock.advance(1)
    assert count + 1 == len(rig.tried)


def test_stop_before_the_start(rig: Rig) -> None:
    """There is nothing to stop."""
    assert stopped(rig)


def test_stop_while_connecting(rig: Rig, log: Log) -> None:
    """An attempt is given up."""
    rig.connecting = Deferred()
    rig.keeper.start()
    assert stopped(rig)
    assert (rig.keeper.trouble, []) == ("stopping", log.warnings)


def test_stop_while_waiting(rig: Rig) -> None:
    """A delay is cut short."""
    rig.keeper.start()
    rig.links[0].lose()
    assert stopped(rig)
    assert not rig.clock.getDelayedCalls()


@pytest.mark.parametrize("prepared", [True, False])
def test_stop_while_working(rig: Rig, log: Log, prepared: bool) -> None:
    """A session is ended and its connection closed; then nothing is left, and nothing was worth a line."""
    if not prepared:
        rig.preparing = Deferred()
    rig.keeper.start()
    assert not stopped(rig)
    done: list[None] = []
    rig.keeper.stop().addCallback(done.append)
    rig.links[0].lose()
    assert done
    assert (["a"], [], []) == (rig.tried, log.warnings, rig.clock.getDelayedCalls())


def test_stopped_by_what_it_keeps(rig: Rig) -> None:
    """Stopping is possible from within the preparation."""
    rig.keeper.works = lambda: None  # type: ignore[method-assign]
    rig.preparing = Deferred()
    rig.preparing.addCallback(lambda _: rig.keeper.stop() and None)
    rig.keeper.start()
    rig.preparing.callback(None)
    rig.links[0].lose()
    rig.clock.advance(10)
    assert ["a"] == rig.tried
