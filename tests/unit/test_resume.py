"""Reading back what memory no longer holds: few readings, each request whole or refused with the reason."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from pushd.history import MAX_CHUNK, History
from pushd.interfaces import ReadError
from pushd.message import Message
from pushd.resume import Older, Readers, UnreadError
from pushd.stats import Stats
from pushd.turns import Turns
from tests.support.archive import Archive
from tests.support.log import logged
from tests.support.turning import TurningClock

_LATE = 15.0


class World:
    """Readers, a broker that holds everything, and a memory that holds what is above its floor."""

    def __init__(self, *, floor: int = 0, most: int = 4, max_bytes: int = 1000, page: int = 10**9) -> None:
        self.clock: Any = TurningClock()
        self.stats = Stats()
        self.archive = Archive(page)
        self.history = History(max_messages=10**9, max_bytes=10**9, max_age=10**9)
        self.history.reset(floor)
        self.readers = Readers(
            self.history,
            self.archive,  # type: ignore[arg-type]  # only what is asked of it
            self.stats,
            self.clock,
            Turns(self.clock, self.stats),
            tip=lambda: self.history.head,
            most=most,
            max_bytes=max_bytes,
        )

    def publish(self, offset: int, channel: str = "a", body: bytes = b"x") -> None:
        """Have the broker hold a message that memory has forgotten."""
        self.archive.records.append(Message(offset, channel, body))

    def ask(self, after: int, channels: Collection[str] = "a", owner: object = None) -> Asking:
        """Ask, for a client of its own unless ``owner`` names one."""
        return Asking(self.readers.fetch(after, channels, owner or object()))

    def settle(self) -> None:
        """Run what is due now."""
        while any(call.getTime() <= self.clock.seconds() for call in self.clock.getDelayedCalls()):
            self.clock.turn()

    def give(self) -> None:
        """Have the broker give the page that was asked for first."""
        self.settle()
        self.archive.give()
        self.settle()

    @property
    def idle(self) -> bool:
        """Whether no timer is left and nothing is being read."""
        return not self.clock.getDelayedCalls() and not self.archive.open


class Asking:
    """What became of a request."""

    def __init__(self, answer: Deferred[Older]) -> None:
        self.answer = answer
        self.outcome: tuple[list[int], int] | str = ""
        answer.addCallbacks(self._found, self._failed)

    def _found(self, older: Older) -> None:
        self.outcome = [message.offset for message in older.messages], older.reached

    def _failed(self, failure: Failure) -> None:
        self.outcome = "left" if failure.check(CancelledError) else failure.value.reason
        assert failure.check(CancelledError, UnreadError)


def test_what_memory_lacks_is_read_back() -> None:
    """From the position up to where memory begins, on the channels asked for."""
    world = World(floor=7)
    for offset, channel in ((3, "a"), (4, "a"), (5, "b"), (6, "c"), (7, "a"), (8, "a")):
        world.publish(offset, channel)
    asking = world.ask(3, ("a", "b"))
    assert "" == asking.outcome
    world.give()
    assert ([4, 5, 7], 7) == asking.outcome
    assert [(3, 7)] == world.archive.ranges
    assert world.idle


def test_page_by_page() -> None:
    """Each goes on where the last one ended."""
    world = World(floor=5, page=1)
    for offset in range(1, 6):
        world.publish(offset)
    asking = world.ask(0)
    world.give()
    world.give()
    assert "" == asking.outcome
    world.give()
    assert ([1, 2, 3, 4, 5], 5) == asking.outcome
    assert [(0, 5), (2, 5), (4, 5)] == world.archive.ranges
    assert world.idle


def test_very_many_messages_are_read_back_whole() -> None:
    """A recovery is bounded in bytes alone; the bound of a chunk's messages must not cut it."""
    count = 2 * MAX_CHUNK + 1
    world = World(floor=count, max_bytes=count)
    for offset in range(1, count + 1):
        world.publish(offset)
    asking = world.ask(0)
    for _ in range(3):  # a page of this broker is a chunk
        world.give()
    assert (list(range(1, count + 1)), count) == asking.outcome


def test_memory_may_forget_more_meanwhile() -> None:
    """Reading goes on until memory really has the rest."""
    world = World(floor=5)
    for offset in range(1, 9):
        world.publish(offset)
    asking = world.ask(2)
    world.settle()
    world.history.reset(8)
    world.give()
    assert "" == asking.outcome
    world.give()
    assert ([3, 4, 5, 6, 7, 8], 8) == asking.outcome
    assert [(2, 5), (5, 8)] == world.archive.ranges


def test_who_comes_together_is_served_by_one_reading() -> None:
    """It begins at the least position, and each gets what is its own and no more."""
    world = World(floor=9)
    for offset in range(1, 10):
        world.publish(offset, "ab"[offset % 2])
    asked = [world.ask(4), world.ask(2, "b"), world.ask(7, "ab"), world.ask(9)]
    world.give()
    assert [([6, 8], 9), ([3, 5, 7, 9], 9), ([8, 9], 9), ([], 9)] == [asking.outcome for asking in asked]
    assert [(2, 9)] == world.archive.ranges
    assert world.idle


def test_a_herd_costs_one_reading() -> None:
    """Also when handing out takes many turns."""
    world = World(floor=9)
    world.publish(9)
    asked = [world.ask(n % 9) for n in range(1000)]
    world.give()
    assert {str(([9], 9))} == {str(asking.outcome) for asking in asked}
    assert 1 == len(world.archive.asked)


def test_who_needs_less_is_served_earlier() -> None:
    """Where memory takes over is a matter of the channels."""
    world = World(floor=0, page=1)
    world.history = world.readers._history = History(max_messages=1, max_bytes=10**9, max_age=10**9)
    world.history.reset(0)
    for offset, channel in enumerate("abbbbb", start=1):
        world.publish(offset, channel)
        world.history.append(world.archive.records[-1], 0.0)
    world.history.evict(0.0, keep_above=10)
    quiet, busy = world.ask(0, "a"), world.ask(0, "b")
    world.give()
    assert (([1], 2), "") == (quiet.outcome, busy.outcome)
    world.give()
    world.give()
    assert ([2, 3, 4, 5, 6], 6) == busy.outcome


def test_memory_may_hold_everything_already() -> None:
    """Then nobody is asked."""
    world = World(floor=3)
    asking = world.ask(3)
    world.settle()
    assert (([], 3), []) == (asking.outcome, world.archive.asked)


def test_nobody_is_taken_back() -> None:
    """Who needs nothing stays where it is, though a reader begins before that for others."""
    world = World(floor=0)
    world.history = world.readers._history = History(max_messages=0, max_bytes=10**9, max_age=10**9)
    world.history.reset(0)
    world.history.append(Message(7, "a", b"x"), 0.0)
    world.history.evict(0.0, keep_above=10)
    busy, quiet = world.ask(1, "a"), world.ask(5, "b")
    world.settle()
    assert ("", ([], 5)) == (busy.outcome, quiet.outcome)


def test_few_read_at_once() -> None:
    """The next free reader takes all who wait for about the same."""
    world = World(floor=30_000, most=1)
    for offset in (5, 20_005):
        world.publish(offset)
    first = world.ask(0)
    world.settle()
    others = [world.ask(20_000), world.ask(1), world.ask(20_001), world.ask(29_000)]
    world.settle()
    assert [(0, 30_000)] == world.archive.ranges
    for _ in range(3):
        world.give()
    assert [(0, 30_000), (20_000, 30_000), (1, 30_000)] == world.archive.ranges
    assert ([5, 20_005], 30_000) == first.outcome
    found = [asking.outcome for asking in others]
    assert [([20_005], 30_000), ([5, 20_005], 30_000), ([20_005], 30_000), ([], 30_000)] == found
    assert world.idle


def test_several_may_read_at_once() -> None:
    """As many as configured, when they want different parts."""
    world = World(floor=90_000, most=2)
    for after in (0, 30_000, 60_000):
        world.ask(after)
    world.settle()
    assert [(0, 90_000), (30_000, 90_000)] == world.archive.ranges


def test_too_far_back_is_not_read() -> None:
    """It is refused in a later turn, and nobody is asked."""
    world = World(floor=100_001)
    far, near = world.ask(0), world.ask(1)
    assert "" == far.outcome
    world.settle()
    assert ("far", "", 1) == (far.outcome, near.outcome, world.stats.unread["far"])
    assert [(1, 100_001)] == world.archive.ranges


def test_what_retention_removed_is_not_given_in_part() -> None:
    """Whoever needs no more than is left gets it."""
    world = World(floor=9)
    world.archive.oldest = 5
    for offset in range(5, 10):
        world.publish(offset)
    late, just, whole = world.ask(3), world.ask(4), world.ask(7)
    world.give()
    assert ("gone", ([5, 6, 7, 8, 9], 9), ([8, 9], 9)) == (late.outcome, just.outcome, whole.outcome)
    assert {"gone": 1} == world.stats.unread
    assert world.idle


def test_retention_may_be_faster_than_reading() -> None:
    """What was read of a part that is not whole any more is not given."""
    world = World(floor=9, page=1)
    for offset in range(1, 10):
        world.publish(offset)
    early, late = world.ask(0), world.ask(7)
    world.give()
    world.archive.oldest = 6
    world.give()
    assert ("gone", "") == (early.outcome, late.outcome)
    world.give()
    assert ([8, 9], 9) == late.outcome


def test_too_much_for_one_is_its_own_matter() -> None:
    """The others are served."""
    world = World(floor=9, max_bytes=100)
    for offset in (3, 5, 7):
        world.publish(offset, body=b"x" * 60)
    much, just = world.ask(0), world.ask(3)
    world.give()
    assert ("long", ([5, 7], 9)) == (much.outcome, just.outcome)
    assert {"long": 1} == world.stats.unread


def test_who_is_elsewhere_does_not_wait_with_them() -> None:
    """Another reader is free."""
    world = World(floor=30_000)
    for after in (0, 1, 20_000):
        world.ask(after)
        world.settle()
    assert [(0, 30_000), (20_000, 30_000)] == world.archive.ranges


def test_a_little_more_than_memory_lacks_is_read() -> None:
    """It forgets more until those are served; but nothing beyond the tip is, and that is not too much."""
    world = World(floor=5, max_bytes=100)
    for offset in range(1, 10):
        world.publish(offset, body=b"x" * 30)
    world.history.head = 8
    asking = world.ask(2)
    world.give()
    assert ([(2, 8)], ([3, 4, 5, 6], 6)) == (world.archive.ranges, asking.outcome)
    world.history.head = 2000
    world.ask(2)
    world.settle()
    assert (2, 1005) == world.archive.ranges[-1]


def test_who_is_near_what_is_being_read_waits() -> None:
    """It is served by the next reader, with all who come meanwhile."""
    world = World(floor=9)
    first = world.ask(0)
    world.settle()
    others = [world.ask(1), world.ask(2)]
    world.settle()
    assert [(0, 9)] == world.archive.ranges
    world.give()
    world.give()
    assert [(0, 9), (1, 9)] == world.archive.ranges
    assert {str(([], 9))} == {str(asking.outcome) for asking in (first, *others)}


def test_a_reader_holds_so_much() -> None:
    """Of more it forgets the oldest, and who needs that is refused."""
    world = World(floor=99, max_bytes=10**8)
    body = b"x" * 1_000_000
    for offset in range(1, 41):
        world.publish(offset, body=body)
    much, little = world.ask(0), world.ask(20)
    world.give()
    assert ("gone", (list(range(21, 41)), 99)) == (much.outcome, little.outcome)


def test_a_reader_holds_what_is_wanted() -> None:
    """What else it comes across is nobody's."""
    world = World(floor=99)
    world.publish(1)
    for offset in range(2, 42):
        world.publish(offset, "b", b"x" * 1_000_000)
    asking = world.ask(0)
    world.give()
    assert ([1], 99) == asking.outcome


def test_a_broker_that_does_not_answer_is_given_up() -> None:
    """Its reading is cancelled and the reader free."""
    world = World(floor=9, most=1)
    asking = world.ask(0)
    world.settle()
    world.clock.advance(_LATE - 0.1)
    assert "" == asking.outcome
    world.clock.advance(0.1)
    world.settle()
    assert ("late", True) == (asking.outcome, world.idle)
    world.ask(0)
    world.settle()
    assert 2 == len(world.archive.asked)


def test_reading_does_not_go_on_for_ever() -> None:
    """The time is that of all pages together."""
    world = World(floor=9, page=1)
    for offset in range(1, 10):
        world.publish(offset)
    asking = world.ask(0)
    world.give()
    world.clock.advance(_LATE - 0.1)
    world.give()
    assert "" == asking.outcome
    world.clock.advance(0.1)
    world.settle()
    assert ("late", True) == (asking.outcome, world.idle)


def test_time_may_be_over_between_two_pages() -> None:
    """Then the next one is not asked for."""
    world = World(floor=9, page=1)
    for offset in range(1, 10):
        world.publish(offset)
    asking = world.ask(0)
    world.settle()
    world.archive.give()
    world.clock.rightNow += _LATE
    world.settle()
    assert ("late", 1) == (asking.outcome, len(world.archive.asked))


def test_a_broker_that_cannot_give_it_is_believed() -> None:
    """Nothing is tried again."""
    world = World(floor=9)
    asked = [world.ask(0), world.ask(1)]
    world.settle()
    world.archive.refuse(ReadError("not attached"))
    world.settle()
    assert ["broker", "broker"] == [asking.outcome for asking in asked]
    assert ({"broker": 2}, True) == (world.stats.unread, world.idle)


def test_a_fault_of_ours_is_logged() -> None:
    """And refuses those who asked."""
    world = World(floor=9)
    asking = world.ask(0)
    world.settle()
    with logged("pushd.resume") as log:
        world.archive.refuse(ZeroDivisionError())
        world.settle()
    assert (["reading back failed"], 1) == (log.warnings, len(log.tracebacks))
    assert "broker" == asking.outcome


def test_a_fault_while_handing_out_is_logged() -> None:
    """It does not keep a reader for ever."""
    world = World(floor=9)
    asking = world.ask(0)
    world.settle()
    world.readers._history = None  # type: ignore[assignment]
    with logged("pushd.resume") as log:
        world.archive.give()
        world.settle()
    assert (["reading back failed"], 1) == (log.warnings, len(log.tracebacks))
    assert ("broker", True) == (asking.outcome, world.idle)


def test_who_leaves_is_not_read_for() -> None:
    """Neither while waiting nor while being served."""
    world = World(floor=9, most=1, page=1)
    for offset in range(1, 10):
        world.publish(offset)
    first = world.ask(0)
    world.settle()
    second, third = world.ask(1), world.ask(2)
    second.answer.cancel()
    first.answer.cancel()
    world.give()
    assert ("left", "left", "") == (first.outcome, second.outcome, third.outcome)
    assert [(0, 9), (2, 9)] == world.archive.ranges
    third.answer.cancel()
    world.give()
    assert world.idle
    assert not world.stats.unread


def test_who_was_waiting_alone_may_leave() -> None:
    """The reader finds nobody."""
    world = World(floor=9)
    world.ask(0).answer.cancel()
    world.settle()
    assert [] == world.archive.asked


def test_a_log_that_begins_anew_ends_everything() -> None:
    """Who was waiting and who was being served is refused; who asks afterwards is not."""
    world = World(floor=30_000, most=1)
    reading, waiting = world.ask(0), world.ask(20_000)
    world.settle()
    world.readers.clear()
    world.readers.clear()
    later = world.ask(10)
    assert ("", "") == (reading.outcome, waiting.outcome)
    world.settle()
    assert ("reset", "reset", "") == (reading.outcome, waiting.outcome, later.outcome)
    assert ({"reset": 2}, 1) == (world.stats.unread, len(world.archive.open))


def test_a_log_may_begin_anew_while_handing_out() -> None:
    """Who has not been served yet gets nothing of the old one."""
    world = World(floor=9)
    world.publish(9)
    asked = [world.ask(0), world.ask(0), world.ask(0)]
    asked[0].answer.addCallback(lambda _: world.readers.clear())
    asked[1].answer.cancel()
    world.give()
    assert [([9], 9), "left", "reset"] == [asking.outcome for asking in asked]


def test_who_left_is_not_refused() -> None:
    """It has had its answer."""
    world = World(floor=9)
    asked = [world.ask(0), world.ask(0)]
    world.settle()
    asked[0].answer.cancel()
    world.archive.refuse(ReadError("no"))
    world.settle()
    assert ["left", "broker"] == [asking.outcome for asking in asked]
    assert {"broker": 1} == world.stats.unread


def scattered(clients: int, each: int, apart: int = 20_000) -> tuple[World, list[Asking]]:
    """Make clients that have asked for ``each`` parts of the log, all of them far from each other.

    Each part is read for a channel that memory forgot at an offset of its own.
    """
    world = World(page=10**9, max_bytes=10**9)
    history = world.history
    history._max_messages = 0
    for place in range(1, clients * each + 2):
        history.append(Message(place * apart, f"c{place}", b"x"), 0.0)
        history.evict(0.0, keep_above=10**9)
    owners = [object() for _ in range(clients)]
    asked = [
        world.ask((number * clients + place + 1) * apart - 5, [f"c{number * clients + place + 1}"], owner)
        for place, owner in enumerate(owners)
        for number in range(each)
    ]
    return world, asked


def test_an_honest_client_among_clients_that_read_back_much() -> None:
    """Twenty clients ask for 128 scattered parts each: one client with one part waits for one of each."""
    world, asked = scattered(20, 128)
    world.settle()
    last = len(asked) + 1
    honest = world.ask(last * 20_000 - 5, [f"c{last}"])
    pages = 0
    while not honest.outcome:
        world.give()
        pages += 1
    assert ([], last * 20_000) == honest.outcome
    assert pages <= 20 + 4 + 1
    while world.archive.open:
        world.give()
    assert all(each.outcome for each in asked)
    assert world.idle


def test_a_short_request_goes_before_the_next_page_of_a_long_one() -> None:
    """All readers are busy with long requests: a page of one later, the short request is read for."""
    world = World(floor=900_000, most=2, page=1, max_bytes=10**9)
    for offset in range(800_001, 800_100):
        world.publish(offset)
    for offset in range(850_001, 850_100):
        world.publish(offset)
    long = [world.ask(place) for place in (800_000, 850_000)]
    world.give()
    short = world.ask(899_000)
    world.give()
    assert (899_000, 900_000) in world.archive.ranges
    while not short.outcome:
        world.give()
    assert len(world.archive.asked) <= 8
    assert ["", ""] == [asking.outcome for asking in long]
    while world.archive.open:
        world.give()
    assert [198, 99] == [len(asking.outcome[0]) for asking in long]
    assert world.idle


def test_short_requests_keep_their_order() -> None:
    """The request that is next is read for before the reader lets another one go first."""
    world = World(floor=100_000, most=1)
    for after in (99_000, 75_000, 50_000):
        world.ask(after)
    for _ in range(3):
        world.give()
    assert [99_000, 75_000, 50_000] == [after for after, _ in world.archive.ranges]


def test_a_log_that_begins_anew_while_a_long_reading_gives_way() -> None:
    """Both are refused, and no reader is left."""
    world = World(floor=900_000, most=1, page=1, max_bytes=10**9)
    for offset in range(800_001, 800_100):
        world.publish(offset)
    long = world.ask(800_000)
    world.give()
    short = world.ask(899_000)
    world.give()
    world.settle()
    world.readers.clear()
    world.settle()
    assert ("reset", "reset") == (long.outcome, short.outcome)
    assert [] == world.clock.getDelayedCalls()


def test_the_deadline_counts_from_the_asking() -> None:
    """A request that waits for a reader is refused in time, whatever others are read for."""
    world, asked = scattered(20, 2)
    world.settle()
    world.clock.advance(10.0)
    late = world.ask(41 * 20_000 - 5, ["c41"])
    world.clock.advance(5.0)
    world.settle()
    assert {"late"} == {each.outcome for each in asked}
    assert "" == late.outcome
    world.clock.advance(9.9)
    world.settle()
    world.archive.give()
    world.settle()
    assert ([], 41 * 20_000) == late.outcome
    assert world.idle
