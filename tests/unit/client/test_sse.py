from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
from twisted.internet.task import Clock

from pushd.client.auth import Anonymous, Authenticator
from pushd.client.gate import Gate
from pushd.client.head import Request
from pushd.client.http import HttpError
from pushd.client.sse import HEADERS, SseRoute, SseSession, retry_after
from pushd.client.wish import EARLIEST, Wish
from pushd.disconnect import BEHIND
from pushd.hub import Hub
from pushd.message import Position
from pushd.stats import Stats
from tests.support.roster import NoEncoding
from tests.support.still_hub import FakeWire, StillHub
from tests.unit.client.centrifugo.talk import Vouchers


def route(hub: StillHub, auth: Authenticator | None = None) -> SseRoute:
    """Make a route whose clients come back after 3.174 seconds."""
    gate = Gate(auth or Anonymous(), cast("Any", Clock()), lambda: 1000.0)
    return SseRoute(cast("Hub", hub), NoEncoding(), gate, Stats(), 10, 2, 3.0, lambda: 0.058)


def opened(
    hub: StillHub, after: Position | str | None = None, *, full: bool = False
) -> tuple[SseSession, FakeWire]:
    """Open a session on channel ``a``."""
    wire = FakeWire()
    wire.open = not full
    session = SseSession(route(hub), Wish(frozenset({"a"}), after))
    session.opened(wire)
    return session, wire


def asked(query: str, **headers: str) -> Request:
    """Make a request."""
    return Request("GET", "/events", query, headers=headers)


def test_reconnections_are_spread() -> None:
    """The delay lies between once and twice what is configured."""
    assert (3000, 6000) == (retry_after(3.0, 0.0), retry_after(3.0, 1.0))


def test_a_stream_begins_with_its_position() -> None:
    """A new client is told when to come back and where it is, and is served from there."""
    hub = StillHub(tip=10)
    session, wire = opened(hub)
    assert b'retry: 3174\nevent: position\nid: e1:10\ndata: {"position":"e1:10"}\n\n' == wire.take()
    assert ({"a"}, 10, False) == (session.channels, session.cursor, session.waiting)


def test_a_full_socket_is_drained_by_the_wire() -> None:
    """A stream whose beginning did not fit waits for the wire to say that it has left."""
    session, _ = opened(StillHub(), full=True)
    assert session.waiting


def test_a_stream_resumes_where_the_client_was() -> None:
    """The session's cursor starts in the past: the hub brings what is missing."""
    hub = StillHub(tip=10)
    session, wire = opened(hub, Position("e1", 7), full=True)
    assert b'retry: 3174\nevent: position\nid: e1:7\ndata: {"position":"e1:7"}\n\n' == wire.take()
    assert 7 == session.cursor


def test_earliest_starts_at_the_floor() -> None:
    """Everything held is what the client gets."""
    hub = StillHub(tip=10)
    hub.floor = 4
    session, wire = opened(hub, EARLIEST, full=True)
    assert b"id: e1:4\n" in wire.take()
    assert 4 == session.cursor


@pytest.mark.parametrize(
    ("after", "reason"),
    [(Position("e0", 9), b"epoch"), (Position("e1", 1000), b"future"), (Position("e0", 1000), b"epoch")],
)
def test_what_cannot_be_resumed_is_reset(after: Position, reason: bytes) -> None:
    """Another log's position and one from the future begin at the present, and say so."""
    hub = StillHub(tip=10)
    hub.floor = 4
    session, wire = opened(hub, after, full=True)
    assert b'retry: 3174\nevent: reset\nid: e1:10\ndata: {"reason":"%b"}\n\n' % reason == wire.take()
    assert 10 == session.cursor


@pytest.mark.parametrize(("offset", "abreast"), [(11, True), (5000, False)])
def test_who_is_ahead_is_sent_away_for_a_moment(offset: int, *, abreast: bool) -> None:
    """It saw elsewhere what has not arrived here yet, perhaps much in an outage, and lost nothing."""
    hub = StillHub(tip=10)
    hub.abreast = abreast
    session, wire = opened(hub, Position("e1", offset))
    assert (b"retry: 3174\n\n", [BEHIND]) == (wire.take(), wire.ends)
    assert session not in hub.connections


def test_a_ping_keeps_the_position_fresh() -> None:
    """It is an event with a name and data, which a script can see and tell from a message."""
    hub = StillHub(tip=10)
    session, wire = opened(hub)
    wire.take()
    hub.publish("other")
    session.ping()
    assert b"event: heartbeat\nid: e1:11\ndata: {}\n\n" == wire.take()


def test_a_ping_before_a_loss_is_told_has_no_position() -> None:
    """A browser that came back with the new one would never hear of the loss."""
    hub = StillHub()
    session, wire = opened(hub)
    wire.take()
    hub.connections.remove(session)
    session.ping()
    assert b"event: heartbeat\ndata: {}\n\n" == wire.take()


def test_a_heartbeat_is_called_as_configured() -> None:
    """Applications may have a type of that name already."""
    hub, wire = StillHub(), FakeWire()
    SseSession(replace(route(hub), heartbeat="ping"), Wish(frozenset())).opened(wire)
    wire.take()
    hub.connections[0].ping()
    assert b"event: ping\nid: e1:10\ndata: {}\n\n" == wire.take()


def test_a_lagging_client_is_not_pinged() -> None:
    """It has bytes on their way, and has not reached the present position."""
    session, wire = opened(StillHub(), full=True)
    wire.take()
    session.ping()
    assert b"" == wire.take()


def test_missed_messages_are_a_reset() -> None:
    """The hub's word that messages may be missing reaches the client with its present position."""
    session, wire = opened(StillHub())
    wire.take()
    session.missed()
    assert b'event: reset\nid: e1:10\ndata: {"reason":"missed"}\n\n' == wire.take()


def test_what_a_client_sends_is_ignored() -> None:
    """A request of this kind has no body."""
    session, wire = opened(StillHub())
    wire.take()
    session.received(b"hello", binary=False)
    assert (b"", cast("Any", [])) == (wire.take(), wire.ends)


def test_a_request_becomes_a_stream() -> None:
    """With the headers that make it one, and the token's end for its own."""
    stream = route(StillHub(), Vouchers())(asked("channel=a&token=anna"))
    assert HEADERS == stream.headers
    assert {
        "Content-Type": "text/event-stream",
        "Cache-Control": "no-cache, no-transform",
        "X-Accel-Buffering": "no",
    } == dict(stream.headers)
    assert 1000.0 == stream.session.expires_at


def test_a_stream_may_begin_where_memory_has_forgotten() -> None:
    """The hub sees to what it lacks."""
    hub = StillHub(tip=10)
    hub.floor = 4
    _, wire = opened(hub, Position("e1", 3), full=True)
    position = b'event: position\nid: e1:3\ndata: {"position":"e1:3"}\n\n'
    assert (b"retry: 3174\n" + position, [3]) == (wire.take(), hub.joined)


def test_resumptions_are_counted() -> None:
    """Those that are whole, and those that are not; what memory does not hold is the hub's to count."""
    hub = StillHub(tip=10)
    hub.floor = 5
    streams = route(hub)
    for position in ("e1:7", "e0:7", "e1:4"):
        streams(asked("channel=a", **{"last-event-id": position})).session.opened(FakeWire())
    streams(asked("channel=a&last_event_id=earliest")).session.opened(FakeWire())
    assert {"memory": 1, "lost": 1} == streams.stats.resumes


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("channel=", 400),
        ("last_event_id=x", 400),
        ("lastEventId=x", 400),
        ("chanel=a&token=anna", 400),
        ("", 401),
        ("channel=a&token=only", 403),
    ],
)
def test_a_request_that_cannot_be_granted_is_an_error(query: str, status: int) -> None:
    """Before the stream begins."""
    with pytest.raises(HttpError) as refusal:
        route(StillHub(), Vouchers())(asked(query))
    assert status == refusal.value.status
