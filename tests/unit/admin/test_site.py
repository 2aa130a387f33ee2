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


def test_two_hosts() -> None:
    """Which one counts would be a guess."""
    head = b"GET /echo HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"
    assert talk(site(echo=Echo()), head).status in (400, 421)


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
