from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from twisted.internet.address import UNIXAddress
from twisted.internet.testing import StringTransport

from pushd.client.address import Proxies
from pushd.client.edge import Edge, Route
from pushd.client.head import HeadLimits, Request
from pushd.client.http import HttpError, Response
from pushd.client.origin import Origins
from pushd.client.reception import Reception
from pushd.client.stream import Stream
from pushd.client.websocket import WebSocket
from pushd.turns import Turns
from tests.support.line import Line
from tests.support.log import logged
from tests.support.public import Probe, Shop, client_frame
from tests.support.roster import NoEncoding

UPGRADE = (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


class Port:
    """An edge with a route of each kind."""

    def __init__(self, *, most_pending: int = 2, origins: str = "https://example.com") -> None:
        self.shop = Shop()
        self.requests: list[Request] = []
        self.probes: list[Probe] = []
        self.lines: list[Line] = []
        self.deflated = NoEncoding()
        self.edge = Edge(
            [
                Route("/", lambda _request: Response(200, [("X-Page", "demo")], b"a page")),
                Route("/page", self._page, methods=("GET", "HEAD")),
                Route("/websocket/", self._probe, websocket=True),
                Route("/deflated/", self._probe, websocket=True, deflated=self.deflated),
                Route("/chosen/", self._probe, websocket=True, subprotocols=("a", "b")),
                Route("/events", lambda request: Stream(self._probe(request), [("X-Stream", "yes")])),
                Route("/form", self._page, methods=("GET", "POST")),
                Route("/refuse", self._refuse),
                Route("/fail", self._fail),
            ],
            self.shop.life,
            Proxies([ip_network("127.0.0.0/8")]),
            Origins([origins]),
            Reception(Turns(self.shop.clock, self.shop.stats)),
            message_size=20,
            most_pending=most_pending,
            now=lambda: 0.0,
            head_limits=HeadLimits(request_line=40000),
        )

    def _probe(self, request: Request) -> Probe:
        self.requests.append(request)
        self.probes.append(Probe(self.shop.hub))
        return self.probes[-1]

    def _page(self, request: Request) -> Response:
        self.requests.append(request)
        return Response(200, (), b"a page")

    def _refuse(self, request: Request) -> Response:
        raise HttpError(401, "a valid token is needed")

    def _fail(self, request: Request) -> Response:
        raise RuntimeError("as it was told to")

    def connect(self) -> Line:
        """Let a client come."""
        visitor: Any = self.edge.buildProtocol(None)
        assert visitor
        self.lines.append(Line(visitor))
        return self.lines[-1]

    def ask(self, line: bytes = b"GET /page HTTP/1.1", *headers: bytes) -> bytes:
        """Ask once, and give all of the answer."""
        client = self.connect()
        client.say(b"\r\n".join([line, b"Host: x", *headers, b"", b""]))
        return client.hear_all()

    def status(self, line: bytes = b"GET /page HTTP/1.1", *headers: bytes) -> int:
        """Ask once, and give the status of the answer."""
        return int(self.ask(line, *headers).split(b" ")[1])

    def websocket(self, *headers: bytes, path: bytes = b"/websocket/222") -> Line:
        """Ask for a WebSocket."""
        client = self.connect()
        client.say(b"GET %b HTTP/1.1\r\nHost: x:86\r\n" % path + UPGRADE + b"".join(headers) + b"\r\n")
        return client


@pytest.fixture
def port() -> Iterator[Port]:
    """Make a port."""
    port = Port()
    yield port
    for line in port.lines:
        line.close()


def test_a_page_is_shown_and_the_connection_ends(port: Port) -> None:
    """With its length, and in one answer."""
    answer = port.ask()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\nContent-Length: 6\r\nConnection: close\r\n\r\na page")
    assert not port.lines[0].open
    assert (0, 0) == (port.shop.admission.count, len(port.shop.life.closings))


def test_head_gets_a_head(port: Port) -> None:
    """Of a page and of an error."""
    assert port.ask(b"HEAD /page HTTP/1.1").endswith(b"\r\n\r\n")
    assert port.ask(b"HEAD /nowhere HTTP/1.1").endswith(b"\r\n\r\n")


def test_a_websocket_is_opened_and_the_edge_is_gone(port: Port) -> None:
    """What the client sent along is heard; the session knows whose it is."""
    client = port.websocket(b"", path=b"/websocket/222?channel=a")
    assert client.hear().startswith(b"HTTP/1.1 101 ")
    assert isinstance(client.protocol, WebSocket)
    client.say(client_frame(1, b"hi"))
    assert ([(b"hi", False)], "192.0.2.7") == (port.probes[0].messages, port.probes[0].peer)
    assert (1, 0) == (port.shop.admission.count, len(port.shop.life.requests))
    client.far.close()
    client.turn()
    assert 0 == port.shop.admission.count


def test_frames_may_follow_the_request_at_once(port: Port) -> None:
    """In the same packet, and cut anywhere."""
    data = b"GET /websocket/ HTTP/1.1\r\nHost: x\r\n" + UPGRADE + b"\r\n" + client_frame(1, b"\xc3\xa9")
    for cut in range(1, len(data)):
        client = port.connect()
        client.say(data[:cut])
        client.say(data[cut:])
        assert [(b"\xc3\xa9", False)] == port.probes[-1].messages
        client.close()


OFFERED = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
AGREED = (
    b"\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
    b"client_no_context_takeover\r\n\r\n"
)


def test_who_agrees_to_deflating_gets_the_encoding_for_it(port: Port) -> None:
    """The answer says so, and the client may deflate, too."""
    client = port.websocket(OFFERED, path=b"/deflated/")
    assert client.hear().endswith(AGREED)
    client.say(client_frame(1, bytes.fromhex("f248cdc9c90700"), rsv=4))
    assert [(b"Hello", False)] == port.probes[0].messages
    assert port.deflated is port.probes[0].encoding


@pytest.mark.parametrize(
    ("path", "offer"),
    [(b"/deflated/", b""), (b"/deflated/", b"Sec-WebSocket-Extensions: x\r\n"), (b"/websocket/", OFFERED)],
    ids=["not offered", "another extension", "not wanted"],
)
def test_all_others_speak_plainly(port: Port, path: bytes, offer: bytes) -> None:
    """Without the offer, or where nothing is deflated."""
    client = port.websocket(offer, path=path)
    assert b"Extensions" not in client.hear()
    assert port.deflated is not port.probes[0].encoding


def test_an_offer_that_cannot_be_read_is_refused(port: Port) -> None:
    """Before anybody is let in; where nothing is deflated nobody reads it."""
    offer = b"Sec-WebSocket-Extensions: permessage-deflate;\r\n"
    assert b"HTTP/1.1 400 " in port.websocket(offer, path=b"/deflated/").hear_all()
    assert ([], 0) == (port.probes, port.shop.admission.count)
    assert b"HTTP/1.1 101 " in port.websocket(offer).hear()


def test_a_stream_is_opened(port: Port) -> None:
    """With the route's headers, and those that let the page read it."""
    client = port.connect()
    client.say(b"GET /events HTTP/1.0\r\nOrigin: https://example.com\r\n\r\n")
    head = client.hear()
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert (
        b"\r\nX-Stream: yes\r\nAccess-Control-Allow-Origin: https://example.com\r\nVary: Origin\r\n" in head
    )
    assert port.probes[0].write(b"data: hi\n\n")
    assert b"data: hi\n\n" == client.hear()
    assert 1 == port.shop.admission.count


@pytest.mark.parametrize(
    ("line", "headers", "status"),
    [
        (b"GET /nowhere HTTP/1.1", [], 404),
        (b"GET /websocket HTTP/1.1", [], 404),
        (b"GET /pages HTTP/1.1", [], 404),
        (b"POST /page HTTP/1.1", [], 405),
        (b"HEAD /events HTTP/1.1", [], 405),
        (b"GET /websocket/222 HTTP/1.1", [], 426),
        (b"GET /websocket/222 HTTP/1.0", [UPGRADE.strip()], 426),
        (b"GET /page HTTP/3.0", [], 505),
        (b"GET /page", [], 400),
        (b"GET /page HTTP/1.1", [b"Host: again"], 400),
        (b"GET /page HTTP/1.1", [b"X: \x1c"], 400),
        (b"GET /page HTTP/1.1", [b"Authorization: \x85"], 400),
        (b"GET /page HTTP/1.1", [b"X: " + b"x" * 17000], 431),
        (b"GET /page HTTP/1.1", [b"X: " + b"x" * 33000], 431),
        (b"GET /page?%b HTTP/1.1" % (b"x" * 40000), [], 414),
        (b"GET /page HTTP/1.1", [b"Expect: a miracle"], 417),
        (b"GET /page HTTP/1.1", [b"Origin: https://evil.example"], 403),
        (b"POST /form HTTP/1.1", [b"Transfer-Encoding: chunked"], 411),
        (b"POST /form HTTP/1.1", [b"Content-Length: 21"], 413),
        (b"GET /refuse HTTP/1.1", [], 401),
    ],
)
def test_what_is_not_served_is_refused(port: Port, line: bytes, headers: list[bytes], status: int) -> None:
    """With the right status, at once, counted, and the connection ends."""
    assert status == port.status(line, *headers)
    assert {str(status): 1} == port.shop.stats.refused
    port.lines[0].far.close()
    port.lines[0].turn()
    assert not port.lines[0].open


def test_what_is_still_on_its_way_does_not_reset_a_refusal(port: Port) -> None:
    """It is read and dropped, for as long as an end may take; a request that is all there ends at once."""
    whole, large = port.connect(), port.connect()
    whole.say(b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")
    large.say(b"POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n")
    assert whole.hear_all().startswith(b"HTTP/1.1 404 ")
    assert large.hear_all().startswith(b"HTTP/1.1 413 ")
    assert (False, True) == (whole.open, large.open)
    large.say(b"x" * 9000)
    assert (True, {"404": 1, "413": 1}) == (large.open, port.shop.stats.refused)
    port.shop.clock.advance(3)
    port.shop.life.closings.expire()
    large.turn()
    assert not large.open
    assert 0 == port.shop.admission.count


@pytest.mark.parametrize(
    ("old", "new", "status", "header"),
    [
        (b"Version: 13", b"Version: 8", 426, b"\r\nSec-WebSocket-Version: 13\r\n"),
        (b"Sec-WebSocket-Version: 13\r\n", b"", 426, b"\r\nUpgrade: websocket\r\n"),
        (b"ZQ==", b"ZQ=", 400, b"\r\n\r\nbad Sec-WebSocket-Key\n"),
    ],
)
def test_a_bad_handshake_is_refused(port: Port, old: bytes, new: bytes, status: int, header: bytes) -> None:
    """And told what would have been right."""
    answer = port.ask(b"GET /websocket/222 HTTP/1.1", UPGRADE.replace(old, new).strip())
    assert status == int(answer.split(b" ")[1])
    assert header in answer


def test_the_methods_of_a_route_are_told(port: Port) -> None:
    """With 405."""
    assert b"\r\nAllow: GET, HEAD\r\n" in port.ask(b"DELETE /page HTTP/1.1")


def test_a_body_is_waited_for(port: Port) -> None:
    """And given to the route, without what follows."""
    client = port.connect()
    client.say(b"POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01234")
    assert [] == port.requests
    client.say(b"56789and more")
    assert b"0123456789" == port.requests[0].body
    assert client.hear_all().endswith(b"a page")


PREFLIGHT = (b"Access-Control-Request-Method: GET", b"Access-Control-Request-Headers: last-event-id")


def test_a_browser_may_ask_first(port: Port) -> None:
    """Nothing is opened and nobody admitted; the page's real request follows."""
    answer = port.ask(b"OPTIONS /events HTTP/1.1", b"Origin: https://example.com", *PREFLIGHT)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nAccess-Control-Allow-Methods: GET\r\n" in answer
    assert b"\r\nAccess-Control-Allow-Origin: https://example.com\r\nVary: Origin\r\n" in answer
    assert ([], 0) == (port.requests, port.shop.admission.count)


@pytest.mark.parametrize(
    ("line", "headers", "status"),
    [
        (b"OPTIONS /events HTTP/1.1", [b"Origin: https://evil.example", *PREFLIGHT], 403),
        (b"OPTIONS /events HTTP/1.1", [b"Origin: https://example.com"], 405),
        (b"OPTIONS /websocket/222 HTTP/1.1", [b"Origin: https://example.com", *PREFLIGHT], 405),
        (b"OPTIONS /elsewhere HTTP/1.1", [b"Origin: https://example.com", *PREFLIGHT], 404),
    ],
)
def test_what_is_no_question_of_an_allowed_page_is_refused(
    port: Port, line: bytes, headers: list[bytes], status: int
) -> None:
    """Other pages, ``OPTIONS`` without a request to come, routes for WebSockets, where no browser asks."""
    assert status == port.status(line, *headers)


def test_a_page_may_read_why_it_was_refused(port: Port) -> None:
    """An error is shared as a stream is; a page of another origin learns nothing."""
    share = b"\r\nAccess-Control-Allow-Origin: https://example.com\r\n"
    refusal = port.ask(b"GET /refuse HTTP/1.1", b"Origin: https://example.com")
    assert refusal.startswith(b"HTTP/1.1 401 ")
    assert share in refusal
    assert b"Access-Control" not in port.ask(b"GET /refuse HTTP/1.1", b"Origin: https://evil.example")


def test_a_page_of_another_origin_may_not_connect(port: Port) -> None:
    """Before the handshake; no origin is no browser."""
    assert b" 403 " in port.websocket(b"Origin: https://evil.example\r\n").hear_all()
    assert b" 101 " in port.websocket(b"Origin: https://EXAMPLE.com:443\r\n").hear()
    assert b" 101 " in port.websocket().hear()


def test_a_proxy_tells_who_is_behind_it(port: Port) -> None:
    """If it is trusted."""
    client = port.connect()
    client.transport.peer = UNIXAddress(None)
    client.say(b"GET /websocket/ HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.9\r\n" + UPGRADE + b"\r\n")
    port.websocket(b"X-Forwarded-For: 203.0.113.9\r\n")
    assert ["203.0.113.9", "192.0.2.7"] == [probe.peer for probe in port.probes]


def test_who_is_too_many_is_sent_elsewhere(port: Port) -> None:
    """As long as there is no room, or the instance takes nobody."""
    clients = [port.websocket() for _ in range(4)]
    assert b" 503 Service Unavailable\r\n" in clients[3].hear_all()
    clients[0].far.close()
    clients[0].turn()
    assert b" 101 " in port.websocket().hear()
    port.shop.welcome = False
    answer = port.ask(b"GET /events HTTP/1.1")
    assert (True, True) == (b" 503 " in answer, b"\r\nRetry-After: 5\r\n" in answer)


@pytest.mark.parametrize(
    "pieces",
    [
        [b"G", b"E", b"T", b" "],
        [b"\r\n", b"GET /page HTTP/1.1\r\n", b"Host: x\r\n", b"X: y\r\n"],
        [b"POST /form HTTP/1.1\r\n", b"Host: x\r\n", b"Content-Length: 3\r\n\r\n", b"ab"],
    ],
    ids=["request line", "headers", "body"],
)
def test_a_request_that_never_ends_is_answered(port: Port, pieces: list[bytes]) -> None:
    """Within the time for a handshake, however slowly it goes on."""
    slow = port.connect()
    for piece in pieces:
        slow.say(piece)
        port.shop.wait(1)
    port.shop.wait(0.9)
    assert b"" == slow.hear_all()
    port.shop.wait(0.2)
    answer = slow.hear_all()
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert answer.endswith(b"\r\n\r\nthe request was not complete in time\n")
    port.shop.wait(3)
    slow.turn()
    assert (False, {"408": 1}) == (slow.open, port.shop.stats.refused)
    assert (0, 0, 0) == (len(port.shop.life.requests), len(port.shop.life.closings), port.edge.pending_bytes)


def test_a_connection_that_says_nothing_ends_without_a_word(port: Port) -> None:
    """Browsers open some in reserve, and would take an answer for that to their next request."""
    silent = port.connect()
    port.shop.wait(5)
    assert b"" == silent.hear_all()
    assert (False, {}) == (silent.open, port.shop.stats.refused)


def test_an_answer_that_is_not_taken_is_dropped(port: Port) -> None:
    """By its own deadline."""
    deaf = port.connect()
    deaf.stuff()
    deaf.say(b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n")
    port.shop.wait(3)
    deaf.turn()
    assert not deaf.open
    assert (0, 0) == (len(port.shop.life.requests), len(port.shop.life.closings))


def test_a_request_that_never_has_its_turn_is_sent_elsewhere(port: Port) -> None:
    """The fault is not the client's."""
    for _ in range(50):
        port.ask()
    late = port.websocket()
    port.shop.clock.advance = port.shop.clock.callLater  # no turn comes
    port.shop.life.requests._clock.rightNow += 5
    port.shop.life.requests.expire()
    assert late.hear_all().startswith(b"HTTP/1.1 503 ")
    assert [] == port.probes


def test_unfinished_requests_are_bounded_together(port: Port) -> None:
    """However few bytes each holds; they count no more once they are served or gone."""
    port.edge.max_pending_bytes = 30
    first = port.connect()
    first.say(b"GET /page HTTP/1.1\r\n")
    assert b" 503 Service Unavailable\r\nDate: " in port.ask(b"GET /page HTTP/1.1")
    assert 20 == port.edge.pending_bytes
    first.far.close()
    first.turn()
    assert 0 == port.edge.pending_bytes
    port.edge.max_pending_bytes = 1000
    assert port.websocket().hear().startswith(b"HTTP/1.1 101 ")
    assert 0 == port.edge.pending_bytes


@pytest.mark.parametrize("target", [b"*", b"http://x:86"])
def test_the_server_may_be_asked_what_it_can_do(port: Port, target: bytes) -> None:
    """Nobody is admitted for it."""
    answer = port.ask(b"OPTIONS %b HTTP/1.1" % target)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nAllow: GET, HEAD, POST, OPTIONS\r\n" in answer
    assert answer.endswith(b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    assert ([], 0) == (port.requests, port.shop.admission.count)


WAITING = b"POST /form HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"


def test_a_body_that_waits_is_asked_for(port: Port) -> None:
    """Once, and the answer follows when it is there."""
    client = port.connect()
    client.say(WAITING + b"Content-Length: 4\r\n\r\n")
    assert b"HTTP/1.1 100 Continue\r\n\r\n" == client.hear_all()
    client.say(b"ab")
    assert b"" == client.hear_all()
    client.say(b"cd")
    assert client.hear_all().startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"abcd" == port.requests[0].body


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (WAITING + b"Content-Length: 21\r\n\r\n", b"413"),
        (WAITING + b"Transfer-Encoding: chunked\r\n\r\n", b"411"),
        (WAITING.replace(b"/form", b"/events") + b"Content-Length: 4\r\n\r\n", b"405"),
        (WAITING.replace(b"/form", b"/nowhere") + b"Content-Length: 4\r\n\r\n", b"404"),
        (WAITING + b"Origin: https://evil.example\r\nContent-Length: 4\r\n\r\n", b"403"),
        (WAITING + b"Content-Length: 0\r\n\r\n", b"200"),
        (WAITING + b"Content-Length: 4\r\n\r\nabcd", b"200"),
        (WAITING.replace(b"POST", b"GET") + b"\r\n", b"200"),
    ],
)
def test_a_body_that_is_not_wanted_is_not_asked_for(port: Port, head: bytes, status: bytes) -> None:
    """The final answer comes at once: it would be refused, is not there, or is here already."""
    client = port.connect()
    client.say(head)
    assert client.hear_all().startswith(b"HTTP/1.1 %b " % status)


def test_a_subprotocol_is_chosen_of_those_offered(port: Port) -> None:
    """The first that the route knows, in its own case; without one nothing is said about it."""
    for offer, answer in (
        (b"x, b, a", b"\r\nSec-WebSocket-Protocol: b\r\n"),
        (b"a", b"\r\nSec-WebSocket-Protocol: a\r\n"),
        (b"A, x", b""),
        (b"", b""),
    ):
        client = port.websocket(b"Sec-WebSocket-Protocol: %b\r\n" % offer, path=b"/chosen/")
        head = client.hear()
        assert head.startswith(b"HTTP/1.1 101 ")
        assert answer in head
        assert bool(answer) == (b"Sec-WebSocket-Protocol" in head)
        client.far.close()
        client.turn()


def test_cookies_in_any_encoding_do_no_harm(port: Port) -> None:
    """Nobody reads them here; those up to 16 KB pass."""
    for cookie in (b"city=Z\xfcrich", "city=测试".encode(), "city=测试".encode("gbk"), b"x" * 16384):
        assert 200 == port.status(b"GET /page HTTP/1.1", b"Cookie: " + cookie)


def test_too_many_that_say_nothing_are_not_even_taken(port: Port) -> None:
    """Until one has gone."""
    port.connect()
    second = port.connect()
    assert port.edge.buildProtocol(None) is None
    second.far.close()
    second.turn()
    assert port.edge.buildProtocol(None) is not None
    assert 4 == port.shop.stats.accepted


def test_a_route_that_fails_is_our_mistake(port: Port) -> None:
    """The log has the traceback, the client one line."""
    with logged("pushd.client.visitor") as log:
        answer = port.ask(b"GET /fail HTTP/1.1")
    assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert answer.endswith(b"\r\n\r\ninternal error\n")
    assert log.tracebacks
    assert 0 == port.shop.admission.count


def test_a_page_and_websockets_may_share_a_path() -> None:
    """``/`` is a page alone, and with WebSockets everything else that is no other route."""
    port = Port()
    port.edge._routes = [port.edge._routes[0], Route("/", port._probe, websocket=True)]
    try:
        assert b" 101 " in port.websocket(path=b"/222").hear()
        assert b" 101 " in port.websocket(path=b"/").hear()
        assert port.ask(b"GET / HTTP/1.1").endswith(b"a page")
        assert 426 == port.status(b"GET /222 HTTP/1.1")
    finally:
        for line in port.lines:
            line.close()


def test_what_wraps_a_transport_is_handed_over_too(port: Port) -> None:
    """As TLS does: it knows its protocol by another name."""
    visitor: Any = port.edge.buildProtocol(None)
    transport: Any = StringTransport(peerAddress=UNIXAddress(None))
    transport.wrappedProtocol = visitor
    visitor.makeConnection(transport)
    visitor.dataReceived(b"GET /websocket/222 HTTP/1.1\r\nHost: x\r\n" + UPGRADE + b"\r\n")
    assert isinstance(transport.wrappedProtocol, WebSocket)
    assert transport.value().startswith(b"HTTP/1.1 101 ")


def test_who_is_too_much_for_a_turn_is_served_in_the_next(port: Port) -> None:
    """Nothing more is read from it meanwhile, and nothing that it sent is lost."""
    for _ in range(50):
        assert port.ask()
    late = port.websocket()
    late.say(client_frame(1, b"hi"))
    assert b"" == late.hear()
    port.shop.clock.advance(0)
    assert late.hear().startswith(b"HTTP/1.1 101 ")
    late.turn()
    assert [(b"hi", False)] == port.probes[0].messages


def test_what_comes_while_a_visitor_waits_is_kept(port: Port) -> None:
    """TLS may hand on more after it was paused; the visitor has its turn once all the same."""
    for _ in range(50):
        port.ask()
    late = port.websocket()
    late.protocol.dataReceived(client_frame(1, b"hi"))
    port.shop.clock.advance(0)
    assert 1 == late.hear().count(b" 101 ")
    assert ([[(b"hi", False)]], 1) == ([probe.messages for probe in port.probes], port.shop.admission.count)


def test_who_left_before_its_turn_is_not_served(port: Port) -> None:
    """Its deadline may have come, too."""
    for _ in range(50):
        port.ask()
    late = port.websocket()
    late.transport.abortConnection()
    late.turn()
    port.shop.clock.advance(0)
    assert ([], 0, 0) == (port.probes, port.shop.admission.count, len(port.shop.life.requests))
