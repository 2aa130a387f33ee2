from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Any, cast

import pytest

from pushd.client.head import Request
from pushd.client.http import HttpError
from pushd.client.raw import RawRoute, RawSession
from pushd.disconnect import BEHIND, INSUFFICIENT_STATE, NOT_ALLOWED, Disconnect
from pushd.stats import Stats
from tests.support.roster import NoEncoding
from tests.support.still_hub import FakeWire, StillHub

REPLY = b'\x81\x13{"Received: ": "1"}'


def route(hub: StillHub | None = None, expires_at: float = inf) -> RawRoute:
    """Make a route for names of ten bytes, two to a connection."""
    still: Any = hub or StillHub()

    def gate(request: Request, channels: Iterable[str]) -> float:
        return expires_at

    return RawRoute(
        still, NoEncoding(), cast("Any", gate), REPLY, Stats(), path="/websocket/", longest=10, most=2
    )


def opened(hub: StillHub, target: str = "/websocket/222", *, full: bool = False) -> tuple[Any, FakeWire]:
    """Open what is asked for."""
    path, _, query = target.partition("?")
    session = route(hub)(Request("GET", path, query))
    wire: Any = FakeWire()
    wire.open = not full
    session.opened(wire)
    return session, wire


@pytest.mark.parametrize(
    ("target", "channels"),
    [
        ("/websocket/222", {"222"}),
        ("/websocket/", set()),
        ("/websocket/%E6%B5%8B%E8%AF%95", {"测试"}),
        ("/websocket/222?channel=news", {"222", "news"}),
        ("/websocket/?channel=a&channel=b&channel=a", {"a", "b"}),
    ],
)
def test_channels_stand_in_the_path_and_the_query(target: str, channels: set[str]) -> None:
    """Or nowhere: then broadcasts come alone."""
    session, _ = opened(StillHub(), target)
    assert channels == session.channels


@pytest.mark.parametrize(
    ("path", "query", "status", "text"),
    [
        ("/websocket/a/b", "", 404, "nothing is here"),
        ("/websocket/%FF", "", 400, "the path is not UTF-8"),
        (
            "/websocket/two%20words",
            "",
            400,
            "a channel's name must have no spaces and no unprintable characters",
        ),
        ("/websocket/a", "channel=", 400, "a channel's name must not be empty"),
        ("/websocket/" + "x" * 11, "", 400, "a channel's name must not exceed 10 bytes"),
        ("/websocket/a", "channel=b&channel=c", 400, "at most 2 channels on one connection"),
        (
            "/websocket/a",
            "last_event_id=x",
            400,
            "a position is written epoch:offset, letters and digits, then a whole number",
        ),
    ],
)
def test_what_is_no_channel_is_refused(path: str, query: str, status: int, text: str) -> None:
    """Before the handshake, in an HTTP error."""
    with pytest.raises(HttpError) as refusal:
        route()(Request("GET", path, query))
    assert (status, text) == (refusal.value.status, refusal.value.text)


def test_the_session_ends_with_what_let_it_in() -> None:
    """The gate says when."""
    assert 7.0 == route(expires_at=7.0)(Request("GET", "/websocket/a", "")).expires_at


def test_a_session_is_served_from_now_on() -> None:
    """From the tip, at once when its socket is free."""
    session, _ = opened(StillHub(tip=10))
    assert (10, False) == (session.cursor, session.waiting)


def test_a_session_with_a_full_socket_waits() -> None:
    """Until the wire says that it is drained."""
    session, _ = opened(StillHub(), full=True)
    assert session.waiting
    session.drained()
    assert not session.waiting


def test_a_heartbeat_is_answered_in_line() -> None:
    """Whatever it says, by the frame that names the instance."""
    session, wire = opened(StillHub())
    wire.take()
    for payload in (b"heartbeat", b"", "测试".encode()):
        session.received(payload, binary=False)
    assert REPLY * 3 == wire.take()


def test_a_binary_message_ends_the_connection() -> None:
    """There is nothing it could mean."""
    session, wire = opened(StillHub())
    session.received(b"\x00", binary=True)
    assert [NOT_ALLOWED] == wire.ends


@pytest.mark.parametrize(("position", "cursor"), [("e1:7", 7), ("earliest", 5)])
def test_a_client_goes_on_where_it_was(position: str, cursor: int) -> None:
    """If all that came since is held; ``earliest`` is the least that is."""
    hub = StillHub(tip=10)
    hub.floor = 5
    session, wire = opened(hub, f"/websocket/222?last_event_id={position}", full=True)
    assert ([], cursor) == (wire.ends, session.cursor)


@pytest.mark.parametrize(
    ("position", "reason"),
    [
        ("e0:7", INSUFFICIENT_STATE),
        ("e1:999", INSUFFICIENT_STATE),
        ("e1:12", BEHIND),
    ],
)
def test_a_client_that_cannot_go_on_is_told(position: str, reason: Disconnect) -> None:
    """It is never served as if nothing were missing."""
    hub = StillHub(tip=10)
    hub.floor = 5
    _, wire = opened(hub, f"/websocket/222?last_event_id={position}")
    assert ([reason], []) == (wire.ends, hub.connections)


def test_a_client_may_go_on_from_where_memory_has_forgotten() -> None:
    """The hub sees to what it lacks."""
    hub = StillHub(tip=10)
    hub.floor = 5
    route(hub)(Request("GET", "/websocket/a", "last_event_id=e1:4")).opened(wire := FakeWire())
    [session] = hub.connections
    assert ([], {"a"}) == (wire.ends, session.channels)
    assert [4] == hub.joined


def test_resumptions_are_counted() -> None:
    """What memory does not hold is the hub's to count, once it knows."""
    hub = StillHub(tip=10)
    hub.floor = 5
    shared = route(hub)
    for position in ("e1:7", "e1:4", "e0:7"):
        wire: Any = FakeWire()
        shared(Request("GET", "/websocket/a", f"last_event_id={position}")).opened(wire)
    assert {"memory": 1, "lost": 1} == shared.stats.resumes


def test_a_client_that_missed_something_is_told_by_closing() -> None:
    """Frames have no room for it."""
    session, wire = opened(StillHub())
    session.missed()
    assert isinstance(session, RawSession)
    assert [INSUFFICIENT_STATE] == wire.ends
