from __future__ import annotations

from urllib.parse import quote

import pytest

from pushd.client.centrifugo.frame_pings import FramePingSession, FramePingUniSession
from pushd.client.centrifugo.routes import CentrifugoRoute, UniSseRoute, UniWebSocketRoute
from pushd.client.centrifugo.session import CentrifugoSession
from pushd.client.centrifugo.uni import UniSession, UniSseSession
from pushd.client.head import Request
from pushd.client.http import HttpError
from pushd.client.sse import HEADERS
from tests.support.roster import NoEncoding
from tests.support.still_hub import FakeWire
from tests.unit.client.centrifugo.talk import Server, Vouchers


def request(connect: str = "", body: str = "", query: str = "", **headers: str) -> Request:
    """Make a request with a connect request in its URL, or in its body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    query = f"cf_connect={quote(connect)}" if connect else query
    return Request("GET", "/", query, headers=named, body=body.encode())


def events(server: Server) -> UniSseRoute:
    """Make a route whose clients come back after 3 to 6 seconds, here 4.5."""
    return UniSseRoute(server.desk, NoEncoding(), 3.0, lambda: 0.5)


def begun(route: UniSseRoute, asked: Request) -> bytes:
    """Give the first bytes of a stream."""
    wire = FakeWire()
    route(asked).session.opened(wire)
    return wire.take()


def test_a_bidirectional_session() -> None:
    """Everything is said in commands; python's client offers an empty sub-protocol."""
    session = CentrifugoRoute(Server().desk, NoEncoding())(request(sec_websocket_protocol=""))
    assert isinstance(session, CentrifugoSession)


@pytest.mark.parametrize(
    "asked",
    [
        request(sec_websocket_protocol="centrifuge-protobuf"),
        request(query="cf_protocol=protobuf"),
        request(query="format=protobuf"),
        request(query="cf_protocol=json&cf_protocol=protobuf"),
    ],
)
def test_the_protobuf_form_is_not_spoken(asked: Request) -> None:
    """A client that speaks only that hears so instead of JSON it cannot read."""
    for route in (CentrifugoRoute, UniWebSocketRoute):
        with pytest.raises(HttpError, match="is spoken here: offer centrifuge-json") as refusal:
            route(Server().desk, NoEncoding())(asked)
        assert 400 == refusal.value.status


@pytest.mark.parametrize(
    "asked",
    [
        request(sec_websocket_protocol="centrifuge-json"),
        request(sec_websocket_protocol="centrifuge-protobuf, centrifuge-json"),
        request(sec_websocket_protocol="something else"),
        request(query="cf_protocol=json&format=json&cf_protocol_version=v2"),
        request(query="cf_ws_frame_ping_pong=false"),
    ],
)
def test_json_may_be_asked_for(asked: Request) -> None:
    """Also beside the other form."""
    session = CentrifugoRoute(Server().desk, NoEncoding())(asked)
    assert CentrifugoSession is type(session)
    assert UniSession is type(UniWebSocketRoute(Server().desk, NoEncoding())(asked))


def test_pings_may_be_those_of_the_socket() -> None:
    """For tools that answer no others."""
    asked = request(query="cf_ws_frame_ping_pong=true")
    assert isinstance(CentrifugoRoute(Server().desk, NoEncoding())(asked), FramePingSession)
    assert isinstance(UniWebSocketRoute(Server().desk, NoEncoding())(asked), FramePingUniSession)


def test_an_unknown_parameter_is_refused() -> None:
    """On each route, with what it knows."""
    server = Server()
    for route, query in (
        (CentrifugoRoute(server.desk, NoEncoding()), "cf_conect=x"),
        (CentrifugoRoute(server.desk, NoEncoding()), "cf_connect=x"),
        (UniWebSocketRoute(server.desk, NoEncoding()), "cf_conect=x"),
        (events(server), "cf_ws_frame_ping_pong=true"),
        (events(server), "channel=x"),
    ):
        with pytest.raises(HttpError, match="parameter that is not known here; known are: cf_") as refusal:
            route(request(query=query))
        assert 400 == refusal.value.status


def test_a_unidirectional_websocket_may_say_it_in_the_url() -> None:
    """Then it begins at once; otherwise its first frame says it."""
    server = Server()
    route = UniWebSocketRoute(server.desk, NoEncoding())
    for asked, joined in ((request(), []), (request('{"subs":{"x":{}}}'), [{"x"}])):
        route(asked).opened(FakeWire())
        assert joined == [session.channels for session in server.hub.connections]


def test_events_begin_at_once() -> None:
    """With what the URL asks for, or the body, or with broadcasts alone."""
    server = Server()
    route = events(server)
    stream = route(request('{"subs":{"x":{}}}'))
    assert isinstance(stream.session, UniSseSession)
    assert HEADERS == stream.headers
    assert begun(route, request('{"subs":{"x":{}}}')).startswith(b"retry: 4500\nid: e1:10\ndata: ")
    begun(route, request(body='{"subs":{"y":{}}}'))
    begun(route, request())
    assert [{"x"}, {"y"}, set()] == [session.channels for session in server.hub.connections]


def test_a_last_event_id_resumes_everything() -> None:
    """The browser's position stands for all subscriptions."""
    server = Server()
    server.hub.publish("x")
    text = begun(events(server), request('{"subs":{"x":{}}}', last_event_id="e1:10"))
    assert b'"publications":[{"data":{"n":1},"offset":11}]' in text


def test_a_stand_in_for_eventsource_says_it_in_the_query() -> None:
    """The header wins here, too."""
    server = Server()
    server.hub.publish("x")
    connect = '{"subs":{"x":{}}}'
    query = f"cf_connect={quote(connect)}&lastEventId=e1:10&_=123"
    assert b'"publications":[{"data":{"n":1},"offset":11}]' in begun(events(server), request(query=query))
    text = begun(events(server), request(query=query, last_event_id="e1:11"))
    assert b"publications" not in text


@pytest.mark.parametrize(
    ("connect", "last", "status", "text"),
    [
        ("hello", "", 400, "not a connect request"),
        ('{"token":"anna","subs":{"two words":{}}}', "", 400, "bad request"),
        ('{"token":"only","subs":{"x":{}}}', "", 403, "permission denied"),
        ('{"token":"bad"}', "", 401, "a valid token is needed"),
        ('{"token":"old"}', "", 401, "the token has expired"),
        ('{"token":"anna"}', "nonsense", 400, "a position is written epoch:offset"),
    ],
)
def test_what_cannot_be_granted_is_an_http_error(connect: str, last: str, status: int, text: str) -> None:
    """``EventSource`` gives up, as it should."""
    with pytest.raises(HttpError, match=text) as refusal:
        events(Server(Vouchers()))(request(connect, last_event_id=last))
    assert status == refusal.value.status
