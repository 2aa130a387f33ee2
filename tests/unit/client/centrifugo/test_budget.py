"""No turn does more work for Centrifugo clients than it may, whatever they ask for.

Work is counted: units of the workload in each step of a turn, messages looked at, members told. Time plays no
part.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from pushd.client.centrifugo import presence
from pushd.client.centrifugo.client import Client
from pushd.client.centrifugo.session import CentrifugoSession
from pushd.client.centrifugo.uni import UniSession, UniSseSession
from pushd.client.centrifugo.workload import SLICE, TELL
from pushd.disconnect import KICKED, SHUTDOWN
from pushd.message import Message
from tests.support.log import logged
from tests.unit.client.centrifugo.busy import Busy
from tests.unit.client.centrifugo.talk import Talk

FRAME = 65536
"""Bytes of the longest message that a client may send."""

MESSAGES = 90_000

COMPARED = 2 * 17 + 4
"""Messages that two bisections among :data:`MESSAGES` compare, and a few."""

MOST = SLICE + 150
"""Units that a step may do: a slice, and one command, which may look at all members of a channel."""

RECOVER = '"subscribe":{"channel":"y","recover":true,"epoch":"e1","offset":1}'


def full_frame(*commands: str) -> list[str]:
    """Repeat ``commands`` until a frame is full."""
    size = sum(len(command) + 12 for command in commands)
    return list(commands) * (FRAME // size)


def numbers(talk: Talk) -> list[int]:
    """Return the numbers of the answers since the last time."""
    return [answer["id"] for answer in talk.heard() if "id" in answer]


@pytest.mark.parametrize(
    "fields",
    [
        '"limit":1',
        '"limit":1,"reverse":true',
        '"limit":1,"since":{"epoch":"e1","offset":45000}',
        '"limit":1,"reverse":true,"since":{"epoch":"e1","offset":45000}',
        '"limit":0',
    ],
)
def test_a_frame_of_history(fields: str) -> None:
    """90,000 messages of one channel: each command looks at its answer, and each step does a slice."""
    busy = Busy(MESSAGES)
    [talk] = busy.connect(1, ["x"])
    commands = full_frame(f'"history":{{"channel":"x",{fields}}}')
    busy.begin(talk, commands)
    assert talk.wire.paused
    busy.settle()
    assert len(commands) > 600
    assert list(range(1, len(commands) + 1)) == numbers(talk)
    assert busy.looked.looks <= len(commands) * (COMPARED + 2)
    assert max(busy.steps) <= MOST
    assert len(busy.steps) > len(commands) * 20 / MOST
    assert not talk.wire.paused


def test_a_history_is_bounded_in_bytes() -> None:
    """All messages are asked for: those beyond an answer's bytes are not looked at."""
    busy = Busy(MESSAGES, recovery_bytes=7000)
    [talk] = busy.connect(1, ["x"])
    busy.begin(talk, full_frame('"history":{"channel":"x","limit":-1}'))
    busy.settle()
    [first, *others] = [answer for answer in talk.heard() if "id" in answer]
    assert 1000 == len(first["history"]["publications"])
    given = 1 + sum("history" in answer for answer in others)
    assert busy.looked.looks <= given * 1000 + (len(others) + 1) * COMPARED
    assert max(busy.steps) <= MOST


def test_a_long_history_is_written_bit_by_bit() -> None:
    """An answer with all 90,000 messages takes many steps; others are answered at once in between."""
    busy = Busy(MESSAGES)
    talk, honest = busy.connect(2, ["x"])
    busy.begin(talk, ['"history":{"channel":"x","limit":-1}'])
    for _ in range(10):
        busy.step()
    assert [] == talk.heard()
    busy.clock.turn()
    busy.begin(honest, ['"history":{"channel":"x","limit":1}'])
    assert [1] == numbers(honest)
    busy.settle()
    [answer] = talk.heard()
    assert MESSAGES == len(answer["history"]["publications"])
    assert MESSAGES <= busy.looked.looks <= MESSAGES + 200
    assert max(busy.steps) <= MOST


def test_a_frame_of_recoveries_that_are_too_much() -> None:
    """A recovery beyond the bytes of an answer is refused by index, again and again."""
    busy = Busy(MESSAGES, recovery_bytes=100_000)
    [talk] = busy.connect(1)
    commands = full_frame(
        '"subscribe":{"channel":"x","recover":true,"epoch":"e1","offset":1}', '"unsubscribe":{"channel":"x"}'
    )
    busy.begin(talk, commands)
    busy.settle()
    answers = talk.heard()
    assert len(commands) > 600
    assert list(range(1, len(commands) + 1)) == [answer["id"] for answer in answers]
    assert all("publications" not in answer["subscribe"] for answer in answers[::2])
    assert {"lost": len(commands) // 2} == busy.stats.resumes
    assert busy.looked.looks <= len(commands) / 2 * COMPARED
    assert max(busy.steps) <= MOST


def test_a_frame_of_recoveries_from_the_broker() -> None:
    """Each is cancelled by the next command: none stays behind, and each step does a slice."""
    busy = Busy()
    busy.hub._history.reset(50_000)
    busy.hub._tip = 50_000
    [talk] = busy.connect(1)
    commands = full_frame(RECOVER, '"unsubscribe":{"channel":"y"}')
    busy.begin(talk, commands)
    busy.settle()
    assert list(range(1, len(commands) + 1)) == numbers(talk)
    assert max(busy.steps) <= MOST
    readers = busy.hub._readers
    assert (0, 0) == (len(readers._queue), len(readers._open))


def test_coming_to_many_big_channels() -> None:
    """128 channels with 1,000 members: coming and going tells few of them in each step."""
    channels = [f"c{number}" for number in range(128)]
    busy = Busy(join_leave=True, subscriptions=1000, recovery_bytes=10**9)
    members = busy.connect(presence.MOST - 1, channels)
    [talk] = busy.connect(1)
    for member in members:
        member.wire.take()
    told = []
    busy.begin(talk, [f'"subscribe":{{"channel":"{channel}"}}' for channel in channels])
    while busy.step():
        told.append(sum(len(member.wire.sent) for member in members))
    talk.session.lost()
    while busy.step():
        told.append(sum(len(member.wire.sent) for member in members))
    both = 2 * len(channels) * len(members)
    assert both <= told[-1] <= both + len(members)  # and that it left where broadcasts go
    assert max(after - before for before, after in zip([0, *told], told, strict=False)) <= SLICE / TELL
    assert max(busy.steps) <= MOST


def test_a_client_that_comes_and_goes_within_a_frame_tells_nobody() -> None:
    """Commands are carried out, and announcements cancel each other."""
    busy = Busy(join_leave=True, recovery_bytes=10**9)
    members = busy.connect(100, ["y"])
    [talk] = busy.connect(1)
    commands = ['"subscribe":{"channel":"y"}', '"unsubscribe":{"channel":"y"}'] * 12
    for member in members:
        member.wire.take()
    busy.begin(talk, commands)
    assert list(range(1, 25)) == numbers(talk)
    busy.settle()
    assert [] == [member for member in members if member.wire.sent]


@pytest.mark.parametrize("command", ["presence", "presence_stats"])
def test_presence_of_a_big_channel(command: str) -> None:
    """1,000 members, and the question many times: looking at them and listing them is sliced."""
    busy = Busy(recovery_bytes=10**7)
    [talk, *_] = busy.connect(presence.MOST, ["y"])
    commands = [f'"{command}":{{"channel":"y"}}'] * 50
    busy.begin(talk, commands)
    busy.settle()
    answers = talk.heard()
    assert list(range(1, len(commands) + 1)) == [answer["id"] for answer in answers]
    assert command in answers[0]
    assert max(busy.steps) <= MOST


def test_presence_of_a_huge_channel() -> None:
    """It is refused before a member is looked at."""
    busy = Busy()
    [talk, *_] = busy.connect(presence.MOST + 1, ["y"])
    busy.begin(talk, ['"presence":{"channel":"y"}'])
    [answer] = talk.heard()
    assert 106 == answer["error"]["code"]
    assert max(busy.steps) <= 30


def test_a_frame_of_blank_lines() -> None:
    """Lines that are no commands are work, too."""
    busy = Busy()
    [talk] = busy.connect(1)
    busy.receive(talk, b"{}" + b"\n" * 20_000)
    busy.settle()
    assert max(busy.steps) <= MOST
    assert sum(busy.steps) >= 20_000


def test_many_clients_in_one_turn() -> None:
    """All clients together have a budget of a turn; the rest comes in slices, each client in its turn."""
    busy = Busy(MESSAGES)
    talks = busy.connect(20, ["x"])
    commands = full_frame('"history":{"channel":"x","limit":1}')
    for talk in talks:
        busy.begin(talk, commands)
    assert sum(busy.steps) <= 2000 + MOST
    done = len(busy.steps)
    for _ in range(3 * len(talks)):
        busy.step()
    assert max(busy.steps[done:]) <= MOST
    answered = [len(numbers(talk)) for talk in talks]
    assert min(answered) > 0
    assert max(answered) <= 3 * min(answered)


@pytest.mark.parametrize(
    "command", ['"ping":{}', '"history":{"channel":"x","limit":10}', '"subscribe":{"channel":"z"}']
)
def test_an_honest_client_is_answered_in_the_same_turn(command: str) -> None:
    """While other clients have frames of commands waiting."""
    busy = Busy(MESSAGES)
    *talks, honest = busy.connect(5, ["x"])
    for talk in talks:
        busy.begin(talk, full_frame('"history":{"channel":"x","limit":1}'))
    busy.step()
    busy.clock.turn()
    busy.begin(honest, [command])
    assert [1] == numbers(honest)
    assert not honest.wire.paused


MISSED = {"subs": {"x": {"recover": True, "epoch": "e1", "offset": 0}}}


@pytest.mark.parametrize("kind", [UniSession, UniSseSession])
def test_a_long_answer_to_a_unidirectional_client(kind: type[UniSession]) -> None:
    """It is written bit by bit, and the messages that come meanwhile follow it."""
    busy = Busy(MESSAGES)
    talk = busy.uni(kind, **MISSED)
    busy.hub.message(Message(MESSAGES + 1, "x", b"{}"))
    before = talk.wire.take()
    assert b"connect" not in before
    busy.settle()
    data = before + talk.wire.take()
    assert MESSAGES == data.count(b'"data":')
    assert data.index(b'"offset":90000}') < data.index(b'{"pushed":90001}')
    assert max(busy.steps) <= MOST
    assert len(busy.steps) > MESSAGES * 2 / MOST
    if kind is UniSseSession:
        assert b"id: e1:90000" in data


def test_a_unidirectional_client_that_is_lost_while_its_answer_is_written() -> None:
    """The rest is not written."""
    busy = Busy(MESSAGES)
    talk = busy.uni(UniSession, **MISSED)
    busy.step()
    talk.session.lost()
    before = busy.work.done
    busy.settle()
    assert (before, b"", 0) == (busy.work.done, talk.wire.take(), len(busy.turns.jobs))


@pytest.mark.parametrize("kind", [CentrifugoSession, UniSession])
def test_a_fault_of_ours_in_a_later_turn(kind: type[Client]) -> None:
    """It is logged and ends this connection only; the work of the others goes on."""
    busy = Busy(MESSAGES)
    [other] = busy.connect(1, ["x"])
    if kind is UniSession:
        talk = busy.uni(UniSession, **MISSED)
    else:
        [talk] = busy.connect(1, ["x"])
        busy.begin(talk, ['"history":{"channel":"x","limit":-1}'])
    busy.begin(other, full_frame('"history":{"channel":"x","limit":1}'))
    busy.step()
    with logged("pushd.client.centrifugo") as log:
        talk.session._drafts[0]._listings = [None]  # type: ignore[union-attr, list-item]
        busy.settle()
    assert ("internal_error", 1) == (talk.end, len(log.tracebacks))
    assert "" == other.end
    assert numbers(other)[-1] > 600


# Events between two commands of one frame.


def halfway(busy: Busy, talk: Talk) -> int:
    """Have a client send many commands, of which some are carried out; return the number of these."""
    busy.begin(talk, ['"history":{"channel":"x","limit":1}'] * 500)
    busy.step()
    done = len(numbers(talk))
    assert 0 < done < 500
    assert talk.wire.paused
    return done


@pytest.mark.parametrize("disconnect", [SHUTDOWN, KICKED])
def test_a_client_that_is_closed_between_two_commands(disconnect: Any) -> None:
    """The remaining commands are dropped."""
    busy = Busy(10)
    [talk] = busy.connect(1, ["x"])
    halfway(busy, talk)
    talk.session.close(disconnect)
    before = busy.work.done
    busy.settle()
    assert (before, [], disconnect.name) == (busy.work.done, numbers(talk), talk.end)


def test_a_client_that_is_lost_between_two_commands() -> None:
    """The remaining commands are dropped, and the hub forgets the client."""
    busy = Busy(10)
    [talk] = busy.connect(1, ["x"])
    halfway(busy, talk)
    talk.session.lost()
    before = busy.work.done
    busy.settle()
    assert (before, [], 0) == (busy.work.done, numbers(talk), len(busy.turns.jobs))
    assert (0, 0) == (len(busy.hub.connections), len(busy.hub.channels))


def test_a_client_that_is_lost_while_its_answer_is_written() -> None:
    """The rest of the answer is not written."""
    busy = Busy(MESSAGES)
    [talk] = busy.connect(1, ["x"])
    busy.begin(talk, ['"history":{"channel":"x","limit":-1}', '"ping":{}'])
    busy.step()
    talk.session.lost()
    before = busy.work.done
    busy.settle()
    assert (before, [], 0) == (busy.work.done, talk.heard(), len(busy.turns.jobs))


def test_a_subscription_that_expires_between_two_commands() -> None:
    """The push stands between the answers, and the remaining commands are refused."""
    busy = Busy(10)
    [talk] = busy.connect(1, ["x"])
    talk.session._leases.grant("x", 5.0)
    done = halfway(busy, talk)
    busy.clock.advance(6)
    talk.session.expired()
    busy.settle()
    push, *answers = talk.heard()
    assert {"channel": "x", "unsubscribe": {"code": 2501, "reason": "expired"}} == push["push"]
    assert list(range(done + 1, 501)) == [answer["id"] for answer in answers]
    assert {103} == {answer["error"]["code"] for answer in answers}


def test_a_log_that_begins_anew_between_two_commands() -> None:
    """The rest is answered by the new log, and the client is told once."""
    busy = Busy(10)
    [talk] = busy.connect(1, ["x"])
    done = halfway(busy, talk)
    busy.hub.reset(5)
    busy.hub.attached("e2")
    busy.clock.advance(6)
    busy.settle()
    heard = talk.heard()
    answers = [each for each in heard if "id" in each]
    assert list(range(done + 1, 501)) == [answer["id"] for answer in answers]
    # The subscription has ended, so the client may not ask for its history.
    assert {103} == {answer["error"]["code"] for answer in answers}
    assert 1 == sum(
        "unsubscribe" in each.get("push", ()) and each["push"]["channel"] == "x" for each in heard
    )


def test_a_log_that_begins_anew_while_an_answer_is_written() -> None:
    """The answer is finished as it was begun; then the client is told, and served."""
    busy = Busy(MESSAGES)
    [talk] = busy.connect(1)
    busy.begin(talk, ['"subscribe":{"channel":"x","recover":true,"epoch":"e1","offset":1}'])
    busy.step()
    busy.hub.reset(5)
    busy.hub.attached("e2")
    busy.clock.advance(6)
    busy.hub.message(Message(6, "", b"{}"))
    busy.settle()
    answer, *pushes = talk.heard()
    assert MESSAGES - 1 == len(answer["subscribe"]["publications"])
    assert ["unsubscribe", "unsubscribe", "subscribe"] == [
        next(iter(each["push"].keys() - {"channel"})) for each in pushes[:3]
    ]
    assert [{"pushed": 6}] == pushes[3:]


def test_messages_while_an_answer_is_written() -> None:
    """They follow the answer that says from where on they are to come, each once and in order."""
    busy = Busy(MESSAGES)
    [talk] = busy.connect(1)
    busy.begin(talk, ['"subscribe":{"channel":"x","recover":true,"epoch":"e1","offset":1}'])
    for offset in (MESSAGES + 1, MESSAGES + 2):
        busy.hub.message(Message(offset, "x", b"{}"))
        busy.step()
    busy.settle()
    answer, *pushes = talk.heard()
    assert MESSAGES == answer["subscribe"]["publications"][-1]["offset"]
    assert [{"pushed": MESSAGES + 1}, {"pushed": MESSAGES + 2}] == pushes


def test_a_socket_that_is_full_between_two_commands() -> None:
    """Commands beyond the room for answers are refused, and messages wait until the socket has room."""
    busy = Busy(10, recovery_bytes=2000)
    [talk] = busy.connect(1, ["x"])
    halfway(busy, talk)
    talk.wire.open = False
    talk.session.congested()
    busy.settle()
    refused = [answer for answer in talk.heard() if "error" in answer]
    assert {111} == {answer["error"]["code"] for answer in refused}
    busy.hub.message(Message(11, "x", b"{}"))
    busy.settle()
    assert [] == talk.heard()
    talk.wire.open = True
    talk.session.drained()
    busy.settle()
    assert [{"pushed": 11}] == talk.heard()


def test_a_socket_that_drains_while_an_answer_is_written() -> None:
    """No message comes before the answer."""
    busy = Busy(MESSAGES)
    [talk] = busy.connect(1)
    busy.begin(talk, ['"subscribe":{"channel":"x","recover":true,"epoch":"e1","offset":1}'])
    busy.hub.message(Message(MESSAGES + 1, "x", b"{}"))
    talk.session.drained()
    busy.step()
    busy.step()
    assert [] == talk.heard()
    busy.settle()
    answer, *pushes = talk.heard()
    assert (True, [{"pushed": MESSAGES + 1}]) == ("subscribe" in answer, pushes)


def test_more_commands_come_while_others_wait() -> None:
    """They follow; a transport may hand over a frame that it had read before it was paused."""
    busy = Busy(10)
    [talk] = busy.connect(1, ["x"])
    done = halfway(busy, talk)
    talk.session.received(b'{"id":501,"ping":{}}', binary=False)
    assert [] == numbers(talk)
    busy.settle()
    assert list(range(done + 1, 502)) == numbers(talk)


def test_what_is_no_command_ends_the_connection_at_its_turn() -> None:
    """The commands before it are answered, in whatever turn that is."""
    busy = Busy(10)
    [talk] = busy.connect(1, ["x"])
    lines = [json.dumps({"id": number, "ping": {}}) for number in range(1, 201)]
    talk.session.received("\n".join([*lines, "nonsense", *lines]).encode(), binary=False)
    busy.settle()
    assert (list(range(1, 201)), "bad_request") == (numbers(talk), talk.end)
    assert 0 == len(busy.turns.jobs)
