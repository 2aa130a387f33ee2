"""The admin port over HTTP, byte by byte."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs
from twisted.python.failure import Failure

from pushd.admin.exchange import Answer, Ask
from pushd.admin.site import AdminSite
from tests.unit.admin.port import Conversation, request, talk


class Echo:
    """A page that gives back what it was asked."""

    methods = ("GET", "HEAD", "POST")

    def __init__(self) -> None:
        self.asked: list[Ask] = []

    def answer(self, ask: Ask) -> Answer:
        """Answer with the body, or something when there is none."""
        self.asked.append(ask)
        return Answer(200, ask.body or b"hello", {"Content-Type": "text/plain"})


class Slow:
    """A page whose answer a test gives."""

    methods = ("GET",)

    def __init__(self) -> None:
        self.answers: list[Deferred[Answer]] = []

    def answer(self, ask: Ask) -> Deferred[Answer]:
        """Answer later."""
        self.answers.append(Deferred())
        return self.answers[-1]


class Broken:
    """A page with a fault."""

    methods = ("GET",)

    def answer(self, ask: Ask) -> Answer:
        """Fail."""
        raise LookupError("secret")


def site(**pages: Echo | Slow | Broken) -> AdminSite:
    """Give a site with these pages, each below its name."""
    paths = {f"/{name}": page for name, page in pages.items()}
    return AdminSite(paths, Clock(), body_limit=10, hosts=("Push.Example",))


def test_get() -> None:
    """The answer, its length, and the headers that every answer has."""
    response = talk(site(echo=Echo()), request("GET", "/echo?x=1"))
    assert (200, b"hello") == (response.status, response.body)
    assert ("text/plain", "5", "no-store", "nosniff") == tuple(
        response.headers[name]
        for name in ("content-type", "content-length", "cache-control", "x-content-type-options")
    )
    assert not {"server", "access-control-allow-origin"} & response.headers.keys()


def test_head() -> None:
    """The same without the body."""
    response = talk(site(echo=Echo()), request("HEAD", "/echo"))
    assert (200, "5", b"") == (response.status, response.headers["content-length"], response.body)


def test_post() -> None:
    """The page gets the body, and the content type without its parameters."""
    page = Echo()
    talk(site(echo=page), request("POST", "/echo", b"0123456789", content_type="Text/Plain; charset=x"))
    assert [Ask("text/plain", b"0123456789")] == page.asked


@pytest.mark.parametrize("path", ["/", "/nope", "/echo/", "/echo/x", "/%65cho"])
def test_not_found(path: str) -> None:
    """Only exact paths have a page."""
    response = talk(site(echo=Echo()), request("GET", path))
    assert (404, {"error": {"field": None, "message": "nothing is here"}}) == (response.status, response.json)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "get"])
def test_wrong_method(method: str) -> None:
    """The methods that would do are named."""
    response = talk(site(echo=Echo()), request(method, "/echo"))
    assert (405, "GET, HEAD, POST") == (response.status, response.headers["allow"])


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8191", "127.0.0.1:8191", "[::1]:8191", "[::1]", "10.0.0.7", "push.example:80"],
)
def test_hosts_of_ours(host: str) -> None:
    """Loopback's names, any address, and the names that were configured."""
    assert 200 == talk(site(echo=Echo()), request("GET", "/echo", host=host)).status


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "[x]", ":80"]
)
def test_hosts_of_others(host: str) -> None:
    """A name that some page has bound to this machine gets nothing, be the path right or wrong."""
    page = Echo()
    for path in ("/echo", "/nope"):
        assert 421 == talk(site(echo=page), request("GET", path, host=host)).status
    assert [] == page.asked


def test_no_host() -> None:
    """A probe that speaks HTTP/1.0 is no browser."""
    assert 200 == talk(site(echo=Echo()), b"GET /echo HTTP/1.0\r\n\r\n").status


@pytest.mark.parametrize(
    "head",
    [
        b"GET /echo HTTP/1.1\r\n\r\n",
        b"GET http://localhost/echo HTTP/1.1\r\n\r\n",
        b"GET /echo HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        b"GET /echo HTTP/1.0\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    ],
)
def test_no_host_or_two(head: bytes) -> None:
    """HTTP/1.1 needs one; which of two counts would be a guess (RFC 9112 section 3.2)."""
    page = Echo()
    conversation = Conversation(site(echo=page))
    conversation.say(head)
    response = conversation.hear()
    assert conversation.wire.disconnecting
    assert (400, "close") == (response.status, response.headers["connection"])
    assert {
        "error": {"field": None, "message": "a request of HTTP/1.1 needs one Host header"}
    } == response.json
    assert [] == page.asked


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("http://localhost:8191/echo", "localhost", 200),
        ("HTTP://LOCALHOST/echo?x=1", "localhost", 200),
        ("http://[::1]:8191/echo", "localhost", 200),
        ("http://localhost:8191/echo", "evil.example", 200),
        ("http://evil.example/echo", "localhost", 421),
        ("http://localhost@evil.example/echo", "localhost", 421),
        ("http://localhost:1@evil.example/echo", "localhost", 421),
        ("http:///echo", "localhost", 421),
        ("http://localhost/nope", "localhost", 404),
        ("http://localhost", "localhost", 404),
        ("ftp://localhost/echo", "localhost", 404),
    ],
)
def test_a_target_may_name_the_host(target: str, host: str, status: int) -> None:
    """Then that counts, and the header does not (RFC 9112 section 3.2.2)."""
    assert status == talk(site(echo=Echo()), request("GET", target, host=host)).status


@pytest.mark.parametrize("target", ["*", "http://localhost:8191"])
def test_options_of_the_server(target: str) -> None:
    """What some page or other takes, for those that may ask."""
    response = talk(site(echo=Echo()), request("OPTIONS", target))
    assert (200, "GET, HEAD, POST, OPTIONS", b"") == (
        response.status,
        response.headers["allow"],
        response.body,
    )
    assert "server" not in response.headers
    assert 421 == talk(site(echo=Echo()), request("OPTIONS", "*", host="evil.example")).status
    assert 404 == talk(site(echo=Echo()), request("GET", "*")).status


@pytest.mark.parametrize(
    ("data", "status", "message"),
    [
        (b"GET /echo HTTP/1.1\nHost: localhost\n\n", 400, "a line must end with CR LF"),
        (b"GET /echo HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n", 400, "a line must end with CR LF"),
        (b"GET /echo HTTP/1.1\r\nHost: localhost\r\n\n", 400, "a line must end with CR LF"),
        (b"GET /echo\r\n\r\n", 400, "the request is not HTTP/1.1 in the form of RFC 9112"),
        (
            b"GET /echo HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n",
            400,
            "the request is not HTTP/1.1 in the form of RFC 9112",
        ),
        (b"GET /%b" % (b"x" * 16640), 431, "a line of a request's head must not exceed 16640 bytes"),
        (
            b"GET /echo HTTP/1.1\r\n" + b"X: %b\r\n" % (b"x" * 16384) * 4,
            431,
            "a request's head must not exceed 65536 bytes",
        ),
    ],
)
def test_what_cannot_be_read_is_answered(data: bytes, status: int, message: str) -> None:
    """Once, in the form of all errors, and the connection ends."""
    page = Echo()
    conversation = Conversation(site(echo=page))
    conversation.say(data)
    conversation.say(request("GET", "/echo"))
    assert 1 == conversation.wire.value().count(b"HTTP/1.1 %d " % status)
    response = conversation.hear()
    assert (status, "close") == (response.status, response.headers["connection"])
    assert {"error": {"field": None, "message": message}} == response.json
    assert conversation.wire.disconnecting
    assert [] == page.asked


def test_a_request_that_never_ends_is_answered() -> None:
    """A connection that is idle ends without a word."""
    for data, status in (
        (b"GET /echo HTTP/1.1\r\nHost: localhost\r\n", b"HTTP/1.1 408 "),
        (b"GET ", b"HTTP/1.1 408 "),
        (request("POST", "/echo", content_length="5") + b"ab", b"HTTP/1.1 408 "),
        (b"", b""),
        (request("GET", "/echo"), b""),
    ):
        clock = Clock()
        conversation = Conversation(AdminSite({"/echo": Echo()}, clock, body_limit=10))
        conversation.say(data)
        conversation.wire.clear()
        clock.advance(60)
        assert conversation.wire.value().startswith(status)
        assert bool(status) == bool(conversation.wire.value())
        assert conversation.wire.disconnecting


def test_cookies_of_others_do_no_harm() -> None:
    """All servers at localhost share them, in any encoding."""
    for cookie in (b"x" * 16384, b"city=Z\xfcrich"):
        head = b"GET /echo HTTP/1.1\r\nHost: localhost\r\nCookie: %b\r\n\r\n" % cookie
        assert 200 == talk(site(echo=Echo()), head).status


def test_an_empty_line_before_a_request() -> None:
    """It is ignored, and a line may come in pieces."""
    conversation = Conversation(site(echo=Echo()))
    for byte in b"\r\n" + request("GET", "/echo"):
        conversation.say(bytes([byte]))
    assert 200 == conversation.hear().status


def test_headers_that_are_no_text() -> None:
    """They are a peer's mistake like any other: no name of ours, no content type that is known."""
    page = Echo()
    strange = b"GET /echo HTTP/1.1\r\nHost: \xff\r\n\r\n", b"GET /echo HTTP/1.0\r\nContent-Type: \xff\r\n\r\n"
    with capturedLogs() as events:
        assert [421, 200] == [talk(site(echo=page), head).status for head in strange]
    assert ([], [Ask("\xff")]) == (events, page.asked)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_too_big(chunked: bool) -> None:
    """A body beyond the limit is dropped and refused, whether its length was told or not."""
    page = Echo()
    if chunked:
        data = request("POST", "/echo", transfer_encoding="chunked") + b"b\r\n01234567890\r\n0\r\n\r\n"
    else:
        data = request("POST", "/echo", b"01234567890")
    response = talk(site(echo=page), data)
    assert (413, "close") == (response.status, response.headers["connection"])
    assert {"error": {"field": None, "message": "the body must not exceed 10 bytes"}} == response.json
    assert [] == page.asked


def test_a_body_without_end() -> None:
    """Who goes on sending for long beyond the limit is cut off."""
    conversation = Conversation(site(echo=Echo()))
    conversation.say(request("POST", "/echo", content_length=str(10**9)))
    for _ in range(16):
        conversation.say(b"x" * 65536)
    assert not conversation.wire.disconnecting
    conversation.say(b"x" * 65536)
    assert conversation.wire.disconnecting


def test_an_answer_that_waits() -> None:
    """Nothing is written before the page has its answer."""
    page = Slow()
    conversation = Conversation(site(slow=page))
    conversation.say(request("GET", "/slow"))
    assert b"" == conversation.wire.value()
    page.answers[0].callback(Answer(200, b"done"))
    assert b"done" == conversation.hear().body


def test_a_peer_that_leaves() -> None:
    """An answer for nobody harms nobody."""
    page = Slow()
    conversation = Conversation(site(slow=page))
    conversation.say(request("GET", "/slow"))
    conversation.protocol.connectionLost(Failure(ConnectionDone()))
    with capturedLogs() as events:
        page.answers[0].callback(Answer(200, b"done"))
    assert ([], b"") == (events, conversation.wire.value())


def test_a_fault_of_ours() -> None:
    """The traceback goes to the log, fixed words to the peer."""
    with capturedLogs() as events:
        response = talk(site(broken=Broken()), request("GET", "/broken"))
    assert [LogLevel.critical] == [event["log_level"] for event in events if "log_failure" in event]
    assert (500, {"error": {"field": None, "message": "internal error; the log has the details"}}) == (
        response.status,
        response.json,
    )


def test_no_line_for_a_request() -> None:
    """Requests are not logged one by one."""
    with capturedLogs() as events:
        talk(site(echo=Echo()), request("GET", "/echo"))
    assert [] == events
