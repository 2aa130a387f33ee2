"""Cursors in the past, where the broker has to be asked; those that memory serves are in test_hub."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pushd.disconnect import INTERNAL_ERROR, SHUTDOWN, SLOW
from pushd.interfaces import ReadError
from pushd.message import Message, Position
from tests.support.log import logged
from tests.unit.test_hub import Reader, Words, World


def forgetful(last: int = 9, **settings: object) -> World:
    """Give a hub that holds the newest two of ``last`` messages on channel ``a``."""
    world = World(max_messages=2, **settings)  # type: ignore[arg-type]
    for offset in range(1, last + 1):
        world.tell(offset, "a")
        world.now()
    return world


@pytest.mark.parametrize("policy", ["close", "gap", "latest"])
def test_who_comes_back_gets_what_memory_lacks(policy: str) -> None:
    """Also what it forgets meanwhile; then what it holds, and what is new, whatever the policy."""
    world = forgetful(slow_clients=policy)
    reader = world.join("a", after=4)
    world.now()
    for offset in (10, 11, 12):
        world.tell(offset, "a")
        world.now()
    assert ([(4, 9)], []) == (world.broker.ranges, reader.written)
    world.give()
    world.tell(13, "a")
    world.give()
    world.tell(14, "a")
    world.now()
    assert ([(4, 9), (9, 12)], [b"5 6 7 8 9 10 11 12", b"13", b"14"]) == (world.broker.ranges, reader.written)
    assert ([], [], {"stream": 1}) == (reader.told, reader.closed, world.stats.resumes)


def test_a_chunk_at_a_time() -> None:
    """As it would come from memory."""
    world = forgetful(buffered_bytes=1)
    reader = world.join("a", after=1)
    world.give()
    assert [b"2 3", b"4 5", b"6 7", b"8 9"] == reader.written
    assert not reader.waiting


class Fresh(Words):
    """Makes new bytes each time."""

    def join(self, messages: Sequence[Message]) -> bytes:
        """Give a copy."""
        return bytes(bytearray(super().join(messages)))


def test_a_large_message_is_there_once() -> None:
    """Clients that come back from different places are given the same object, after what is before it."""
    world, fresh = World(), Fresh()
    large = bytes(100_000)
    for offset, body in enumerate([b"1", b"2", large, b"4", large], start=1):
        world.tell(offset, "a", body)
        world.now()
    readers = [world.join("a", after=after) for after in (0, 1, 2, 0)]
    for reader in readers:
        reader.encoding = fresh
    world.now()
    assert [b"1 2", large, b"4", large] == readers[0].written
    assert [b"2", large, b"4", large] == readers[1].written
    shared = [reader.written[-3] for reader in readers]
    assert [large, b"4", large] == readers[2].written
    assert [b"1 2", large, b"4", large] == readers[3].written
    assert 1 == len({id(data) for data in shared})
    world.hub.reset(5)
    assert not world.hub._replay._large


def test_a_large_message_on_two_channels() -> None:
    """What has one offset stays together."""
    world = World()
    large = bytes(100_000)
    world.tell(1, "a", b"1")
    world.tell(1, "b", large)
    world.now()
    reader = world.join("a", "b", after=0)
    world.now()
    assert 1 == len(reader.written)
    assert {b"1 " + large, large + b" 1"} > set(reader.written)


def test_a_full_socket_waits() -> None:
    """And goes on from its cursor."""
    world = forgetful(buffered_bytes=1)
    reader = world.join("a", after=1)
    reader.room = False
    world.give()
    assert ([b"2 3"], 3) == (reader.written, reader.cursor)
    reader.room = True
    world.hub.drained(reader)
    world.now()
    assert [b"2 3", b"4 5", b"6 7", b"8 9"] == reader.written


def talking(world: World, after: int = 4) -> Reader:
    """Give one that comes back and whose socket is then full of what it has to be told besides."""
    reader = world.join("a", after=after)
    world.now()
    reader.room, reader.talking = False, True
    world.hub.congested(reader)
    return reader


def drain(world: World, reader: Reader) -> None:
    """Let that leave."""
    reader.room, reader.talking = True, False
    world.hub.drained(reader)
    world.now()


def test_nothing_is_written_into_what_a_connection_has_to_say() -> None:
    """What was read back waits until that has left, and so does what comes."""
    world = forgetful()
    reader = talking(world)
    world.give()
    world.tell(10, "a")
    world.now()
    assert ([], True) == (reader.written, reader.waiting)
    drain(world, reader)
    assert ([b"5 6 7 8 9", b"10"], []) == (reader.written, reader.closed)


def test_full_and_drained_while_it_is_read_for() -> None:
    """What was read back is written at once."""
    world = forgetful()
    reader = talking(world)
    drain(world, reader)
    world.give()
    assert [b"5 6 7 8 9"] == reader.written


def test_unread_for_one_whose_socket_is_full() -> None:
    """It is told all the same, and served from there on when it has drained."""
    world = forgetful()
    reader = talking(world)
    world.broker.refuse(ReadError("not attached"))
    world.now()
    world.tell(10, "a")
    world.now()
    assert ([Position("e", 9)], [], True) == (reader.told, reader.written, reader.waiting)
    drain(world, reader)
    assert [b"10"] == reader.written


def test_other_channels_for_one_whose_socket_is_full() -> None:
    """They are asked for when it has drained."""
    world = forgetful()
    reader = talking(world)
    world.hub.subscribe(reader, "b")
    world.give()
    assert [] == world.broker.open
    drain(world, reader)
    world.give()
    assert [b"5 6 7 8 9"] == reader.written


def test_a_log_that_begins_anew_while_the_socket_is_full() -> None:
    """Who is told of it then is served when it has drained."""
    world = forgetful()
    reader = talking(world)
    world.hub.reset(20)
    world.hub.attached("f")
    world.tell(21, "a")
    world.now()
    assert ([Position("f", 20)], []) == (reader.told, reader.written)
    drain(world, reader)
    assert [b"21"] == reader.written


def test_who_leaves_with_a_full_socket_is_forgotten() -> None:
    """Nothing is written to it any more."""
    world = forgetful()
    reader = talking(world)
    world.hub.leave(reader)
    world.settle()
    drain(world, reader)
    assert ([], {}) == (reader.written, world.stats.resumes)


def test_it_is_read_back_three_times() -> None:
    """Who is then still too slow for memory is slow."""
    world = forgetful()
    reader = world.join("a", after=4)
    reader.room = False
    for start in (10, 13, 16):
        assert [] == reader.closed
        world.give()
        for offset in range(start, start + 3):
            world.tell(offset, "a")
            world.now()
        world.hub.drained(reader)
        world.now()
    assert [b"5 6 7 8 9", b"10 11 12", b"13 14 15"] == reader.written
    assert ([SLOW], [(4, 9), (9, 12), (12, 15)]) == (reader.closed, world.broker.ranges)


def test_who_is_merely_slow_is_not_read_for() -> None:
    """The policy for slow clients has the say."""
    world = forgetful()
    reader = world.join("a")
    reader.room = False
    for offset in range(10, 15):
        world.tell(offset, "a")
        world.now()
    world.hub.drained(reader)
    world.now()
    assert ([SLOW], []) == (reader.closed, world.broker.asked)


def test_what_cannot_be_read_is_missed() -> None:
    """Also where slow clients are closed: this one is not slow. It goes on at the tip."""
    world = forgetful()
    reader = world.join("a", after=4)
    world.now()
    world.broker.refuse(ReadError("not attached"))
    world.now()
    assert ([Position("e", 9)], [], {"lost": 1}) == (reader.told, reader.closed, world.stats.resumes)
    world.tell(10, "a")
    world.now()
    assert [b"10"] == reader.written


def test_being_told_may_fail() -> None:
    """That is the end of this connection only."""
    world = forgetful()
    reader = world.join("a", after=4)
    reader.missed = lambda: 1 / 0  # type: ignore[method-assign]
    world.now()
    with logged("pushd.hub") as log:
        world.broker.refuse(ReadError("not attached"))
        world.now()
    assert ([INTERNAL_ERROR], 1) == (reader.closed, len(log.tracebacks))


def test_who_leaves_is_forgotten() -> None:
    """Nothing is read or written for it, and nothing is counted as lost."""
    world = forgetful()
    reading, read = world.join("a", after=4), world.join("a", after=3)
    read.room = False
    world.now()
    world.hub.leave(reading, SHUTDOWN)
    world.give()
    world.hub.leave(read)
    world.settle()
    assert ([], [b"4 5 6 7 8 9"], {"stream": 1}) == (reading.written, read.written, world.stats.resumes)


def test_a_log_that_begins_anew_is_told() -> None:
    """Nothing of the old one is given, whether it was read, is being read or is to be asked for."""
    world = forgetful()
    full = world.join("a", after=4)
    full.room = False
    world.give()
    reading, new = world.join("a", after=4), world.join("a", after=5)
    world.now()
    world.join("a", after=6)
    world.hub.reset(20)
    world.hub.attached("f")
    full.room = True
    world.hub.drained(full)
    world.now()
    for reader in (full, reading, new):
        assert [Position("f", 20)] == reader.told
    world.tell(21, "a")
    world.now()
    assert [[b"5 6 7 8 9", b"21"], [b"21"], [b"21"]] == [reader.written for reader in (full, reading, new)]
    assert ({"stream": 1}, 0) == (world.stats.resumes, len(world.broker.open))


def test_nothing_of_the_old_log_is_left_over() -> None:
    """Its offsets mean nothing in the new one, though they look alike."""
    world = forgetful(buffered_bytes=1)
    reader = world.join("a", after=4)
    reader.room = False
    world.give()
    world.hub.reset(2)
    world.hub.attached("f")
    reader.room = True
    world.hub.drained(reader)
    world.now()
    reader.room = False
    for offset in (3, 4):
        world.tell(offset, "a")
        world.now()
    reader.room = True
    world.hub.drained(reader)
    world.now()
    assert [b"5 6", b"3", b"4"] == reader.written


def test_an_instance_that_began_later() -> None:
    """Its memory begins above the last message that is missed, or there is none."""
    world = World()
    for offset in (5, 6):
        world.tell(offset, "a")
    world.hub.reset(20)
    world.hub.attached("e")
    some, none = world.join("a", after=4), world.join("a", after=6)
    world.give()
    world.tell(21, "a")
    world.now()
    assert [[b"5 6", b"21"], [b"21"]] == [some.written, none.written]
    assert ([], [(4, 20)]) == (some.told + none.told, world.broker.ranges)


def test_a_socket_that_drains_meanwhile_changes_nothing() -> None:
    """An answer to the client may fill and drain it while the broker is asked."""
    world = forgetful()
    reader = world.join("a", after=4)
    world.now()
    world.hub.drained(reader)
    world.now()
    assert ([], []) == (reader.closed, reader.written)
    world.give()
    assert ([b"5 6 7 8 9"], [(4, 9)]) == (reader.written, world.broker.ranges)


def mixed(**settings: object) -> World:
    """Give a hub with odd offsets on channel ``b``, even ones on ``a``, of which it holds the last two."""
    world = World(max_messages=2, **settings)  # type: ignore[arg-type]
    for offset in range(1, 10):
        world.tell(offset, "ab"[offset % 2])
        world.now()
    return world


def test_another_channel_is_another_request() -> None:
    """What is being read for the channels before would have a gap."""
    world = mixed()
    changing, other = world.join("a", after=2), world.join("a", after=4)
    world.now()
    world.hub.subscribe(changing, "b")
    world.give()
    world.give()
    assert [(2, 9), (2, 9)] == world.broker.ranges
    assert [[b"3 4 5 6 7 8 9"], [b"6 8"]] == [changing.written, other.written]


def test_what_was_read_for_other_channels_is_dropped() -> None:
    """The rest is asked for again."""
    world = mixed(buffered_bytes=1)
    reader = world.join("a", "b", after=2)
    reader.room = False
    world.give()
    world.hub.unsubscribe(reader, "b")
    reader.room = True
    world.hub.drained(reader)
    world.give()
    assert [(2, 9), (4, 9)] == world.broker.ranges
    assert [b"3 4", b"6 8"] == reader.written


def test_subscriptions_of_others_change_nothing() -> None:
    """Who does not come back has nothing that was read."""
    world = mixed()
    reader = world.join("a")
    reader.room = False
    world.hub.subscribe(reader, "b")
    world.tell(10, "b")
    world.now()
    assert ([b"10"], []) == (reader.written, world.broker.asked)


def test_others_may_have_it_read_back() -> None:
    """A protocol that answers with what was missed has no cursor in the past."""
    world = forgetful()
    found = []
    world.hub.fetch(Position("e", 4), {"a"}, world).addCallback(found.append)
    world.give()
    [older] = found
    assert ([5, 6, 7, 8, 9], 9) == ([message.offset for message in older.messages], older.reached)


def test_a_turn_is_waited_for_once() -> None:
    """However often the wire says that its socket has room."""
    world = forgetful()
    reader = world.join("a", after=8)
    world.hub.drained(reader)
    world.now()
    assert [b"9"] == reader.written
