"""pushd.broker.amqp.publisher over connections that a test answers for; the contract tests have the rest."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from pushd.broker.amqp.arrivals import Arrivals
from pushd.broker.amqp.complaints import Complaints
from pushd.broker.amqp.publisher import Publisher
from pushd.broker.backoff import Backoff
from pushd.broker.marks import Mark
from pushd.interfaces import PublishError
from pushd.message import Publication
from pushd.stats import Stats
from tests.unit.broker.amqp.fakes import FakeChannel, FakeNode


class Rig:
    """A publisher and its connections."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.stats = Stats()
        self.node = FakeNode()
        self.arrivals = Arrivals(self.clock, Random(1))
        self.publisher = Publisher(
            self.clock,
            self.node.nodes,
            "x",
            self.stats,
            arrivals=self.arrivals,
            backoff=Backoff(Random(1), 1, 1),
            complaints=Complaints(),
        )

    @property
    def channel(self) -> FakeChannel:
        """The channel for publications of the newest connection; the exchange was declared on the first."""
        return self.node.link.channels[1]

    def publish(self, body: bytes = b"x", *channels: str) -> list[Any]:
        """Publish; the list gets what becomes of it: ``None`` or an error."""
        return outcome(self.publisher.publish(Publication(body, channels)))

    def mark(self, nonce: str) -> list[Any]:
        """Publish a mark, likewise."""
        return outcome(Deferred.fromCoroutine(self.publisher.mark("s", Mark(nonce))))


def outcome(call: Deferred[None]) -> list[Any]:
    """Give what becomes of it."""
    results: list[Any] = []
    call.addCallbacks(results.append, lambda failure: results.append(failure.value))
    return results


@pytest.fixture
def idle() -> Iterator[Rig]:
    """One that is not started yet, and is stopped in the end: then nothing is left to be done."""
    rig = Rig()
    yield rig
    gone = outcome(rig.publisher.stop())
    rig.node.link.lose()
    assert ([None], []) == (gone, rig.clock.getDelayedCalls())


@pytest.fixture
def rig(idle: Rig) -> Rig:
    """One that is connected."""
    idle.publisher.start()
    return idle


def test_publishes(rig: Rig) -> None:
    """To the exchange, which it has declared; it is counted when the broker has confirmed it."""
    [declared] = rig.node.link.calls("exchange_declare")
    assert ("x", "fanout") == (declared["exchange"], declared["exchange_type"])
    published = rig.publish(b"body", "a")
    assert [("x", "a", b"body")] == [(e, key, body) for e, key, _, body in rig.channel.published]
    assert ([], 0) == (published, rig.stats.published)
    rig.channel.settled(1, False, True)
    assert ([0], 1, 0) == (published, rig.stats.published, rig.stats.publish_failed)


def test_what_fails_is_counted(rig: Rig) -> None:
    """Whether the broker refuses it or nobody ever could publish it; only the one may be tried again."""
    refused, impossible = rig.publish(), rig.publish(b"x", "a" * 256)
    rig.channel.settled(1, False, False)
    assert [True, False] == [error.temporary for error in (*refused, *impossible)]
    assert (0, 2) == (rig.stats.published, rig.stats.publish_failed)


def test_before_it_is_connected(idle: Rig) -> None:
    """Publications and marks are refused for now; whoever waits for the connection hears of it."""
    [refused], [unmarked] = idle.publish(), idle.mark("ab")
    assert (True, True) == (refused.temporary, unmarked.temporary)
    assert "not connected to the broker: connecting" == refused.reason == unmarked.reason
    connected = outcome(idle.publisher.connected())
    assert [] == connected
    idle.publisher.start()
    assert ([None], [None]) == (connected, outcome(idle.publisher.connected()))


def test_a_broker_that_takes_nothing(rig: Rig) -> None:
    """While the connection is blocked, publications are refused and it is said why."""
    rig.node.link.blocked = "the broker takes no publications: low on memory"
    [error] = rig.publish()
    assert (True, True) == (error.temporary, "low on memory" in error.reason)
    assert ("low on memory" in rig.publisher.trouble, []) == (True, rig.channel.published)
    rig.node.link.blocked = ""
    assert ("", []) == (rig.publisher.trouble, rig.publish())


def test_a_lost_channel(rig: Rig) -> None:
    """A deleted exchange takes the channel along: the connection is left for one that declares it again."""
    waiting = rig.publish()
    rig.channel.lose("404 NOT_FOUND", 404)
    [error] = waiting
    assert "404 NOT_FOUND" in error.reason
    assert "here: 404 NOT_FOUND" == rig.publisher.trouble
    rig.node.link.lose()
    rig.clock.advance(1)
    assert (1, "") == (len(rig.node.link.calls("exchange_declare")), rig.publisher.trouble)
    assert [] == rig.publish()


def test_a_broker_that_does_not_confirm(rig: Rig) -> None:
    """It is left, for it may never confirm anything again."""
    rig.publish()
    rig.clock.advance(10)
    assert "did not confirm within 10 seconds" in rig.publisher.trouble


def test_marks(rig: Rig) -> None:
    """They go through the default exchange, persistently, on one channel that nothing else uses."""
    first, second = rig.mark("ab"), rig.mark("cd")
    [_, publications, marks] = rig.node.link.channels
    assert [] == publications.published
    assert [("", "s")] * 2 == [(exchange, key) for exchange, key, _, _ in marks.published]
    assert [2, 2] == [properties["delivery_mode"] for _, _, properties, _ in marks.published]
    assert ["ab", "cd"] == [Mark.read(each[2]["headers"]).nonce for each in marks.published]  # type: ignore[arg-type, union-attr]
    marks.settled(2, True, True)
    assert ([None], [None], 0) == (first, second, rig.stats.published)


def test_a_refused_mark(rig: Rig) -> None:
    """It costs its own channel only: publications go on, and the next mark gets another."""
    refused = rig.mark("ab")
    rig.node.link.channels[2].lose("403 ACCESS_REFUSED", 403)
    assert "403 ACCESS_REFUSED" in refused[0].reason
    assert ([], None) == (rig.publish(), rig.node.link.closing)
    rig.mark("cd")
    assert 1 == len(rig.node.link.channels[3].published)


def test_a_mark_after_the_connection_is_lost(rig: Rig) -> None:
    """It is not published for now, as any publication; whoever consumes over another connection goes on."""
    rig.mark("ab")
    rig.node.link.lose("cut off")
    [error] = rig.mark("cd")
    assert (PublishError, True, "cut off") == (type(error), error.temporary, error.reason)


def test_marks_of_a_new_connection(rig: Rig) -> None:
    """They do not go to the channel of the last one."""
    rig.mark("ab")
    rig.node.link.lose()
    rig.clock.advance(1)
    rig.mark("cd")
    assert 1 == len(rig.node.link.channels[2].published)


def test_is_answered_once_it_has_come_back(rig: Rig) -> None:
    """By the later of the confirm and the delivery, with the offset of the delivery."""
    rig.arrivals.attached()
    first, second = rig.publish(b"1"), rig.publish(b"2")
    ids = [properties["correlation_id"] for *_, properties, _ in rig.channel.published]
    rig.channel.settled(1, False, True)
    assert [] == first
    rig.arrivals.came(ids[0], 7)
    assert [7] == first
    rig.arrivals.came(ids[1], 8)
    assert ([], 1) == (second, rig.stats.published)
    rig.channel.settled(2, False, True)
    assert ([8], 2) == (second, rig.stats.published)
    rig.arrivals.detached()


def test_what_is_confirmed_is_answered_without_a_delivery(rig: Rig) -> None:
    """After a bounded time: it is a success, and the broker holds it."""
    rig.arrivals.attached()
    outcome = rig.publish()
    rig.channel.settled(1, False, True)
    rig.clock.advance(4.9)
    assert [] == outcome
    rig.clock.advance(0.1)
    assert [0] == outcome
    rig.clock.advance(10)


@pytest.mark.parametrize("taken", [True, False])
def test_what_is_not_confirmed_fails_at_once(rig: Rig, taken: bool) -> None:
    """A failure waits for no delivery, and leaves nothing behind that would."""
    rig.arrivals.attached()
    outcome = rig.publish(b"x", *([] if taken else ["a" * 256]))
    if taken:
        rig.channel.settled(1, False, False)
    assert [True] == [isinstance(each, PublishError) for each in outcome]
    assert not rig.arrivals._waiters
    rig.arrivals.detached()
    rig.clock.advance(10)


def test_correlation_ids_of_two_connections_differ(rig: Rig) -> None:
    """A delivery of the last connection's publication answers nobody on the next one."""
    rig.publish()
    [(*_, properties, _)] = rig.channel.published
    rig.node.link.lose()
    rig.clock.advance(1)
    rig.publish()
    [(*_, again, _)] = rig.channel.published
    assert properties["correlation_id"] != again["correlation_id"]
