"""The hub: fan-out in slices, cursors in the past, and everybody told the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from pushd.disconnect import INTERNAL_ERROR, SHUTDOWN, SLOW, Disconnect
from pushd.history import History
from pushd.hub import Hub
from pushd.message import BROADCAST, Message, Position
from pushd.stats import Stats
from pushd.turns import Turns
from tests.support.archive import Archive
from tests.support.log import logged
from tests.support.turning import TurningClock


class Words:
    """An encoding that a test can read: bodies with a blank between them."""

    name = "words"

    def join(self, messages: Sequence[Message]) -> bytes:
        """Give bodies."""
        return b" ".join(message.body for message in messages)


WORDS = Words()


class Acks(Archive):
    """A broker that is told how far messages have been fanned out."""

    def __init__(self, page: int = 10**9) -> None:
        super().__init__(page)
        self.acked: list[int] = []

    def ack(self, offset: int) -> None:
        """Keep it."""
        self.acked.append(offset)


class Reader:
    """A connection that keeps what is written to it."""

    protocol = "raw"
    number = 1
    peer = "somebody"
    opened_at = 0.0
    encoding = WORDS

    def __init__(self, world: World, cost: float = 0.0) -> None:
        self._world = world
        self._cost = cost
        self.cursor = 0
        self.channels: set[str] = set()
        self.waiting = True
        self.written: list[bytes] = []
        self.room = True
        self.talking = False
        self.fails = False
        self.told: list[Position] = []
        self.before = 0
        self.closed: list[Disconnect] = []
        self.socket = self

    def send(self, data: bytes) -> int:
        """Take it, which takes some time, or be full."""
        if self.fails:
            raise RuntimeError("a connection's own fault")
        if self.talking:
            raise RuntimeError("a message within what the connection itself has to say")
        self._world.clock.rightNow += self._cost
        if not self.room:
            raise BlockingIOError
        self.written.append(data)
        return len(data)

    def keep(self, data: bytes, sent: int = 0) -> None:
        """Take it all the same, and tell."""
        self.written.append(data)
        self._world.hub.congested(self)

    def write(self, data: bytes) -> bool:
        """Take it one way or the other."""
        try:
            self.send(data)
        except BlockingIOError:
            self.keep(data)
        return self.room

    def close(self, disconnect: Disconnect) -> None:
        """Leave the hub."""
        self.closed.append(disconnect)
        self._world.hub.leave(self, disconnect)

    def missed(self) -> None:
        """Keep where it is told to stand, and how much was written before."""
        self.told.append(self._world.hub.position)
        self.before = len(self.written)


class World:
    """A hub, attached unless told otherwise, and everything around it."""

    def __init__(
        self,
        *,
        slow_clients: str = "close",
        max_messages: int = 1000,
        buffered_bytes: int = 1000,
        attached: bool = True,
        page: int = 10**9,
    ) -> None:
        self.clock = TurningClock()
        self.stats = Stats()
        self.broker = Acks(page)
        self.history = History(max_messages=max_messages, max_bytes=10**9, max_age=1e9)
        self.hub = Hub(
            self.history,
            self.broker,
            self.stats,
            self.clock,
            Turns(self.clock, self.stats),
            buffered_bytes=buffered_bytes,
            slow_clients=slow_clients,
            catch_up_readers=1,
            recovery_bytes=1000,
        )
        if attached:
            self.hub.reset(0)
            self.hub.attached("e")

    def join(self, *channels: str, after: int | None = None, cost: float = 0.0) -> Reader:
        """Add a connection that is served."""
        reader = Reader(self, cost)
        self.hub.join(reader, channels, after)
        self.hub.drained(reader)
        return reader

    def tell(self, offset: int, channel: str = BROADCAST, body: bytes = b"") -> None:
        """Let the broker bring a message, whose body is its offset if not given."""
        message = Message(offset, channel, body or b"%d" % offset)
        self.broker.records.append(message)
        self.hub.message(message)

    def turn(self) -> None:
        """Run one turn of the reactor."""
        self.clock.turn()

    def now(self) -> None:
        """Run turns until nothing is left to do without time passing."""
        while any(call.getTime() <= self.clock.rightNow for call in self.clock.getDelayedCalls()):
            self.turn()

    def give(self) -> None:
        """Have the broker give the page that was asked for first."""
        self.now()
        self.broker.give()
        self.now()

    def settle(self) -> None:
        """Run turns until nothing is left to do, and let time pass up to what is due later."""
        while calls := self.clock.getDelayedCalls():
            self.clock.rightNow = max(self.clock.rightNow, min(call.getTime() for call in calls))
            self.turn()


# Publishers that wait for their message.


def test_a_publisher_is_answered_once_a_history_includes_its_message() -> None:
    """That is when a pass takes the message on: a message above the tip is in the log, but not shown."""
    world = World()
    world.join()
    seen: list[tuple[int, list[int]]] = []

    def look(_: None) -> None:
        position = world.hub.position
        found = world.hub.part(Position("e", 0), BROADCAST, 99) or []
        seen.append((position.offset, [message.offset for message in found]))

    world.tell(1)
    world.hub.holding(1).addCallback(look)
    assert [] == seen
    world.now()
    assert [(1, [1])] == seen
    world.hub.holding(1).addCallback(look)
    world.hub.holding(0).addCallback(look)
    assert 3 == len(seen)


def test_a_publisher_waits_for_the_pass_under_way() -> None:
    """Its message is the next batch's, and becomes part of a history when that begins, not when it ends."""
    world = World()
    readers = [world.join(cost=0.02) for _ in range(300)]
    answered: list[None] = []
    world.tell(1)
    world.turn()
    world.tell(2)
    world.hub.holding(2).addCallback(answered.append)
    while world.hub.position.offset < 2:
        assert [] == answered
        world.turn()
    world.turn()
    assert [None] == answered
    assert not all(b"2" in reader.written for reader in readers)
    world.settle()


def test_a_reset_answers_publishers() -> None:
    """Their offsets no longer exist, and what they published is confirmed."""
    world = World()
    answered: list[None] = []
    world.hub.holding(5).addCallback(answered.append)
    world.hub.reset(0)
    world.now()
    assert [None] == answered


# Live.


def test_abreast() -> None:
    """It is while everything is out, unless nothing comes at all."""
    world = World()
    assert world.hub.abreast
    world.tell(1)
    assert not world.hub.abreast
    world.settle()
    assert world.hub.abreast
    world.hub.detached("gone")
    assert not world.hub.abreast


def test_broadcast() -> None:
    """A broadcast reaches everybody, in the next turn."""
    world = World()
    readers = [world.join(), world.join("a")]
    world.tell(1)
    assert [[], []] == [reader.written for reader in readers]
    world.turn()
    assert [[b"1"], [b"1"]] == [reader.written for reader in readers]
    assert Position("e", 1) == world.hub.position


def test_channel() -> None:
    """A channel's message reaches its subscribers only."""
    world = World()
    one, other = world.join("a", "b"), world.join("c")
    world.tell(1, "a")
    world.tell(2, "c")
    world.tell(3, "nobody")
    world.settle()
    assert ([b"1"], [b"2"]) == (one.written, other.written)
    assert [{"a", "b"}, {"c"}] == [one.channels, other.channels]


def test_coalescing() -> None:
    """What came in one turn is one write, and the broker hears of it once."""
    world = World()
    reader = world.join("a")
    for offset in (1, 2, 5):
        world.tell(offset, "a")
    world.tell(7)
    world.turn()
    assert [b"1 2 5 7"] == reader.written
    assert [7] == world.broker.acked
    assert (1, 4) == (world.stats.passes, world.stats.deliveries)


def test_ack_with_fan_out() -> None:
    """The broker is not told before messages are fanned out."""
    world = World()
    world.tell(1)
    assert [] == world.broker.acked
    world.settle()
    assert [1] == world.broker.acked


def test_a_full_socket_does_not_delay_the_ack() -> None:
    """A pass never waits for a client: the broker's own bound on unacknowledged messages would run out."""
    world = World()
    full, other = world.join(), world.join()
    full.room = False
    world.tell(1)
    world.settle()
    assert ([b"1"], [1]) == (other.written, world.broker.acked)


def test_ack_at_the_end() -> None:
    """The broker is told of a batch when everybody has been served, so that it cannot run ahead of us."""
    world, readers = slices()
    world.tell(1, "a")
    world.turn()
    assert ([b"1"], []) == (readers[0].written, world.broker.acked)
    world.settle()
    assert ([b"1"], [1]) == (readers[299].written, world.broker.acked)


def test_large_batches_are_cut() -> None:
    """One write has no more bytes of bodies than allowed, give or take a message."""
    world = World(buffered_bytes=10)
    reader = world.join()
    for offset in range(1, 4):
        world.tell(offset, body=b"x" * 8)
    world.settle()
    assert [17, 8] == [len(data) for data in reader.written]
    assert [2, 3] == world.broker.acked


def test_counts() -> None:
    """What operators see is what is connected."""
    world = World()
    one, two = world.join("a", BROADCAST), world.join("a", "b")
    assert [one, two] == list(world.hub.connections)
    assert {"a": [one, two], "b": [two]} == {name: list(held) for name, held in world.hub.channels.items()}
    assert {"raw": 2} == world.hub.counts
    world.hub.leave(two, SHUTDOWN)
    world.hub.leave(two, SHUTDOWN)
    assert {"a": [one]} == {name: list(held) for name, held in world.hub.channels.items()}
    assert ({"raw": 1}, {"shutdown": 1}) == (world.hub.counts, world.stats.closed)
    assert {"a", "b"} == two.channels


# Slices.


def test_no_long_turn() -> None:
    """However many connections there are, no turn is longer than a few milliseconds."""
    world = World()
    readers = [world.join(cost=0.00002) for _ in range(50_000)]
    world.tell(1)
    turns = 0
    while world.clock.getDelayedCalls():
        before = world.clock.seconds()
        world.turn()
        turns += 1
        assert world.clock.seconds() - before <= 0.01
    assert turns > 100
    assert world.stats.longest_turn <= 0.01
    assert all(reader.written == [b"1"] for reader in readers)


def slices() -> tuple[World, list[Reader]]:
    """Make 300 subscribers of ``a``, of whom a turn serves 100."""
    world = World()
    return world, [world.join("a", cost=0.0001) for _ in range(300)]


def test_meanwhile() -> None:
    """What comes during a pass goes out with the next one, to everybody in order."""
    world, readers = slices()
    world.tell(1, "a")
    world.turn()
    assert ([b"1"], []) == (readers[0].written, readers[299].written)
    world.tell(2, "a")
    world.tell(3)
    world.settle()
    assert all(reader.written == [b"1", b"2 3"] for reader in readers)


def test_leaving_mid_pass() -> None:
    """Who leaves during a pass gets nothing any more."""
    world, readers = slices()
    world.tell(1, "a")
    world.turn()
    world.hub.leave(readers[299])
    world.settle()
    assert ([], [b"1"]) == (readers[299].written, readers[298].written)


def test_joining_mid_pass() -> None:
    """Who joins during a pass starts after it."""
    world, _ = slices()
    world.tell(1, "a")
    world.turn()
    late = world.join("a")
    world.tell(2, "a")
    world.settle()
    assert [b"2"] == late.written


def test_subscribing_mid_pass() -> None:
    """Who subscribes during a pass gets first what it was subscribed to, then what comes on the channel."""
    world, readers = slices()
    last = readers[299]
    world.tell(1, "b")
    world.tell(2, "a")
    world.turn()
    world.hub.subscribe(last, "b")
    assert [b"2"] == last.written
    world.tell(3, "b")
    world.settle()
    assert [b"2", b"3"] == last.written


def test_position_mid_pass() -> None:
    """Who is told a position during a pass has everything up to there, and gets nothing twice."""
    world, readers = slices()
    served, late = readers[0], readers[299]
    world.tell(1, "a")
    world.turn()
    assert [Position("e", 1)] * 2 == [world.hub.reached(reader) for reader in (served, late)]
    assert [[b"1"]] * 2 == [served.written, late.written]
    world.settle()
    assert [[b"1"]] * 2 == [served.written, late.written]


def test_position_of_one_that_waits() -> None:
    """It has what was written to it, and is not brought further by being asked."""
    world = World()
    reader = world.join()
    reader.room = False
    world.tell(1)
    world.settle()
    world.tell(2)
    world.settle()
    assert (Position("e", 1), [b"1"]) == (world.hub.reached(reader), reader.written)


def test_no_position_to_go_on_from() -> None:
    """One that has not joined, or was not told of a loss, must keep the position it has."""
    world = World()
    reader = world.join()
    assert world.hub.reached(Reader(world)) is None
    world.hub.reset(9)
    assert world.hub.reached(reader) is None
    world.hub.attached("e")
    assert Position("e", 9) == world.hub.reached(reader)


def test_unsubscribing_mid_pass() -> None:
    """Who unsubscribes during a pass has got what came before, and gets no more."""
    world, readers = slices()
    last = readers[299]
    world.tell(1, "a")
    world.turn()
    world.hub.unsubscribe(last, "a")
    world.tell(2, "a")
    world.settle()
    assert [b"1"] == last.written
    assert last not in world.hub.channels["a"]


def test_subscribing_to_nothing_new() -> None:
    """Subscribing twice, and ending what never was, change nothing."""
    world = World()
    reader = world.join("a")
    world.hub.subscribe(reader, "a")
    world.hub.unsubscribe(reader, "b")
    world.tell(1, "a")
    world.settle()
    assert [b"1"] == reader.written
    world.hub.unsubscribe(reader, "a")
    assert {} == world.hub.channels


# Slow ones.


def test_slow_catches_up() -> None:
    """A full socket gets nothing until it has drained, and then all it lacks."""
    world = World()
    reader = world.join("a")
    reader.room = False
    world.tell(1, "a")
    world.settle()
    assert (reader.waiting, 1) == (True, world.stats.slow)
    for offset in range(2, 5):
        world.tell(offset, "a")
        world.settle()
    assert [b"1"] == reader.written
    reader.room = True
    world.hub.drained(reader)
    world.settle()
    assert ([b"1", b"2 3 4"], False) == (reader.written, reader.waiting)
    world.tell(5)
    world.settle()
    assert b"5" == reader.written[-1]


def test_slow_again() -> None:
    """One that fills up while catching up waits again."""
    world = World(buffered_bytes=1)
    reader = world.join("a")
    reader.room = False
    for offset in range(1, 8):
        world.tell(offset, "a")
    world.settle()
    for _ in range(10):
        world.hub.drained(reader)
        world.settle()
    assert b"1 2 3 4 5 6 7" == b" ".join(reader.written)
    assert len(reader.written) > 2


def test_full_of_something_else_before_its_turn() -> None:
    """The pass under way leaves it out; it gets what that had for it when it has drained, once."""
    world, readers = slices()
    reader = readers[299]
    world.tell(1, "a")
    world.turn()
    world.hub.congested(reader)
    world.hub.congested(reader)
    world.settle()
    assert (True, 0, [], 1) == (reader.waiting, reader.cursor, reader.written, world.stats.slow)
    world.hub.drained(reader)
    world.tell(2, "a")
    world.settle()
    assert b"1 2" == b" ".join(reader.written)


def test_full_of_something_else_after_its_turn() -> None:
    """It has what the pass under way had for it."""
    world, readers = slices()
    world.tell(1, "a")
    world.turn()
    world.hub.congested(readers[0])
    assert Position("e", 1) == world.hub.reached(readers[0])
    world.hub.drained(readers[0])
    world.tell(2, "a")
    world.settle()
    assert [b"1", b"2"] == readers[0].written


def test_full_of_something_else_before_it_is_at_the_tip() -> None:
    """It lacks something, or as it turns out nothing: neither is found out before it has drained."""
    world = World()
    world.tell(1, "a")
    world.settle()
    some, none = world.join("a", after=0), world.join("b", after=0)
    for reader in (some, none):
        world.hub.congested(reader)
    world.settle()
    world.tell(2)
    world.settle()
    assert [(True, [])] * 2 == [(reader.waiting, reader.written) for reader in (some, none)]
    for reader in (some, none):
        world.hub.drained(reader)
    world.settle()
    assert ([b"1 2"], [b"2"]) == (some.written, none.written)


def test_full_of_something_else_before_it_is_told_of_a_loss() -> None:
    """It is told all the same, and served when it has drained."""
    world = World()
    reader = world.join()
    world.hub.reset(9)
    world.hub.congested(reader)
    world.hub.attached("f")
    world.tell(10)
    world.settle()
    assert ([Position("f", 9)], []) == (reader.told, reader.written)
    world.hub.drained(reader)
    world.tell(11)
    world.settle()
    assert b"10 11" == b" ".join(reader.written)


def test_congested_before_joining() -> None:
    """What a handshake says may not fit; the hub knows nobody yet."""
    world = World()
    reader = Reader(world)
    world.hub.congested(reader)
    assert 0 == world.stats.slow


def test_drained_in_time() -> None:
    """One that has missed nothing is served at once."""
    world = World()
    reader = world.join()
    reader.room = False
    world.tell(1)
    world.settle()
    world.hub.drained(reader)
    assert not reader.waiting
    world.hub.drained(reader)
    world.tell(2)
    world.settle()
    assert [b"1", b"2"] == reader.written


def test_drained_after_leaving() -> None:
    """One that has left does not come back."""
    world = World()
    reader = world.join()
    world.hub.leave(reader)
    world.hub.drained(reader)
    world.tell(1)
    world.settle()
    assert (True, []) == (reader.waiting, reader.written)


def test_leaving_before_its_turn() -> None:
    """One that leaves while it waits for its catching up gets nothing."""
    world = World()
    world.tell(1)
    world.settle()
    reader = world.join(after=0)
    world.hub.leave(reader)
    world.settle()
    assert [] == reader.written


def test_subscribing_while_waiting() -> None:
    """A waiting connection's new channel starts at its cursor."""
    world = World()
    reader = world.join("a")
    reader.room = False
    world.tell(1, "a")
    world.tell(2, "b")
    world.settle()
    world.tell(3, "b")
    world.settle()
    world.hub.subscribe(reader, "b")
    world.hub.drained(reader)
    world.settle()
    assert [b"1", b"3"] == reader.written


def stalled(slow_clients: str) -> tuple[World, Reader]:
    """Make a connection whose cursor has fallen off the log by the time it drains."""
    world = World(slow_clients=slow_clients, max_messages=3)
    reader = world.join("a", "b")
    reader.room = False
    world.tell(1, "a")
    world.settle()
    for offset in range(2, 8):
        world.tell(offset, "ab"[offset % 2])
        world.settle()
    reader.room = True
    world.hub.drained(reader)
    world.settle()
    return world, reader


def test_fallen_off_close() -> None:
    """By default a connection that can no longer be served whole is closed."""
    world, reader = stalled("close")
    assert ([b"1"], [SLOW], []) == (reader.written, reader.closed, reader.told)
    assert {"slow": 1} == world.stats.closed


def test_fallen_off_gap() -> None:
    """With ``gap`` it is told, and goes on at the tip."""
    world, reader = stalled("gap")
    world.tell(8, "a")
    world.settle()
    assert ([b"1", b"8"], [], [Position("e", 7)]) == (reader.written, reader.closed, reader.told)


def test_congested_latest() -> None:
    """With ``latest`` it gets the newest of each channel, in order."""
    world, reader = stalled("latest")
    world.tell(8, "a")
    world.settle()
    assert ([b"1", b"6 7", b"8"], [], []) == (reader.written, reader.closed, reader.told)


def test_congested_latest_lost() -> None:
    """A quiet channel's newest message may be gone: then the client is told that it has missed something."""
    world = World(slow_clients="latest", max_messages=2)
    reader = world.join("a", "quiet")
    reader.room = False
    for offset, channel in ((1, "a"), (2, "quiet"), (3, "a"), (4, "a")):
        world.tell(offset, channel)
        world.settle()
    reader.room = True
    world.hub.drained(reader)
    world.settle()
    world.tell(5, "quiet")
    world.settle()
    assert ([b"1", b"5"], [], [Position("e", 4)]) == (reader.written, reader.closed, reader.told)


def test_latest_at_the_tip() -> None:
    """Who came back to where the log ended is like any other: the policy has the say once it is slow."""
    world = World(slow_clients="latest")
    world.tell(1, "a")
    world.settle()
    reader = world.join("a", after=1)
    reader.room = False
    for offset in range(2, 6):
        world.tell(offset, "a")
        world.settle()
    reader.room = True
    world.hub.drained(reader)
    world.settle()
    assert [b"2", b"5"] == reader.written


def test_latest_returning() -> None:
    """With ``latest`` a returning client still gets everything."""
    world = World(slow_clients="latest")
    for offset in range(1, 5):
        world.tell(offset, "a")
    world.settle()
    reader = world.join("a", after=1)
    world.settle()
    assert [b"2 3 4"] == reader.written


# Returning ones.


def test_returning() -> None:
    """A returning client gets what it lacks, and then what comes, without a seam."""
    world = World()
    for offset in range(1, 4):
        world.tell(offset, "a")
    world.settle()
    reader = world.join("a", after=1)
    world.tell(4, "a")
    world.settle()
    assert b"2 3 4" == b" ".join(reader.written)


def test_one_returning_takes_one_turn_of_two() -> None:
    """However long it has been catching up: what is published waits for a step or two of it."""
    world = World(buffered_bytes=1)
    for offset in range(1, 50):
        world.tell(offset, "a")
    world.settle()
    live = world.join()
    world.now()
    returning = world.join("a", after=1, cost=1.0)
    for _ in range(10):
        world.turn()
    world.tell(50)
    before = len(returning.written)
    while not live.written:
        world.turn()
    assert 2 == len(returning.written) - before


def test_two_returning() -> None:
    """Several catch up side by side."""
    world = World(buffered_bytes=1)
    for offset in range(1, 6):
        world.tell(offset)
    world.settle()
    readers = [world.join(after=0), world.join(after=3)]
    world.settle()
    assert [b"1 2 3 4 5", b"4 5"] == [b" ".join(reader.written) for reader in readers]


def test_holds() -> None:
    """Memory answers for its own epoch, up to the tip, as far back as it goes."""
    world = World(max_messages=2)
    for offset in range(1, 5):
        world.tell(offset, "a")
    world.settle()
    hub = world.hub
    world.tell(5, "a")
    asked = [("e", 2), ("e", 3), ("e", 4), ("e", 5), ("other", 3)]
    assert [False, True, True, False, False] == [hub.holds(Position(*each), ["a"]) for each in asked]
    assert [4] == [message.offset for message in hub.part(Position("e", 3), "a", 99) or ()]
    assert [None] * 3 == [hub.part(Position(*each), "a", 99) for each in [("e", 1), ("e", 5), ("other", 3)]]
    assert Position("e", 3) == hub.earliest(["a"])
    assert Position("e", 0) == hub.earliest(["b"])


# The broker.


def test_reading_back() -> None:
    """What is read back before the log is live is nobody's news; the broker is told at once."""
    world = World(attached=False)
    hub = world.hub
    assert (False, False) == (hub.ready, hub.warm)
    hub.reset(4)
    world.tell(5)
    world.tell(6)
    assert [5, 6] == world.broker.acked
    hub.attached("e")
    assert (True, True, Position("e", 6), 0) == (hub.ready, hub.warm, hub.position, world.stats.lost)
    reader = world.join(after=5)
    world.settle()
    assert [b"6"] == reader.written


def test_negative_reset() -> None:
    """A log that starts before everything starts at nothing."""
    world = World(attached=False)
    world.hub.reset(-1)
    world.hub.attached("e")
    assert Position("e", 0) == world.hub.position


def test_back_in_the_same_life() -> None:
    """After an outage without a loss nobody is told anything, and messages just go on."""
    world = World()
    reader = world.join()
    world.tell(1)
    world.settle()
    world.hub.detached("gone")
    assert (False, True) == (world.hub.ready, world.hub.warm)
    world.tell(2)
    world.hub.attached("e")
    world.settle()
    assert ([b"1", b"2"], [], True) == (reader.written, reader.told, world.hub.ready)
    assert (2, 1) == (world.stats.attaches, world.stats.detaches)


def lose(world: World, *, offset: int = 0, epoch: str = "f") -> None:
    """Let the broker come back with another life of the log."""
    world.hub.reset(offset)
    world.hub.attached(epoch)


def test_another_life() -> None:
    """When the log cannot be followed, everybody is told where it stands now, and served again."""
    world = World()
    fast, slow, late = world.join(), world.join(), Reader(world)
    slow.room = False
    world.tell(9)
    world.settle()
    world.hub.join(late, [])
    lose(world)
    world.settle()
    world.tell(1)
    world.settle()
    assert [[Position("f", 0)]] * 3 == [reader.told[:1] for reader in (fast, slow, late)]
    assert ([b"9", b"1"], [b"9"]) == (fast.written, slow.written)
    slow.room = True
    for reader in (slow, late):
        world.hub.drained(reader)
    world.settle()
    assert ([b"9", b"1"], [b"1"]) == (slow.written, late.written)
    assert 1 == world.stats.lost


def test_lost_during_a_pass() -> None:
    """A pass under way ends with the life of the log that it belongs to."""
    world, readers = slices()
    world.tell(1, "a")
    world.turn()
    lose(world)
    world.settle()
    assert ([], [Position("f", 0)]) == (readers[299].written, readers[299].told)


def test_told_in_batches() -> None:
    """Very many are told of a loss over some seconds, lest they all come back at once; nobody is left out."""
    world = World()
    readers = [world.join() for _ in range(2000)]
    lose(world)
    assert 20 == sum(bool(reader.told) for reader in readers)
    world.tell(1)
    world.settle()
    assert all(reader.told for reader in readers)
    assert (b"1", 0) == (readers[0].written[-1], len(readers[-1].written))
    assert 4.9 < world.clock.seconds() < 5.1


def test_lost_again_while_telling() -> None:
    """Who is still to be told when the log is lost again hears of it once, and where it stands then."""
    world = World()
    readers = [world.join() for _ in range(30)]
    lose(world)
    world.hub.reset(40)
    world.settle()
    assert 10 == sum(bool(reader.told) for reader in readers)
    world.hub.attached("g")
    world.settle()
    assert [Position("g", 40)] == readers[29].told
    assert [Position("f", 0), Position("g", 40)] == readers[0].told


def test_drained_before_it_is_told() -> None:
    """A socket that drains between the loss and the new life does not make a connection miss the news."""
    world = World()
    reader = world.join()
    reader.room = False
    world.tell(9)
    world.settle()
    world.hub.reset(20)
    world.hub.drained(reader)
    world.settle()
    world.tell(21)
    world.hub.attached("f")
    world.settle()
    assert ([b"9"], [Position("f", 21)]) == (reader.written, reader.told)
    world.tell(22)
    world.settle()
    assert b"22" == reader.written[-1]


# Failures.


def test_failing_while_catching_up() -> None:
    """A connection that fails while it catches up is closed; the next is served."""
    world = World()
    world.tell(1)
    world.settle()
    bad = Reader(world)
    bad.fails = True
    world.hub.join(bad, [], 0)
    world.hub.drained(bad)
    good = world.join(after=0)
    with logged("pushd.hub") as log:
        world.settle()
    assert ([INTERNAL_ERROR], [b"1"]) == (bad.closed, good.written)
    assert 1 == len(log.tracebacks)


def test_failing_in_a_pass() -> None:
    """A connection that fails in a pass is closed; all others are served, now and later."""
    world = World()
    bad, good = world.join(), world.join()
    bad.fails = True
    world.tell(1)
    with logged("pushd.hub") as log:
        world.settle()
    world.tell(2)
    world.settle()
    assert ([INTERNAL_ERROR], [b"1", b"2"], 1) == (bad.closed, good.written, len(log.tracebacks))


def test_failing_in_a_pass_and_when_closed() -> None:
    """A connection that cannot even be closed leaves; nobody after it misses what the pass brings."""
    world = World()
    bad, good = world.join(), world.join()
    bad.fails = True
    bad.closed = cast("Any", None)
    world.tell(1)
    with logged("pushd.hub") as log:
        world.settle()
    assert ([b"1"], [good], 2) == (good.written, list(world.hub.connections), len(log.tracebacks))
    assert {"internal_error": 1} == world.stats.closed


def test_failing_when_subscribing() -> None:
    """Who ends by what it had to be given first is not subscribed any more: nobody would ever undo it."""
    world = World()
    for _ in range(100):
        world.join()
    bad = world.join()
    bad.fails = True
    world.tell(1)
    world.turn()
    with logged("pushd.hub"):
        world.hub.subscribe(bad, "a")
    assert ([INTERNAL_ERROR], {}) == (bad.closed, world.hub.channels)


def test_reset_while_catching_up() -> None:
    """One that was catching up when the log was lost is told, and served again with an empty socket."""
    world = World()
    world.tell(1)
    world.settle()
    reader = world.join(after=0)
    lose(world)
    world.settle()
    world.tell(1, body=b"new")
    world.settle()
    assert ([b"new"], [Position("f", 0)]) == (reader.written, reader.told)


def test_failing_when_told() -> None:
    """A connection that cannot even be told of a loss is closed; the next one is told."""
    world = World()
    bad, good = world.join(), world.join()
    bad.told = cast("Any", None)
    with logged("pushd.hub") as log:
        lose(world)
    assert ([INTERNAL_ERROR], 1, 1) == (bad.closed, len(good.told), len(log.tracebacks))


def test_failing_log() -> None:
    """A pass that fails as a whole is logged, and the next message starts another."""
    world = World()
    reader = world.join()
    world.tell(1)
    found, world.history.after = world.history.after, cast("Any", None)  # type: ignore[method-assign]
    with logged("pushd.turns") as log:
        world.turn()
    world.history.after = found  # type: ignore[method-assign]
    world.tell(2)
    world.settle()
    assert ([b"1 2"], 1) == (reader.written, len(log.tracebacks))


def test_lost_before_a_pass() -> None:
    """A pass that a loss came before does nothing; what comes in the new life is served."""
    world = World()
    reader = world.join()
    world.tell(1)
    lose(world)
    world.tell(2)
    with logged("pushd.turns") as log:
        world.settle()
    world.tell(3)
    world.settle()
    assert ([], 1) == (log.tracebacks, len(reader.told))
    assert b"3" == reader.written[-1]
