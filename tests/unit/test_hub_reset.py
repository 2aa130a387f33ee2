"""The hub between the loss of the log and its next life: what is asked and who comes in the meantime."""

from __future__ import annotations

from pushd.message import Position
from tests.unit.test_hub import Reader, World


def losing() -> World:
    """Make a world whose log of epoch ``e`` is lost, and whose next one is being read back from 20."""
    world = World()
    for offset in range(1, 31):
        world.tell(offset, "a")
    world.settle()
    world.hub.reset(20)
    return world


def test_positions_of_the_last_life_are_refused() -> None:
    """They cannot be answered for, though the offsets exist, from the reset on; nor ever again."""
    world = losing()
    asked = [Position("e", offset) for offset in (19, 20, 25, 30)]

    def answers() -> list[object]:
        hub = world.hub
        return [(hub.holds(each, ["a"]), hub.part(each, "a", 99)) for each in asked]

    nothing = [(False, None)] * 4
    assert nothing == answers()
    for offset in range(21, 31):
        world.tell(offset, "a")
    assert nothing == answers()
    world.hub.attached("f")
    world.settle()
    assert nothing == answers()
    assert world.hub.holds(Position("f", 25), ["a"])


def test_positions_of_the_next_life_are_refused_until_it_is_whole() -> None:
    """Nobody can have one yet: the epoch is not known before everything has been read back."""
    world = losing()
    world.tell(21, "a")
    assert (False, False) == (world.hub.warm, world.hub.holds(Position("f", 21), ["a"]))
    assert world.hub.part(Position("f", 21), "a", 99) is None


def test_coming_in_the_meantime() -> None:
    """Such a client gets nothing of what is read back, is told where it stands, and then served live."""
    world = losing()
    reader = world.join("a")
    world.tell(21, "a")
    world.settle()
    assert ([], []) == (reader.written, reader.told)
    world.tell(22, "a")
    world.hub.attached("f")
    world.settle()
    assert ([], [Position("f", 22)]) == (reader.written, reader.told)
    world.tell(23, "a")
    world.settle()
    assert ([b"23"], 1) == (reader.written, len(reader.told))


def test_coming_in_the_meantime_with_a_full_socket() -> None:
    """Its handshake is still on its way when the new life begins: it is told, and misses nothing more."""
    world = losing()
    reader = Reader(world)
    world.hub.join(reader, ["a"])
    world.tell(21, "a")
    world.hub.attached("f")
    world.settle()
    assert [Position("f", 21)] == reader.told
    world.tell(22, "a")
    world.settle()
    assert [] == reader.written
    world.hub.drained(reader)
    world.settle()
    assert [b"22"] == reader.written


def test_coming_back_in_the_meantime() -> None:
    """A cursor of the last life is not followed in the next one."""
    world = losing()
    reader = world.join("a", after=25)
    for offset in range(21, 31):
        world.tell(offset, "a")
    world.hub.attached("f")
    world.settle()
    assert ([], [Position("f", 30)]) == (reader.written, reader.told)
    world.tell(31, "a")
    world.settle()
    assert [b"31"] == reader.written


def test_coming_back_just_before() -> None:
    """Whoever was still owed something of the last life is not, and is served live like all others."""
    world = World()
    for offset in range(1, 31):
        world.tell(offset, "a")
    world.settle()
    reader = world.join("a", after=5)
    world.hub.reset(40)
    world.settle()
    world.hub.attached("f")
    world.settle()
    assert ([], [Position("f", 40)]) == (reader.written, reader.told)
    world.tell(41, "a")
    world.settle()
    assert [b"41"] == reader.written


def test_going_in_the_meantime() -> None:
    """Whoever leaves before the new life is not told of it."""
    world = losing()
    stays, goes = world.join("a"), world.join("a")
    world.hub.leave(goes)
    world.hub.attached("f")
    world.settle()
    assert ([Position("f", 20)], []) == (stays.told, goes.told)


def test_two_losses_before_a_new_life() -> None:
    """A client is told once, and of the one that lasts."""
    world = losing()
    reader = world.join("a")
    world.hub.reset(40)
    world.tell(41, "a")
    world.hub.attached("g")
    world.settle()
    assert ([], [Position("g", 41)]) == (reader.written, reader.told)
