from __future__ import annotations

import json
from typing import Any

import pytest

from pushd import __version__
from pushd.client.auth import ANYBODY, ExpiredTokenError, InvalidTokenError
from pushd.client.centrifugo.commands import Connect, Subscribe
from pushd.client.centrifugo.errors import (
    BAD_REQUEST,
    LIMIT_EXCEEDED,
    PERMISSION_DENIED,
    Error,
    RefusedError,
)
from pushd.client.centrifugo.uni import Ticket, UniSession, UniSseSession, admit, resumed
from pushd.disconnect import SHUTDOWN
from pushd.message import BROADCAST, Position
from tests.unit.client.centrifugo.talk import Server, Talk, Vouchers, uni

HERE = {"recoverable": True, "positioned": True, "epoch": "e1", "offset": 10}


def wanting(*names: str, token: str = "") -> Connect:
    """Give a request for channels."""
    return Connect(token=token, subs={name: Subscribe() for name in names})


def events(talk: Talk) -> list[Any]:
    """Give the data of the events that came since the last time."""
    lines = talk.wire.take().decode().splitlines()
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


def test_a_request_is_admitted_with_what_it_wants() -> None:
    """Broadcasts are wanted by everybody; what is said about them counts."""
    wish = Subscribe(recover=True, epoch="e1", offset=3)
    ticket = admit(Server().desk, Connect(subs={"x": Subscribe(), "broadcast": wish}))
    assert Ticket(ANYBODY, {BROADCAST: wish, "x": Subscribe()}) == ticket


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (wanting("two words", token="anna"), BAD_REQUEST),
        (wanting("x", token="only"), PERMISSION_DENIED),
        (wanting("a", "b", "broadcast", "c", token="anna"), LIMIT_EXCEEDED),
    ],
)
def test_a_request_may_be_refused(request_: Connect, error: Error) -> None:
    """A name that is no channel, a channel that is closed, or too many of them."""
    with pytest.raises(RefusedError) as refusal:
        admit(Server(Vouchers(), subscriptions=2).desk, request_)
    assert error == refusal.value.error


@pytest.mark.parametrize(("token", "error"), [("old", ExpiredTokenError), ("bad", InvalidTokenError)])
def test_a_token_may_not_be_acceptable(token: str, error: type[Exception]) -> None:
    """Who cannot prove who it is is not admitted."""
    with pytest.raises(error):
        admit(Server(Vouchers()).desk, wanting(token=token))


def test_one_position_resumes_everything() -> None:
    """A browser's ``Last-Event-ID`` stands for all channels."""
    ticket = resumed(admit(Server().desk, wanting("x")), Position("e1", 7))
    wish = Subscribe(recover=True, epoch="e1", offset=7)
    assert {BROADCAST: wish, "x": wish} == ticket.wishes


def test_the_first_frame_asks() -> None:
    """The answer is a push: who the client is, and where its subscriptions stand."""
    server = Server()
    server.hub.publish("x")
    talk = uni(server)
    assert [] == talk.heard()
    talk.send('{"subs":{"x":{"recover":true,"epoch":"e1","offset":10}}}')
    assert [
        {
            "connect": {
                "client": "c1",
                "version": f"pushd {__version__}",
                "subs": {
                    "broadcast": {**HERE, "offset": 11},
                    "x": {
                        **HERE,
                        "was_recovering": True,
                        "recovered": True,
                        "publications": [{"data": {"n": 1}, "offset": 11}],
                    },
                },
                "ping": 25,
            }
        }
    ] == talk.heard()
    assert ({"x"}, False) == (talk.session.channels, talk.session.waiting)


def test_what_is_known_from_the_url_begins_at_once() -> None:
    """A client with its request in the URL says nothing more."""
    server = Server()
    talk = uni(server, ticket=admit(server.desk, wanting("x")))
    (push,) = talk.heard()
    assert {"broadcast", "x"} == push["connect"]["subs"].keys()


def test_a_session_with_a_full_socket_is_drained_by_the_wire() -> None:
    """Serving begins when the first push has left."""
    talk = uni(Server())
    talk.wire.open = False
    talk.send("{}")
    assert talk.session.waiting


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("hello", "bad_request"),
        ('{"subs":{"two words":{}},"token":"anna"}', "bad_request"),
        ('{"subs":{"x":{}},"token":"only"}', "not_allowed"),
        ('{"token":"old"}', "expired"),
        ('{"token":"bad"}', "invalid_token"),
    ],
)
def test_what_is_not_admitted_ends_the_connection(text: str, end: str) -> None:
    """The reason is in the close code."""
    talk = uni(Server(Vouchers()))
    talk.send(text)
    assert (end, b"") == (talk.end, talk.wire.take())


@pytest.mark.parametrize(
    ("text", "end"), [("{}", ""), (" {} ", ""), ('{"a":1}', "bad_request"), ("x", "bad_request")]
)
def test_after_the_request_there_is_only_a_pong_to_say(text: str, end: str) -> None:
    """Anything else is not this protocol."""
    talk = uni(Server())
    talk.send("{}")
    talk.wire.take()
    talk.send(text)
    assert (end, b"") == (talk.end, talk.wire.take())


def test_who_is_ahead_is_sent_away_for_a_moment() -> None:
    """It saw on another instance what has not arrived here yet, and lost nothing."""
    server = Server()
    talk = uni(server)
    talk.send('{"subs":{"x":{"recover":true,"epoch":"e1","offset":11}}}')
    assert ("behind", [], "") == (talk.end, server.hub.connections, talk.session.client)


def test_missed_messages_begin_every_subscription_again() -> None:
    """The client cannot ask: it is told, and goes on."""
    server = Server()
    talk = uni(server, ticket=admit(server.desk, wanting("x")))
    talk.wire.take()
    talk.session.missed()
    told = [
        {"channel": channel, kind: content}
        for channel in ("broadcast", "x")
        for kind, content in (
            ("unsubscribe", {"code": 2500, "reason": "insufficient state"}),
            ("subscribe", {**HERE, "was_recovering": True}),
        )
    ]
    assert told == talk.heard()
    assert {"x"} == talk.session.channels


def test_others_are_told_of_it() -> None:
    """It comes and goes like any other client."""
    server = Server(join_leave=True)
    other = server.connected()
    other.subscribe("x")
    other.wire.take()
    uni(server, ticket=admit(server.desk, wanting("x")))
    server.settle()
    assert ["broadcast", "x"] == [push["push"]["channel"] for push in other.heard()]


def test_events_say_why_they_end() -> None:
    """Where there is no close code, a push carries the reason."""
    server = Server()
    talk = uni(server, UniSseSession, ticket=admit(server.desk, wanting()), retry=3174)
    assert ["connect"] == [next(iter(event)) for event in events(talk)]
    talk.session.close(SHUTDOWN)
    assert [{"disconnect": {"code": 3001, "reason": "shutdown"}}] == events(talk)
    assert ("shutdown", [SHUTDOWN]) == (talk.end, server.hub.left)


def test_events_carry_the_position() -> None:
    """A browser that comes back sends the last one; it was told when to come."""
    server = Server()
    talk = uni(server, UniSseSession, ticket=admit(server.desk, wanting()), retry=3174)
    assert talk.wire.take().startswith(b'retry: 3174\nid: e1:10\ndata: {"connect":')
    server.hub.publish("x")
    talk.session.ping()
    assert b"id: e1:11\ndata: {}\n\n" == talk.wire.take()


def test_who_is_sent_away_at_once_keeps_its_position() -> None:
    """A browser would come back with any other that it was shown meanwhile."""
    server = Server()
    ticket = resumed(admit(server.desk, wanting()), Position("e1", 11))
    talk = uni(server, UniSseSession, ticket=ticket, retry=3174)
    assert "behind" == talk.end
    assert b"\nid:" not in talk.wire.take()


def test_kinds() -> None:
    """Both forms are one protocol in counts."""
    assert "centrifugo" == UniSession.protocol == UniSseSession.protocol
