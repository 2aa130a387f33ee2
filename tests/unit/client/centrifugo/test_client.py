from __future__ import annotations

from pushd.disconnect import SHUTDOWN
from tests.unit.client.centrifugo.talk import Server, Vouchers

JOIN = {"info": {"user": "", "client": "c2"}}


def test_a_ping_is_an_empty_object() -> None:
    """Nobody is pinged before it connected, nor while its socket is full."""
    talk = Server().session()
    talk.session.ping()
    assert [] == talk.heard()
    talk.ask({"connect": {}})
    talk.session.ping()
    assert [{}] == talk.heard()
    talk.session.waiting = True
    talk.session.ping()
    assert [] == talk.heard()


def test_a_close_frame_carries_the_protocols_code() -> None:
    """It tells stock clients whether to come back."""
    assert 3001 == Server().session().session.close_code(SHUTDOWN)


def test_an_expired_connection_ends() -> None:
    """A client has a while past the end of its token to show the next one."""
    server = Server(Vouchers())
    talk = server.connected(token="anna")
    assert 1025.0 == talk.session.expires_at
    server.clock.advance(1025)
    talk.session.expired()
    assert ("expired", []) == (talk.end, server.hub.connections)


def test_an_expired_subscription_is_asked_for_again() -> None:
    """Only that one ends; the connection goes on until its own end."""
    server = Server(Vouchers())
    talk = server.connected(token="anna")
    talk.subscribe("x", token="anna:x")
    talk.subscribe("y")
    assert 125.0 == talk.session.expires_at
    server.clock.advance(125)
    talk.session.expired()
    assert [{"push": {"channel": "x", "unsubscribe": {"code": 2501, "reason": "expired"}}}] == talk.heard()
    assert ({"y"}, 1025.0, "") == (talk.session.channels, talk.session.expires_at, talk.end)


def test_a_subscription_that_was_left_does_not_expire() -> None:
    """Its end is forgotten with it."""
    server = Server(Vouchers())
    talk = server.connected(token="anna")
    talk.subscribe("x", token="anna:x")
    talk.ask({"unsubscribe": {"channel": "x"}})
    talk.wire.take()
    server.clock.advance(125)
    talk.session.expired()
    assert [] == talk.heard()


def test_others_are_told_who_comes_and_goes() -> None:
    """On broadcasts by connecting and leaving, on channels by subscribing and unsubscribing."""
    server = Server(join_leave=True)
    first = server.connected()
    first.subscribe("x")
    first.heard()
    second = server.connected()
    second.subscribe("x")
    second.ask({"unsubscribe": {"channel": "x"}})
    second.subscribe("x")
    second.session.lost()
    server.settle()
    assert [
        {"push": {"channel": "broadcast", "join": JOIN}},
        {"push": {"channel": "x", "join": JOIN}},
        {"push": {"channel": "x", "leave": JOIN}},
        {"push": {"channel": "x", "join": JOIN}},
        {"push": {"channel": "broadcast", "leave": JOIN}},
        {"push": {"channel": "x", "leave": JOIN}},
    ] == first.heard()


def test_others_are_told_when_a_subscription_expires() -> None:
    """Its client has left the channel, whether it comes back or not."""
    server = Server(Vouchers(), join_leave=True)
    first = server.connected(token="ben")
    first.subscribe("x")
    second = server.connected(token="anna")
    second.subscribe("x", token="anna:x")
    server.clock.advance(125)
    first.heard()
    second.session.expired()
    server.settle()
    info = {"info": {"user": "anna", "client": "c2"}}
    assert [{"push": {"channel": "x", "leave": info}}] == first.heard()


def test_lagging_clients_are_spared_and_crowds_not_told() -> None:
    """Who comes and goes is not worth a full socket or a long turn."""
    server = Server(join_leave=True)
    first = server.connected()
    first.wire.take()
    first.session.waiting = True
    server.connected()
    assert [] == first.heard()
    first.session.waiting = False
    server.hub.connections += [first.session] * 1000
    server.connected()
    assert [] == first.heard()


def test_who_never_connected_leaves_unnoticed() -> None:
    """A connection that is lost before its first command was no client."""
    server = Server(join_leave=True)
    first = server.connected()
    first.wire.take()
    server.session().session.lost()
    assert [] == first.heard()
