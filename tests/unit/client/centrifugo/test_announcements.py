from __future__ import annotations

from typing import Any

import pytest

from pushd.client.centrifugo import presence
from pushd.client.centrifugo.announcements import Announcement, Announcements
from pushd.client.centrifugo.dialect import BIDIRECTIONAL, UNI_WEBSOCKET
from pushd.client.centrifugo.session import CentrifugoSession
from pushd.client.centrifugo.workload import SLICE, TELL, Workload
from pushd.message import BROADCAST
from tests.support.log import logged
from tests.support.roster import NoEncoding
from tests.support.slices import Slices
from tests.unit.client.centrifugo.talk import Server, Talk


class World:
    """Members of channel ``x``, and turns that a test takes one by one."""

    def __init__(self, members: int, **rules: Any) -> None:
        self.server = Server(**{"join_leave": True, **rules})
        self.turns = Slices()
        self.work = Workload(self.server.clock, self.turns)  # type: ignore[arg-type]
        desk = self.server.desk
        self.announcements = Announcements(desk.hub, desk.rules, self.work)
        self.members = [self.member() for _ in range(members)]
        for talk in self.members:
            self.server.hub.subscribe(talk.session, "x")
            talk.wire.take()  # who came to broadcasts

    def member(self) -> Talk:
        """Connect a client."""
        talk = self.server.connected()
        talk.session.waiting = False
        talk.wire.take()
        return talk

    def add(self, kind: str, talk: Talk, channel: str = "x") -> int:
        """Announce a client."""
        return self.announcements.add(channel, kind, talk.session)  # type: ignore[arg-type]

    def settle(self) -> list[int]:
        """Run everything; return the units that each step took."""
        steps = []
        while True:
            before = self.work.done
            more = self.turns.step()
            steps.append(self.work.done - before)
            if not more:
                return steps

    def heard(self) -> list[list[str]]:
        """Return the kinds that each member heard since the last time."""
        return [[kind(each["push"]) for each in talk.heard()] for talk in self.members]


def kind(push: dict[str, Any]) -> str:
    """Return who came or left, as ``join c1``."""
    [what] = push.keys() - {"channel"}
    return f"{what} {push[what]['info']['client']}"


def test_the_others_are_told_later() -> None:
    """In the order in which the announcements came; not the client itself."""
    world = World(3)
    first, second, _ = world.members
    assert (3, 3) == (world.add("join", first), world.add("leave", second))
    assert [[], [], []] == world.heard()
    world.settle()
    assert [["leave c2"], ["join c1"], ["join c1", "leave c2"]] == world.heard()


def test_a_client_that_comes_and_goes_is_not_announced() -> None:
    """A client that goes and comes back before its turn is not announced either."""
    world = World(2)
    came, _ = world.members
    world.add("join", came)
    world.add("leave", came)
    world.settle()
    assert [[], []] == world.heard()
    for what in ("leave", "join", "leave"):
        world.add(what, came)
    world.settle()
    assert [[], ["leave c1"]] == world.heard()


def test_broadcasts_have_members_too() -> None:
    """All connections are told who came there."""
    world = World(3)
    world.add("join", world.members[0], BROADCAST)
    world.settle()
    assert [[], ["join c1"], ["join c1"]] == world.heard()


def test_channels_are_announced_apart() -> None:
    """Leaving one channel is not undone by coming to another."""
    world = World(2)
    came, other = world.members
    world.server.hub.subscribe(other.session, "y")
    world.add("join", came)
    world.add("leave", came, "y")
    world.settle()
    assert [[], ["join c1", "leave c1"]] == world.heard()


def test_nothing_is_announced_without_the_rule() -> None:
    """No work is left for later turns."""
    world = World(2, join_leave=False)
    assert (0, False) == (world.add("join", world.members[0]), bool(world.turns.jobs))


def test_a_crowd_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither when the client comes, nor when the channel has grown until its turn."""
    monkeypatch.setattr(presence, "MOST", 2)
    world = World(3)
    assert 0 == world.add("join", world.members[0])
    world.server.hub.unsubscribe(world.members[2].session, "x")
    assert 2 == world.add("join", world.members[0])
    world.server.hub.subscribe(world.members[2].session, "x")
    world.settle()
    assert [[], [], []] == world.heard()


def test_who_lags_is_left_out() -> None:
    """A client whose socket is full, or that has left, is told nothing."""
    world = World(4)
    came, full, gone, other = world.members
    full.session.waiting = True
    world.add("join", came)
    gone.session.lost()
    world.settle()
    assert [[], [], [], ["join c1"]] == world.heard()
    assert other.session.client == "c4"


def test_who_leaves_the_channel_meanwhile_is_not_told() -> None:
    """A push of a channel that the client has left would be a surprise."""
    world = World(SLICE // TELL + 3)
    world.add("join", world.members[0])
    world.turns.step()
    last = world.members[-1]
    world.server.hub.unsubscribe(last.session, "x")
    world.settle()
    heard = world.heard()
    assert ([], ["join c1"], []) == (heard[0], heard[-2], heard[-1])


def test_each_step_tells_few() -> None:
    """128 clients come to a channel with 1,000 members: no step does more than a slice."""
    world = World(1000)
    for talk in world.members[:128]:
        world.add("join", talk)
    steps = world.settle()
    assert 128 * 999 * TELL == sum(steps)
    assert max(steps) <= SLICE


def test_other_clients_work_goes_on_in_between() -> None:
    """The announcements have one part of the work, as the commands of one client have."""
    world = World(1000)
    for talk in world.members[:10]:
        world.add("join", talk)
    world.turns.step()
    before = world.work.done
    seen: list[int] = []

    def job() -> Any:
        for _ in range(3):
            seen.append(world.work.done)
            yield

    world.work.add(job())
    for _ in range(6):
        world.turns.step()
    assert 3 == len(seen)
    assert seen[-1] <= before + 3 * SLICE


def test_one_that_cannot_be_told_is_closed() -> None:
    """The others are told."""
    world = World(2)

    class Broken(CentrifugoSession):
        def hear(self, announcement: Announcement) -> None:
            raise RuntimeError("a client's own fault")

    world.members.append(world.member())
    broken = Talk(world.server, lambda: Broken(world.server.desk, NoEncoding()))
    broken.ask({"connect": {}})
    broken.session.waiting = False
    world.members.append(broken)
    for talk in world.members[2:]:
        world.server.hub.subscribe(talk.session, "x")
    world.heard()
    world.add("join", world.members[0])
    with logged("pushd.client.centrifugo.announcements") as log:
        world.settle()
    assert ["a client could not be told who came or left"] == log.warnings
    assert ("internal_error", [[], ["join c1"], ["join c1"], []]) == (broken.end, world.heard())


def test_the_bytes_are_made_once_for_each_form() -> None:
    """All clients of one dialect get the same object."""
    announcement = Announcement("x", "join", {"user": "", "client": "c1"})
    frame = announcement.frame(BIDIRECTIONAL)
    assert frame is announcement.frame(BIDIRECTIONAL)
    assert frame != announcement.frame(UNI_WEBSOCKET)
    assert b'{"channel":"x","join":{"info":{"user":"","client":"c1"}}}' in announcement.frame(UNI_WEBSOCKET)
