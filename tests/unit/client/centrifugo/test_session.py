from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from pushd import __version__
from pushd.interfaces import PublishError
from pushd.message import Publication
from tests.unit.client.centrifugo.talk import Server, Vouchers, frames

HERE = {"recoverable": True, "positioned": True, "epoch": "e1", "offset": 10}


def error(code: int, message: str, **more: bool) -> dict[str, Any]:
    """Give an answer that is an error."""
    return {"error": {"code": code, "message": message, **more}}


PERMISSION_DENIED = error(103, "permission denied")
BAD_REQUEST = error(107, "bad request")
TOO_MANY = error(111, "too many requests", temporary=True)


# Connecting.


def test_connecting_subscribes_to_broadcasts() -> None:
    """The answer names the client, its subscription to broadcasts, and the pings to expect."""
    server = Server()
    talk = server.session()
    answer = talk.ask({"connect": {"name": "js"}})
    assert {
        "connect": {
            "client": "c1",
            "version": f"pushd {__version__}",
            "subs": {"broadcast": HERE},
            "ping": 25,
            "pong": True,
        }
    } == answer
    assert [talk.session] == server.hub.connections
    assert not talk.session.waiting


def test_the_answers_to_one_frame_share_a_frame() -> None:
    """A stock client connects and subscribes in one frame, and is answered in one."""
    talk = Server().session()
    talk.send('{"connect":{},"id":1}\n{"subscribe":{"channel":"x"},"id":2}\n{"ping":{},"id":3}\n')
    (payload,) = frames(talk.wire.take())
    assert [b'{"id":1', b'{"id":2,"subscribe"', b'{"id":3,"ping":{}}'] == [
        line[: len(start)]
        for line, start in zip(
            payload.split(b"\n"), [b'{"id":1', b'{"id":2,"subscribe"', b'{"id":3,"ping":{}}'], strict=True
        )
    ]


def test_a_session_with_a_full_socket_is_drained_by_the_wire() -> None:
    """When the answer did not leave at once, serving begins when the wire says so."""
    talk = Server().session()
    talk.wire.open = False
    talk.ask({"connect": {}})
    assert talk.session.waiting


def test_broadcasts_are_recovered_on_connecting() -> None:
    """A client that comes back says where it was on what the server subscribes it to."""
    server = Server()
    server.hub.publish("", b'"hi"')
    answer = server.session().ask(
        {"connect": {"subs": {"broadcast": {"recover": True, "epoch": "e1", "offset": 10}, "x": {}}}}
    )
    assert {
        "broadcast": {
            **HERE,
            "was_recovering": True,
            "recovered": True,
            "publications": [{"data": "hi", "offset": 11}],
        }
    } == answer["connect"]["subs"]


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        '{"id":1,"subscribe":{"channel":"x"}}',
        "{}",
        '{"id":1,"teleport":{}}',
        '{"id":1,"connect":{"token":7}}',
    ],
)
def test_what_is_no_connect_command_ends_the_connection(text: str) -> None:
    """The first command connects; anything else is terminal."""
    talk = Server().session()
    talk.send(text)
    assert ("bad_request", b"") == (talk.end, talk.wire.take())


def test_connecting_twice_ends_the_connection() -> None:
    """A connection has one session; what was answered before is still sent."""
    talk = Server().connected()
    talk.wire.take()
    talk.send('{"id":2,"ping":{}}\n{"id":3,"connect":{}}')
    assert ([{"id": 2, "ping": {}}], "bad_request") == (talk.heard(), talk.end)


def test_an_expired_token_is_an_error_the_client_can_mend() -> None:
    """109 makes a stock client fetch a new token and come back."""
    talk = Server(Vouchers()).session()
    assert error(109, "token expired") == talk.ask({"connect": {"token": "old"}})
    assert ("", "") == (talk.end, talk.session.client)


def test_an_invalid_token_ends_the_connection() -> None:
    """A client that cannot prove who it is has no business here."""
    talk = Server(Vouchers()).session()
    talk.ask({"connect": {"token": "bad"}})
    assert "invalid_token" == talk.end


def test_a_token_tells_when_to_refresh() -> None:
    """The answer carries how long the token still holds."""
    answer = Server(Vouchers()).session().ask({"connect": {"token": "anna"}})
    assert (True, 1000) == (answer["connect"]["expires"], answer["connect"]["ttl"])


# Subscribing.


def test_subscribing_tells_the_position() -> None:
    """A new subscription stands where its connection does."""
    server = Server()
    talk = server.connected()
    assert HERE == talk.subscribe("x", flag=1)
    assert [talk.session] == server.hub.channels["x"]


def test_subscribing_recovers_what_was_missed() -> None:
    """The offset is the one recovered from: each publication moves the client on."""
    server = Server()
    talk = server.connected()
    server.hub.publish("x")
    server.hub.publish("y")
    assert {
        **HERE,
        "offset": 10,
        "was_recovering": True,
        "recovered": True,
        "publications": [{"data": {"n": 1}, "offset": 11}],
    } == talk.subscribe("x", recover=True, epoch="e1", offset=10)
    assert {"memory": 1} == server.stats.resumes


def test_recovering_nothing_moves_the_client_on() -> None:
    """Where nothing was missed, the client is as far as its connection."""
    server = Server()
    talk = server.connected()
    server.hub.publish("y")
    assert {**HERE, "offset": 11, "was_recovering": True, "recovered": True} == talk.subscribe(
        "x", recover=True, epoch="e1", offset=10
    )


def test_a_lagging_connection_subscribes_at_its_own_level() -> None:
    """What lies between there and the tip comes when its socket has room."""
    server = Server()
    talk = server.connected()
    talk.session.waiting = True
    server.hub.publish("x")
    assert HERE == talk.subscribe("x")


def test_a_lost_recovery_is_said() -> None:
    """The client is subscribed, and knows that it must load its state anew."""
    server = Server()
    talk = server.connected()
    assert {**HERE, "was_recovering": True} == talk.subscribe("x", recover=True, epoch="e0", offset=3)
    assert {"lost": 1} == server.stats.resumes


def test_a_client_may_rather_not_be_subscribed_than_unrecovered() -> None:
    """Flag 2 makes an impossible recovery an error."""
    talk = Server().connected()
    assert error(112, "unrecoverable position") == talk.subscribe(
        "x", recover=True, epoch="e0", offset=3, flag=3
    )
    assert set() == talk.session.channels
    assert HERE == talk.subscribe("x", flag=3)


def test_who_is_ahead_tries_again_in_a_moment() -> None:
    """It saw on another instance what has not arrived here yet, and lost nothing."""
    behind = error(100, "this instance has not come as far as the position yet", temporary=True)
    wish = {"recover": True, "epoch": "e1", "offset": 11}
    server = Server()
    talk = server.session()
    assert behind == talk.ask({"connect": {"subs": {"broadcast": wish}}})
    talk.ask({"connect": {}})
    assert behind == talk.subscribe("x", **wish)
    assert set() == talk.session.channels
    server.hub.publish("y")
    assert talk.subscribe("x", **wish)["recovered"]


def test_who_is_ahead_of_its_own_connection_tries_again() -> None:
    """Its socket is full, and what comes up to there is still to come: none of it is lost."""
    server = Server()
    talk = server.connected()
    talk.session.waiting = True
    for _ in range(200):
        server.hub.publish("y")
    wish = {"recover": True, "epoch": "e1", "offset": 205}
    assert 100 == talk.subscribe("x", **wish)["error"]["code"]
    server.hub.drained(talk.session)
    assert talk.subscribe("x", **wish)["recovered"]


def test_who_is_far_ahead_of_an_instance_that_is_behind_tries_again() -> None:
    """In an outage of this one's broker, for instance."""
    server = Server()
    server.hub.abreast = False
    answer = server.connected().subscribe("x", recover=True, epoch="e1", offset=5000)
    assert 100 == answer["error"]["code"]


@pytest.mark.parametrize("name", ["x", "broadcast"])
def test_a_channel_is_subscribed_once(name: str) -> None:
    """Broadcasts are subscribed by the server already."""
    talk = Server().connected()
    talk.subscribe("x")
    assert error(105, "already subscribed") == talk.subscribe(name)


def test_subscriptions_are_limited() -> None:
    """One too many is refused, and frees no other."""
    talk = Server(subscriptions=1).connected()
    assert HERE == talk.subscribe("x")
    assert error(106, "limit exceeded") == talk.subscribe("y")


def test_a_name_that_is_no_channel_is_a_bad_request() -> None:
    """So are fields of a wrong type."""
    talk = Server().connected()
    assert BAD_REQUEST == talk.subscribe("two words")
    assert BAD_REQUEST == talk.ask({"subscribe": {"channel": 7}})


def test_a_token_may_close_channels_and_another_open_them() -> None:
    """A subscription's token opens one channel, until it ends."""
    talk = Server(Vouchers()).connected(token="only")
    assert HERE == talk.subscribe("open")
    assert PERMISSION_DENIED == talk.subscribe("x")
    assert PERMISSION_DENIED == talk.subscribe("x", token="anna:x")
    assert error(109, "token expired") == talk.subscribe("x", token="old")
    assert {**HERE, "expires": True, "ttl": 100} == talk.subscribe("x", token="only:x")


# Unsubscribing.


def test_unsubscribing() -> None:
    """A channel that is not subscribed is as good as left."""
    talk = Server().connected()
    talk.subscribe("x")
    assert [{"unsubscribe": {}}, {"unsubscribe": {}}] == talk.ask(
        {"unsubscribe": {"channel": "x"}}, {"unsubscribe": {"channel": "x"}}
    )
    assert set() == talk.session.channels


def test_broadcasts_cannot_be_left() -> None:
    """They reach every connection."""
    assert PERMISSION_DENIED == Server().connected().ask({"unsubscribe": {"channel": "broadcast"}})


# Publishing.


def publish(**fields: Any) -> dict[str, Any]:
    """Give a command that publishes."""
    return {"publish": {"channel": "x", "data": {"n": 1}, **fields}}


def test_publishing_is_answered_after_the_confirm() -> None:
    """Sent is said when the broker says it."""
    server = Server(publish=True)
    talk = server.connected()
    talk.subscribe("x")
    assert [] == talk.ask(publish())
    ((publication, confirm),) = server.published
    assert Publication(b'{"n":1}', ("x",), content_type="application/json") == publication
    confirm.callback(None)
    assert [{"id": 3, "publish": {}}] == talk.heard()


def test_a_confirm_at_once_shares_the_frame() -> None:
    """An answer that is there when the frame's other answers leave goes with them."""
    server = Server(publish=True)
    server.confirm = True
    talk = server.connected()
    talk.ask({"subscribe": {"channel": "x"}})
    talk.send('{"id":3,"ping":{}}\n{"id":4,"publish":{"channel":"x","data":1}}\n{"id":5,"ping":{}}')
    (payload,) = frames(talk.wire.take())
    assert b'{"id":3,"ping":{}}\n{"id":4,"publish":{}}\n{"id":5,"ping":{}}' == payload


def test_an_unconfirmed_publication_is_an_error() -> None:
    """The reason is the broker's, and so is whether to try again; what is unexpected is only logged."""
    server = Server(publish=True)
    talk = server.connected()
    talk.subscribe("x")
    talk.ask(publish(), publish(), publish())
    (_, later), (_, never), (_, broken) = server.published
    later.errback(PublishError("the broker is away", temporary=True))
    never.errback(PublishError("too long", temporary=False))
    assert [
        {"id": 3, **error(100, "the broker is away", temporary=True)},
        {"id": 4, **error(100, "too long")},
    ] == talk.heard()
    broken.errback(ValueError("secret"))
    assert [{"id": 5, **error(100, "internal server error", temporary=True)}] == talk.heard()


def test_a_confirm_for_a_client_that_left_is_for_nobody() -> None:
    """Nothing is written to a connection that is gone."""
    server = Server(publish=True)
    talk = server.connected()
    talk.subscribe("x")
    talk.ask(publish())
    talk.session.lost()
    server.published[0][1].callback(None)
    assert b"" == talk.wire.take()


def test_what_fails_after_the_confirm_stays_with_this_client() -> None:
    """The failure is logged, and is nobody else's."""
    server = Server(publish=True)
    talk = server.connected()
    talk.subscribe("x")
    talk.ask(publish())
    server.hub.connections = None  # type: ignore[assignment]
    confirm: Deferred[None] = server.published[0][1]
    confirm.callback(None)
    assert b"" == talk.wire.take()


def test_who_may_publish() -> None:
    """Nobody unless it is switched on, then subscribers, and never a broadcast."""
    assert error(108, "not available") == Server().connected().ask(publish())
    talk = Server(publish=True).connected()
    assert PERMISSION_DENIED == talk.ask(publish())
    assert PERMISSION_DENIED == talk.ask(publish(channel="broadcast"))


def test_data_that_is_nested_too_deep_is_refused() -> None:
    """It can be read, but not written any more: the client's mistake, and the connection goes on."""
    server = Server(publish=True)
    talk = server.connected()
    talk.subscribe("x")
    talk.wire.take()
    data = "[" * 300 + "]" * 300
    talk.send(f'{{"id":9,"publish":{{"channel":"x","data":{data}}}}}')
    assert [{"id": 9, **error(107, "bad request")}] == talk.heard()
    assert ([], "") == (server.published, talk.end)


def test_unconfirmed_publications_are_bounded() -> None:
    """A client that publishes faster than the broker confirms is told to try again."""
    server = Server(publish=True)
    talk = server.connected()
    talk.subscribe("x")
    assert TOO_MANY == talk.ask(*[publish() for _ in range(65)])
    server.published[0][1].callback(None)
    assert [] == talk.ask(publish())


# Presence.


def test_presence_tells_who_is_there() -> None:
    """Names and numbers, of this instance."""
    server = Server(Vouchers())
    anna, ben = server.connected(token="anna"), server.connected(token="ben")
    anna.subscribe("x")
    assert {"presence": {"presence": {"c1": {"user": "anna", "client": "c1"}}}} == anna.ask(
        {"presence": {"channel": "x"}}
    )
    assert {"presence_stats": {"num_clients": 2, "num_users": 2}} == ben.ask(
        {"presence_stats": {"channel": "broadcast"}}
    )


def test_presence_is_for_subscribers() -> None:
    """Others are not told, and nobody is where it is switched off."""
    assert PERMISSION_DENIED == Server().connected().ask({"presence": {"channel": "x"}})
    talk = Server(presence=False).connected()
    assert error(108, "not available") == talk.ask({"presence_stats": {"channel": "broadcast"}})


# History.


def test_history_gives_publications_and_the_position() -> None:
    """Without a limit it is the position alone."""
    server = Server()
    talk = server.connected()
    talk.subscribe("x")
    server.hub.publish("x")
    assert {"history": {"publications": [], "epoch": "e1", "offset": 11}} == talk.ask(
        {"history": {"channel": "x"}}
    )
    answer = talk.ask({"history": {"channel": "x", "limit": 5}})
    assert [{"data": {"n": 1}, "offset": 11}] == answer["history"]["publications"]
    assert PERMISSION_DENIED == talk.ask({"history": {"channel": "y"}})


# Refreshing.


def test_refreshing_goes_on_with_a_newer_token() -> None:
    """The client is told how long that one holds."""
    server = Server(Vouchers())
    talk = server.connected(token="anna")
    server.clock.advance(400)
    answer = talk.ask({"refresh": {"token": "anna"}})
    assert {
        "refresh": {"client": "c1", "version": f"pushd {__version__}", "expires": True, "ttl": 600}
    } == answer


def test_refreshing_without_tokens_never_ends() -> None:
    """Where anybody may connect, nothing expires."""
    answer = Server().connected().ask({"refresh": {"token": "x"}})
    assert {"refresh": {"client": "c1", "version": f"pushd {__version__}"}} == answer


@pytest.mark.parametrize("token", ["bad", "ben"])
def test_a_token_of_nobody_or_somebody_else_ends_the_connection(token: str) -> None:
    """A session belongs to one user."""
    talk = Server(Vouchers()).connected(token="anna")
    talk.ask({"refresh": {"token": token}})
    assert "invalid_token" == talk.end


def test_refreshing_with_a_token_that_is_over_makes_the_client_come_back_with_another() -> None:
    """As an error it would end stock clients for good; when they connect, it makes them fetch a newer one."""
    talk = Server(Vouchers()).connected(token="anna")
    assert [] == talk.ask({"refresh": {"token": "old"}})
    assert "expired" == talk.end


REVOKED = {"unsubscribe": {"code": 2000, "reason": "permission denied"}}


def test_a_narrower_token_ends_what_it_does_not_grant() -> None:
    """With a push whose code keeps the client from subscribing again; the channel's data is refused, too."""
    server = Server(Vouchers(), publish=True)
    talk = server.connected(token="anna")
    for channel in ("x", "y"):
        talk.subscribe(channel)
    push, answer = talk.ask({"refresh": {"token": "anna=y"}})
    assert {"push": {"channel": "x", **REVOKED}} == push
    assert "refresh" in answer
    assert ({"y"}, []) == (talk.session.channels, server.hub.channels["x"])
    refused = [{name: {"channel": "x"}} for name in ("history", "presence", "presence_stats", "subscribe")]
    assert [PERMISSION_DENIED] * 5 == talk.ask(*refused, publish())
    assert "history" in talk.ask({"history": {"channel": "y"}})
    assert "history" in talk.ask({"history": {"channel": "broadcast"}})


def test_a_token_that_grants_as_much_ends_nothing() -> None:
    """Nor does one that grants more, which opens channels from then on."""
    talk = Server(Vouchers()).connected(token="anna=x")
    talk.subscribe("x")
    assert PERMISSION_DENIED == talk.subscribe("y")
    assert "refresh" in talk.ask({"refresh": {"token": "anna=x,y"}})
    assert HERE == talk.subscribe("y")
    assert {"x", "y"} == talk.session.channels


def test_a_subscription_with_its_own_token_outlives_a_narrower_one() -> None:
    """That token granted the channel, at first or when it refreshed the subscription, and still does."""
    server = Server(Vouchers())
    talk = server.connected(token="anna")
    talk.subscribe("x", token="anna:x")
    talk.subscribe("y")
    talk.ask({"sub_refresh": {"channel": "y", "token": "anna:y"}})
    assert "refresh" in talk.ask({"refresh": {"token": "anna=z"}})
    assert {"x", "y"} == talk.session.channels
    server.clock.advance(200)
    talk.wire.take()
    talk.session.expired()
    assert ([2501, 2501], set()) == (
        [each["push"]["unsubscribe"]["code"] for each in talk.heard()],
        talk.session.channels,
    )


def test_a_subscription_that_ends_in_its_own_frame() -> None:
    """The client hears of its subscription before it hears of its end."""
    talk = Server(Vouchers()).connected(token="anna")
    subscribed, push, answer = talk.ask({"subscribe": {"channel": "x"}}, {"refresh": {"token": "anna=y"}})
    assert ("subscribe" in subscribed, "refresh" in answer) == (True, True)
    assert {"push": {"channel": "x", **REVOKED}} == push


def test_others_hear_who_left_by_a_narrower_token() -> None:
    """As they do of an unsubscribe."""
    server = Server(Vouchers(), join_leave=True)
    other = server.connected(token="ben")
    other.subscribe("x")
    talk = server.connected(token="anna")
    talk.subscribe("x")
    other.wire.take()
    talk.ask({"refresh": {"token": "anna=y"}})
    assert [{"push": {"channel": "x", "leave": {"info": {"user": "anna", "client": "c2"}}}}] == other.heard()


def test_a_refused_refresh_of_a_subscription_changes_nothing() -> None:
    """A token for another channel or user is no reason to end what the first one opened."""
    talk = Server(Vouchers()).connected(token="anna=z")
    talk.subscribe("x", token="anna:x")
    for token in ("anna:y", "ben:x", "anna", "bad"):
        assert PERMISSION_DENIED == talk.ask({"sub_refresh": {"channel": "x", "token": token}})
    assert {"x"} == talk.session.channels


def test_a_subscription_is_refreshed() -> None:
    """Its token is judged like the first one."""
    talk = Server(Vouchers()).connected(token="anna")
    talk.subscribe("x")
    assert {"sub_refresh": {"expires": True, "ttl": 100}} == talk.ask(
        {"sub_refresh": {"channel": "x", "token": "anna:x"}}
    )
    assert error(109, "token expired") == talk.ask({"sub_refresh": {"channel": "x", "token": "old"}})
    assert PERMISSION_DENIED == talk.ask({"sub_refresh": {"channel": "y", "token": "anna:y"}})


def test_broadcasts_need_no_token() -> None:
    """Their subscription lives as long as the connection, whatever is said about it."""
    talk = Server(Vouchers()).connected(token="anna")
    assert PERMISSION_DENIED == talk.ask({"sub_refresh": {"channel": "broadcast", "token": "anna:"}})


# Everything else.


def test_a_pong_is_not_answered() -> None:
    """It only proves life."""
    talk = Server().connected()
    talk.wire.take()
    talk.send("{}")
    assert (b"", "") == (talk.wire.take(), talk.end)


def test_methods_that_are_not_served() -> None:
    """The connection goes on."""
    talk = Server().connected()
    assert [error(108, "not available"), error(104, "method not found")] == talk.ask(
        {"rpc": {"method": "m"}}, {"teleport": {}}
    )
    assert "" == talk.end


def test_who_does_not_read_is_not_answered_at_length() -> None:
    """What one frame may ask for is bounded, and comes back when the socket has taken the answers."""
    talk = Server(recovery_bytes=100).connected()
    talk.subscribe("x")
    ask = {"presence": {"channel": "x"}}
    first, second = talk.ask(ask, ask)
    assert ("presence" in first, TOO_MANY) == (True, second)
    assert "presence" in talk.ask(ask)


def test_who_has_not_read_yet_is_refused_for_now() -> None:
    """Room is made by the socket, not by time."""
    talk = Server(recovery_bytes=100).connected()
    talk.subscribe("x")
    talk.wire.open = False
    assert "presence" in talk.ask({"presence": {"channel": "x"}})
    assert TOO_MANY == talk.ask({"presence": {"channel": "x"}})
    talk.wire.open = True
    talk.session.drained()
    assert "presence" in talk.ask({"presence": {"channel": "x"}})


def test_missed_messages_end_every_subscription() -> None:
    """The client subscribes anew to its own; the server's ends and begins again, and says what that means."""
    server = Server()
    talk = server.connected()
    talk.subscribe("x")
    talk.wire.take()
    talk.session.missed()
    ended = {"unsubscribe": {"code": 2500, "reason": "insufficient state"}}
    assert [
        {"push": {"channel": "x", **ended}},
        {"push": {"channel": "broadcast", **ended}},
        {"push": {"channel": "broadcast", "subscribe": {**HERE, "was_recovering": True}}},
    ] == talk.heard()
    assert {} == {name: who for name, who in server.hub.channels.items() if who}
    assert {**HERE, "was_recovering": True, "recovered": True} == talk.subscribe(
        "x", recover=True, epoch="e1", offset=10
    )


def test_telling_a_crowd_uses_the_clients_room() -> None:
    """Coming and going in one frame cannot keep the server busy for long."""
    server = Server(join_leave=True, recovery_bytes=2000)
    server.connected().subscribe("x")
    talk = server.connected()
    come, go = {"subscribe": {"channel": "x"}}, {"unsubscribe": {"channel": "x"}}
    assert ["subscribe", "error", "error"] == [next(iter(answer)) for answer in talk.ask(come, go, come)]


def test_half_a_character_is_published() -> None:
    """What a client publishes as JSON is published as it is, and the connection goes on."""
    server = Server(publish=True)
    talk = server.connected()
    talk.subscribe("x")
    talk.send('{"id":9,"publish":{"channel":"x","data":["\\ud83d",18446744073709551616]}}')
    talk.send('{"id":10,"publish":{"channel":"\\ud83d","data":1}}')
    ((publication, _),) = server.published
    assert (b'["\\ud83d",18446744073709551616]', "") == (publication.body, talk.end)
    assert {"id": 10, **error(107, "bad request")} == talk.heard()[-1]
