"""pushd.broker.amqp.keeper."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
    """A keeper of two nodes, and everything it does.

    Args:
        names: The nodes.
        silent: Those of them that never answer.
    """

    def __init__(self, names: str = "ab", silent: str = "") -> None:
        self.silent = silent
        self.given_up: list[str] = []
        self.clock = Clock()
        self.links: list[FakeLink] = []
        self.tried: list[str] = []
        self.sessions: list[Session] = []
        self.connecting: Deferred[FakeLink] | None = None
        self.preparing: Deferred[None] = succeed(None)
        nodes = [Node(name, lambda name=name: self.connect(name)) for name in names]
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
        if name in self.silent:
            return await Deferred(lambda _: self.given_up.append(name))
        if self.connecting is not None:
            return await self.connecting
        self.links.append(FakeLink())
        return self.links[-1]

    async def prepare(self, session: Session) -> None:
        """Prepare, or wait."""
        self.sessions.append(session)
        await self.preparing
        self.keeper.works()


@contextmanager
def ended(rig: Rig) -> Iterator[Rig]:
    """Stop it in the end, for no coroutine and no delay is to be left."""
    yield rig
    done: list[None] = []
    rig.keeper.stop().addCallback(done.append)
    for link in rig.links:
        if link.lost is None:
            link.lose()
    assert done
    assert [] == rig.clock.getDelayedCalls()


@pytest.fixture
def rig() -> Iterator[Rig]:
    """Two nodes."""
    with ended(Rig()) as rig:
        yield rig


@pytest.fixture
def alone() -> Iterator[Rig]:
    """A single node."""
    with ended(Rig("a")) as rig:
        yield rig


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
    """What is lost is said, closed, and tried at the next node nearly at once."""
    rig.keeper.start()
    rig.links[0].lose("why")
    assert rig.keeper.trouble == "a: why"
    assert ["trouble with the broker at a: why"] == log.warnings
    rig.clock.advance(0.09)
    assert ["a"] == rig.tried
    rig.clock.advance(0.02)
    assert (["a", "b"], "") == (rig.tried, rig.keeper.trouble)


def test_the_back_off_comes_after_a_full_round(rig: Rig) -> None:
    """Each node has its turn before there is a wait."""
    rig.keeper.start()
    rig.links[0].lose()
    rig.clock.advance(0.1)
    rig.links[1].lose()
    rig.clock.advance(0.99)
    assert ["a", "b"] == rig.tried
    rig.clock.advance(0.01)
    assert ["a", "b", "a"] == rig.tried


def test_a_single_node_is_waited_for(alone: Rig) -> None:
    """Its first loss is a full round."""
    alone.keeper.start()
    alone.links[0].lose()
    alone.clock.advance(0.99)
    assert ["a"] == alone.tried
    alone.clock.advance(0.01)
    assert ["a", "a"] == alone.tried


def test_silent_nodes_first(log: Log) -> None:
    """Each has half a second for itself, then the next is tried beside it; those that lose are given up."""
    with ended(Rig("abcd", silent="abc")) as rig:
        rig.keeper.start()
        for _ in range(3):
            rig.clock.advance(0.5)
        assert (["a", "b", "c", "d"], "") == (rig.tried, rig.keeper.trouble)
        assert ["a", "b", "c"] == rig.given_up
        assert [
            f"trouble with the broker at {name}: the broker does not answer, another node is used"
            for name in "abc"
        ] == log.warnings


def test_stop_while_several_are_tried(log: Log) -> None:
    """All of them are given up, without a word."""
    with ended(Rig("ab", silent="ab")) as rig:
        rig.keeper.start()
        rig.clock.advance(0.5)
        assert stopped(rig)
        assert (["a", "b"], []) == (rig.given_up, log.warnings)


def test_another_life_is_no_outage(alone: Rig) -> None:
    """The broker is well: the next attempt does not wait for the back-off of the outage before."""
    alone.connecting = Deferred()
    alone.keeper.start()
    for _ in range(4):
        connecting, alone.connecting = alone.connecting, Deferred()
        connecting.errback(OSError("closed"))
        alone.clock.advance(8)
    alone.connecting, waiting = None, alone.connecting
    waiting.callback(FakeLink())
    alone.sessions[0].end(Lost("another life", at_once=True))
    alone.sessions[0].link.lose()  # type: ignore[attr-defined]
    alone.clock.advance(0)
    assert 2 == len(alone.sessions)
    assert "" == alone.keeper.trouble


def test_other_lives_in_quick_succession_do_not_spin(alone: Rig) -> None:
    """The second within ten seconds waits, and the third longer; after that it is like the first."""
    alone.keeper.start()
    for delay in (0, 1, 2):
        alone.sessions[-1].end(Lost("another life", at_once=True))
        alone.links[-1].lose()
        count = len(alone.sessions)
        if delay:
            alone.clock.advance(delay - 0.01)
            assert count == len(alone.sessions)
        alone.clock.advance(0.01)
        assert count + 1 == len(alone.sessions)
    alone.clock.advance(10)
    alone.sessions[-1].end(Lost("another life", at_once=True))
    alone.links[-1].lose()
    alone.clock.advance(0)
    assert 5 == len(alone.sessions)


def test_another_life_is_read_at_the_same_node(rig: Rig) -> None:
    """There is nothing wrong with it."""
    rig.keeper.start()
    rig.sessions[-1].end(Lost("another life", at_once=True))
    rig.links[-1].lose()
    rig.clock.advance(0)
    assert ["a", "a"] == rig.tried


def test_hurry(alone: Rig) -> None:
    """Who knows that the broker is back cuts the back-off short, but not to less than a second."""
    alone.keeper.hurry()
    alone.keeper.start()
    alone.keeper.hurry()
    alone.links[-1].lose()
    alone.clock.advance(1)
    alone.links[-1].lose()  # the second delay is two seconds
    alone.clock.advance(0.5)
    count = len(alone.tried)
    alone.keeper.hurry()
    alone.clock.advance(0)
    assert count == len(alone.tried)
    alone.clock.advance(0.5)
    alone.keeper.hurry()
    alone.clock.advance(0)
    assert count + 1 == len(alone.tried)


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
    rig.silent = "ab"
    rig.keeper.start()
    rig.clock.advance(0.5)
    rig.clock.advance(9.5)
    assert rig.keeper.trouble == "a: the broker did not answer within 10 seconds"
    rig.clock.advance(0.5)
    assert (rig.keeper.trouble, ["a", "b"]) == (
        "b: the broker did not answer within 10 seconds",
        rig.given_up,
    )
    rig.silent, rig.preparing = "", Deferred()
    rig.clock.advance(1)
    rig.clock.advance(10)
    assert rig.keeper.trouble == "a: the broker did not answer within 10 seconds"
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


def test_back_off_resets_only_after_working_for_a_while(alone: Rig) -> None:
    """A session that works and is lost at once is no success; one that lasts is."""
    alone.keeper.start()
    for delay in (1, 2, 4):
        alone.links[-1].lose()
        count = len(alone.tried)
        alone.clock.advance(delay - 0.01)
        assert count == len(alone.tried)
        alone.clock.advance(0.01)
        assert count + 1 == len(alone.tried)
    alone.clock.advance(10)
    alone.links[-1].lose()
    count = len(alone.tried)
    alone.clock.advance(1)
    assert count + 1 == len(alone.tried)


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
