"""Recovering what memory has forgotten: the answer waits until it has been read back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pushd.client.centrifugo.uni import UniSseSession, admit, resumed
from pushd.disconnect import SHUTDOWN
from pushd.message import BROADCAST, Message, Position
from tests.support.log import logged
from tests.unit.client.centrifugo.talk import Server, Talk, Vouchers, objects, uni
from tests.unit.client.centrifugo.test_uni import wanting

OLD = {"recover": True, "epoch": "e1", "offset": 3}


def forgetful(**rules: Any) -> Server:
    """Give a server that remembers offsets 9 and 10 of ``x``, and forgot what was up to 8."""
    server = Server(**rules)
    server.hub.position = Position("e1", 8)
    server.hub.floor = 8
    server.hub.publish("x", b"9")
    server.hub.publish("x", b"10")
    return server


def old(*offsets: int, channel: str = "x", body: bytes = b"") -> list[Message]:
    """Give messages that were read back, whose bodies are their offsets."""
    return [Message(offset, channel, body or b"%d" % offset) for offset in offsets]


def subscribing(talk: Talk, **fields: Any) -> Any:
    """Ask for ``x`` from a position that memory has forgotten."""
    return talk.ask({"subscribe": {"channel": "x", **OLD, **fields}})


def offsets(standing: Any) -> list[int]:
    """Name publications by their offsets."""
    return [publication["offset"] for publication in standing.get("publications", ())]


def test_the_answer_waits() -> None:
    """What was read back and what memory holds make one recovery; until then there is no subscription."""
    server = forgetful()
    talk = server.connected()
    assert ([], set()) == (subscribing(talk), talk.session.channels)
    [(position, channels, _)] = server.hub.asked
    assert (Position("e1", 3), {"x"}) == (position, channels)
    server.hub.give(*old(4, 6))
    [answer] = talk.heard()
    standing = answer["subscribe"]
    assert ([4, 6, 9, 10], 3, True) == (offsets(standing), standing["offset"], standing["recovered"])
    assert ({"x"}, {"stream": 1}) == (talk.session.channels, server.stats.resumes)


def test_a_narrower_token_refuses_what_is_being_read_back() -> None:
    """The subscription is judged by the token that the connection has when it begins."""
    server = forgetful(auth=Vouchers())
    talk = server.connected(token="anna")
    assert [] == subscribing(talk)
    assert "refresh" in talk.ask({"refresh": {"token": "anna=y"}})
    server.hub.give(*old(4, 6))
    assert [103] == [answer["error"]["code"] for answer in talk.heard()]
    assert set() == talk.session.channels


def test_it_ends_at_the_connections_level() -> None:
    """What is above comes to a lagging connection as it comes to everybody."""
    server = forgetful()
    talk = server.connected()
    talk.session.waiting, talk.session.cursor = True, 9
    subscribing(talk)
    server.hub.give(*old(4))
    [answer] = talk.heard()
    assert [4, 9] == offsets(answer["subscribe"])


def test_memory_may_forget_more_before_the_answer() -> None:
    """What was read back would have a gap to what is held."""
    server = forgetful()
    talk = server.connected()
    subscribing(talk)
    server.hub.floor = 9
    server.hub.give(*old(4), reached=8)
    [answer] = talk.heard()
    assert "recovered" not in answer["subscribe"]
    assert {"lost": 1} == server.stats.resumes


@pytest.mark.parametrize("flag", [0, 2])
def test_what_cannot_be_read_is_not_recovered(flag: int) -> None:
    """The client is subscribed without, unless it would rather not."""
    server = forgetful()
    talk = server.connected()
    subscribing(talk, flag=flag)
    server.hub.refuse()
    [answer] = talk.heard()
    if flag:
        assert (112, set()) == (answer["error"]["code"], talk.session.channels)
    else:
        assert ({"x"}, True) == (talk.session.channels, answer["subscribe"]["was_recovering"])
        assert "recovered" not in answer["subscribe"]


def test_both_together_may_be_too_much() -> None:
    """Then nothing is recovered."""
    server = forgetful(recovery_bytes=50)
    talk = server.connected()
    subscribing(talk)
    server.hub.give(*old(4, body=b"1" * 48))
    [answer] = talk.heard()
    assert "recovered" not in answer["subscribe"]


def test_other_commands_go_on() -> None:
    """Only this subscription waits."""
    server = forgetful()
    talk = server.connected()
    subscribing(talk)
    assert {"ping": {}} == talk.ask({"ping": {}})
    assert "subscribe" in talk.ask({"subscribe": {"channel": "y"}})


def test_one_that_waits_is_a_subscription() -> None:
    """It is made once, and counts."""
    talk = forgetful(subscriptions=1).connected()
    subscribing(talk)
    assert 105 == subscribing(talk)["error"]["code"]
    assert 106 == talk.ask({"subscribe": {"channel": "y"}})["error"]["code"]


def test_unsubscribing_ends_the_wait() -> None:
    """Both are answered, in their order."""
    server = forgetful()
    talk = server.connected()
    subscribing(talk)
    subscribed, unsubscribed = talk.ask({"unsubscribe": {"channel": "x"}})
    assert ("recovered" in subscribed["subscribe"], unsubscribed) == (False, {"unsubscribe": {}})
    assert (set(), True) == (talk.session.channels, server.hub.asked[0][2].called)


def test_a_client_that_is_lost_is_not_answered() -> None:
    """What was to be read is not read for it."""
    server = forgetful()
    talk = server.connected()
    subscribing(talk)
    talk.session.lost()
    assert ([], True, []) == (talk.heard(), server.hub.asked[0][2].called, server.hub.connections)
    assert not server.stats.resumes


def test_who_does_not_read_is_refused_for_now() -> None:
    """However much was read back, no more waits for a client than it has room for."""
    server = forgetful(recovery_bytes=100)
    talk = server.connected()
    for channel in ("x", "y"):
        talk.ask({"subscribe": {"channel": channel, **OLD}})
    talk.wire.open = False
    server.hub.give(*old(4, body=b"1" * 80))
    server.hub.give(*old(5, channel="y", body=b"1" * 80))
    recovered, refused = talk.heard()
    assert ([4, 9, 10], 111) == (offsets(recovered["subscribe"]), refused["error"]["code"])
    assert {"x"} == talk.session.channels


def test_a_fault_of_ours_ends_the_connection() -> None:
    """It is logged, and nobody else notices."""
    server = forgetful()
    talk = server.connected()
    subscribing(talk)
    with logged("pushd.client") as log:
        server.hub.asked[0][2].errback(ZeroDivisionError())
    assert ("internal_error", 1) == (talk.end, len(log.tracebacks))


def returning(server: Server) -> Talk:
    """Open a session that connects with an old position of the broadcasts."""
    talk = server.session()
    talk.ask({"connect": {"subs": {"broadcast": OLD}}})
    return talk


def test_connecting_waits() -> None:
    """Nobody is there until it is answered, and nobody is thrown out as silent meanwhile."""
    server = forgetful()
    talk = returning(server)
    assert ([], [], False) == (talk.heard(), server.hub.connections, talk.session.silent)
    server.hub.give(*old(4, channel=BROADCAST))
    [answer] = talk.heard()
    standing = answer["connect"]["subs"]["broadcast"]
    assert ([4], True) == (offsets(standing), standing["recovered"])
    assert ([talk.session], False) == (server.hub.connections, talk.session.waiting)


def test_what_follows_connect_waits_with_it() -> None:
    """Stock clients send it without waiting, in the same frame or in later ones."""
    server = forgetful()
    talk = server.session()
    talk.ask({"connect": {"subs": {"broadcast": OLD}}}, {"subscribe": {"channel": "y"}})
    talk.ask({"ping": {}})
    server.hub.refuse()
    assert [["connect"], ["subscribe"], ["ping"]] == [sorted({*each} - {"id"}) for each in talk.heard()]
    assert {"y"} == talk.session.channels


def test_what_follows_connect_may_wait_too() -> None:
    """Each for what it lacks itself."""
    server = forgetful()
    talk = server.session()
    talk.ask({"connect": {"subs": {"broadcast": OLD}}}, {"subscribe": {"channel": "x", **OLD}})
    server.hub.give()
    assert ["connect"] == [key for each in talk.heard() for key in each if key != "id"]
    server.hub.give(*old(5))
    [answer] = talk.heard()
    assert [5, 9, 10] == offsets(answer["subscribe"])


def test_no_more_may_follow_than_there_is_room_for() -> None:
    """A client that floods while it waits is sent away."""
    server = forgetful(recovery_bytes=100)
    talk = returning(server)
    talk.send(json.dumps({"id": 5, "publish": {"channel": "x", "data": "x" * 100}}))
    assert "bad_request" == talk.end


def test_room_comes_back_with_the_answer() -> None:
    """What followed is answered like anything else."""
    server = forgetful(recovery_bytes=500)
    talk = returning(server)
    talk.send('{"id":5,"ping":{}}' + " " * 470)
    server.hub.refuse()
    assert {"id": 5, "ping": {}} == talk.heard()[1]


def test_a_second_connect_is_one_too_many() -> None:
    """As it would be without waiting."""
    server = forgetful()
    talk = returning(server)
    talk.ask({"connect": {}})
    server.hub.refuse()
    assert "bad_request" == talk.end


def test_who_is_closed_while_connecting_never_joins() -> None:
    """The wire tells the session that it is lost."""
    server = forgetful()
    talk = returning(server)
    talk.session.close(SHUTDOWN)
    talk.session.lost()
    assert ([], []) == (talk.heard(), server.hub.connections)


def test_a_unidirectional_client_waits() -> None:
    """For everything it recovers together, so that nothing of it is forgotten meanwhile."""
    server = forgetful()
    talk = uni(server)
    fresh = {**OLD, "offset": 9}
    talk.send(json.dumps({"subs": {"x": fresh, "y": OLD, "z": {}}}))
    assert ([], []) == (talk.heard(), server.hub.connections)
    [(position, channels, _)] = server.hub.asked
    assert (Position("e1", 3), {"x", "y"}) == (position, channels)
    server.hub.floor = 10
    server.hub.give(*old(4, 9, 10), *old(7, channel="y"), reached=10)
    [push] = talk.heard()
    subs = push["connect"]["subs"]
    assert ([10], [7], []) == (offsets(subs["x"]), offsets(subs["y"]), offsets(subs["z"]))
    assert {"stream": 2} == server.stats.resumes


def test_a_unidirectional_client_says_no_more_while_it_waits() -> None:
    """But a pong."""
    server = forgetful()
    talk = uni(server)
    talk.send(json.dumps({"subs": {"y": OLD}}))
    talk.send("{}")
    assert ("", []) == (talk.end, server.hub.connections)
    talk.send('{"subs":{"x":{}}}')
    assert "bad_request" == talk.end


def test_events_resume_from_one_position() -> None:
    """A browser's ``Last-Event-ID`` may be an old one."""
    server = forgetful()
    ticket = resumed(admit(server.desk, wanting("x")), Position("e1", 3))
    talk = uni(server, UniSseSession, ticket=ticket, retry=1000)
    assert b"retry: 1000\n" == talk.wire.take()
    server.hub.give(*old(4))
    [line] = [line for line in talk.wire.take().split(b"\n") if line.startswith(b"data: ")]
    push = json.loads(line[6:])
    assert [4, 9, 10] == offsets(push["connect"]["subs"]["x"])


def test_nothing_is_read_for_who_never_had_a_position() -> None:
    """It recovers what is held; and another log's position recovers nothing."""
    server = forgetful()
    talk = server.connected()
    assert [9, 10] == offsets(talk.subscribe("x", recover=True))
    assert "recovered" not in talk.subscribe("y", recover=True, epoch="e0", offset=3)
    assert ([], []) == (server.hub.asked, objects(talk.wire.take()))
