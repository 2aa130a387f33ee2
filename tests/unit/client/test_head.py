from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushd.client.head import HeadLimits, Request, parse, take_head
from pushd.client.http import HttpError

PLAIN = b"GET /websocket/222?channel=a HTTP/1.1\r\nHost: example.com:86\r\n"


def read(*lines: bytes, first: bytes = PLAIN) -> Request:
    """Read a request with some more header lines."""
    return parse(first + b"".join(line + b"\r\n" for line in lines) + b"\r\n")


def refused(data: bytes) -> tuple[int, str]:
    """Give status and text of the refusal of a complete head."""
    try:
        take_head(data, 0)
        parse(data)
    except HttpError as error:
        return error.status, error.text
    return 0, ""


def cut_at(data: bytes, cut: int) -> tuple[int, str]:
    """Give status and text of the refusal of a head that comes in two pieces."""
    try:
        take_head(data[:cut], 0)
        take_head(data, cut)
    except HttpError as error:
        return error.status, error.text
    return 0, ""


def test_a_request_is_read() -> None:
    """Names of headers lose their case, values the blanks around them, the target its query."""
    request = read(b"X-Thing: \t a thing ", b"Empty:")
    assert ("GET", "/websocket/222", "channel=a") == (request.method, request.path, request.query)
    assert {"host": "example.com:86", "x-thing": "a thing", "empty": ""} == request.headers
    assert ("a thing", "") == (request.header("x-thing"), request.header("absent"))


@pytest.mark.parametrize(
    "host", [b"example.com", b"example.com:80", b"[::1]:443", b"127.0.0.1", b"a_b.example:", b"xn--p1ai"]
)
def test_any_host_and_port_will_do(host: bytes) -> None:
    """What a proxy in front is called is not ours to know."""
    assert host.decode() == read(first=b"GET / HTTP/1.1\r\nHost: %b\r\n" % host).header("host")


def test_an_old_request_needs_no_host_and_cannot_upgrade() -> None:
    """HTTP/1.0 is what nginx speaks unless told otherwise; ``Upgrade`` means nothing in it."""
    request = read(b"Upgrade: websocket", b"Connection: upgrade", first=b"GET / HTTP/1.0\r\n")
    assert not request.upgrades


@pytest.mark.parametrize(
    ("lines", "upgrades"),
    [
        ((b"Upgrade: websocket", b"Connection: Upgrade"), True),
        ((b"Upgrade: h2c, WebSocket", b"Connection: keep-alive", b"Connection: UPGRADE"), True),
        ((b"Upgrade: websocket",), False),
        ((b"Connection: Upgrade",), False),
        ((b"Upgrade: websockets", b"Connection: Upgrade"), False),
    ],
)
def test_an_upgrade_is_asked_for_in_two_headers(lines: tuple[bytes, ...], *, upgrades: bool) -> None:
    """Both are lists, and may stand in several lines."""
    assert upgrades == read(*lines).upgrades


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"http://example.com/a?b=c", "/a", "b=c"),
        (b"HTTPS://example.com:8443/", "/", ""),
        (b"http://example.com", "/", ""),
    ],
)
def test_a_target_may_name_the_host(target: bytes, path: str, query: str) -> None:
    """As proxies are asked; every server has to understand it."""
    request = parse(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % target)
    assert (path, query) == (request.path, request.query)


@pytest.mark.parametrize(
    ("data", "status", "text"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400, "a Host header is needed"),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "bad Host header"),
        (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, "bad Host header"),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505, "HTTP/1.1 is spoken here"),
        (b"GET /\r\nHost: x\r\n\r\n", 400, "bad request line"),
        (b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad request line"),
        (b"G@T / HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad request line"),
        (b"GET / HTTP/1.1 \r\nHost: x\r\n\r\n", 400, "bad request line"),
        (b"GET / http/1.1\r\nHost: x\r\n\r\n", 400, "bad request line"),
        (b"GET /\ta HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad request target"),
        (b"GET /\xe6\xb5\x8b HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad request target"),
        (b"OPTIONS *?a HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad request target"),
        (b"GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad request target"),
        (b"GET http:///a HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad request target"),
        (b"GET http://x/#a HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad request target"),
        (b"GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad request target"),
        (b"GET /#a HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad request target"),
        (PLAIN + b"Host: example.com\r\n\r\n", 400, "a header must not be repeated"),
        (PLAIN + b"Origin: a\r\nORIGIN: b\r\n\r\n", 400, "a header must not be repeated"),
        (PLAIN + b"no colon\r\n\r\n", 400, "bad header"),
        (PLAIN + b"Name : x\r\n\r\n", 400, "bad header"),
        (PLAIN + b": x\r\n\r\n", 400, "bad header"),
        (PLAIN + b"X: a\r\n folded: b\r\n\r\n", 400, "bad header"),
        (PLAIN + b"X: a\nY: b\r\n\r\n", 400, "a line must end with CR LF"),
        (PLAIN + b"X: a\rY: b\r\n\r\n", 400, "a line must end with CR LF"),
    ],
)
def test_what_is_no_request_is_refused(data: bytes, status: int, text: str) -> None:
    """With the status that says so, and never in the peer's words."""
    assert (status, text) == refused(data)


@pytest.mark.parametrize("byte", [0x00, 0x08, 0x0B, 0x0C, 0x0E, 0x1B, 0x1C, 0x1D, 0x1E, 0x1F, 0x7F])
def test_control_characters_are_refused(byte: int) -> None:
    """A header could hide another in its value: proxies pass these, some parsers break lines at them."""
    data = PLAIN + b"Cookie: a=b%cX-Forwarded-For: 6.6.6.6\r\n\r\n" % byte
    assert (400, "control characters are not allowed in a request's head") == refused(data)


@pytest.mark.parametrize(
    "line",
    [
        "Cookie: city=Zürich".encode("latin-1"),
        "User-Agent: Browser/1.0 (测试)".encode(),
        "Referer: http://x/?q=测试".encode("gbk"),
        b"X-Thing: " + bytes(range(0x80, 0x100)),
        b"X-Thing: \ttabs\tare no control characters\t",
    ],
)
def test_bytes_above_ascii_are_opaque(line: bytes) -> None:
    """They pass in headers that nothing here interprets, and begin no header of their own."""
    request = read(line, b"X-Forwarded-For: 1.1.1.1")
    name, _, value = line.decode("latin-1").partition(":")
    assert value.strip(" \t") == request.header(name.lower())
    assert {"host", name.lower(), "x-forwarded-for"} == request.headers.keys()


@pytest.mark.parametrize("byte", range(0x80, 0x100))
def test_no_byte_above_ascii_begins_a_header(byte: int) -> None:
    """A cookie cannot say what only a proxy may say."""
    request = read(b"Cookie: a=b%cX-Forwarded-For: 6.6.6.6" % byte)
    assert {"host", "cookie"} == request.headers.keys()


@pytest.mark.parametrize(
    "name",
    [
        "Origin", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version",
        "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Content-Length", "Transfer-Encoding",
        "Authorization", "X-Forwarded-For", "Last-Event-ID", "Expect", "Access-Control-Request-Method",
    ],
)  # fmt: skip
def test_headers_that_are_interpreted_are_ascii(name: str) -> None:
    """The refusal names the header."""
    text = f"only printable ASCII is allowed in the header {name.lower()}"
    for byte in b"\x85\xa0\xff":
        assert (400, text) == refused(PLAIN + b"%b: x%cx\r\n\r\n" % (name.encode(), byte))
    assert 400 == refused(b"GET / HTTP/1.1\r\nHost: x\xa0\r\n\r\n")[0]


@pytest.mark.parametrize("count", [1, 2, 16])
def test_empty_lines_before_a_request_are_ignored(count: int) -> None:
    """Some clients send one behind a body; wherever the bytes are cut."""
    data = b"\r\n" * count + PLAIN + b"\r\n"
    for cut in range(len(data)):
        assert 0 == take_head(data[:cut], 0)
        assert len(data) == take_head(data + b"more", cut)
    assert "/websocket/222" == parse(data).path


def test_empty_lines_have_an_end() -> None:
    """Nobody is kept waiting by them."""
    text = "at most 16 empty lines may precede a request line"
    assert (400, text) == refused(b"\r\n" * 17)


@pytest.mark.parametrize(
    "data",
    [
        b"\n", b"GET / HTTP/1.1\n", b"GET / HTTP/1.1\nHost: x\n\n", b"GET / HTTP/1.1\r\nHost: x\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\n", b"GET / HTTP/1.1\rHost: x", b"\r\r\n",
    ],
)  # fmt: skip
def test_other_line_ends_are_refused_at_once(data: bytes) -> None:
    """Before the head is complete, which it might never be; wherever the bytes are cut."""
    for cut in range(len(data)):
        assert (400, "a line must end with CR LF") == cut_at(data, cut)


@pytest.mark.parametrize(
    ("first", "path"),
    [
        (b"OPTIONS * HTTP/1.1", "*"),
        (b"OPTIONS http://x:86 HTTP/1.1", "*"),
        (b"OPTIONS http://x/ HTTP/1.1", "/"),
        (b"OPTIONS /events HTTP/1.1", "/events"),
        (b"GET http://x?a=b HTTP/1.1", "/"),
    ],
)
def test_a_target_may_be_the_server(first: bytes, path: str) -> None:
    """For ``OPTIONS`` alone; with a host in front it has no path either (RFC 9112 section 3.2.4)."""
    assert path == read(first=first + b"\r\nHost: x\r\n").path


@pytest.mark.parametrize(
    ("version", "line", "waits"),
    [
        (b"1.1", b"Expect: 100-continue", True),
        (b"1.1", b"expect: 100-Continue", True),
        (b"1.1", b"Expect:", False),
        (b"1.1", b"X: x", False),
        (b"1.0", b"Expect: 100-continue", False),
        (b"1.0", b"Expect: something", False),
    ],
)
def test_a_client_may_wait_with_its_body(version: bytes, line: bytes, *, waits: bool) -> None:
    """For ``100 Continue``, which HTTP/1.0 does not know."""
    request = read(line, first=b"POST / HTTP/%b\r\nHost: x\r\n" % version)
    assert waits == request.awaits_continue


@pytest.mark.parametrize("line", [b"Expect: 200-ok", b"Expect: 100-continue, x", b"Expect: 100-continue=1"])
def test_other_expectations_cannot_be_met(line: bytes) -> None:
    """And the client hears so."""
    text = "the only expectation that can be met is 100-continue"
    assert (417, text) == refused(PLAIN + line + b"\r\n\r\n")


def test_subprotocols_are_offered_in_order() -> None:
    """In one line or several, in their own case; an empty offer is none."""
    request = read(b"Sec-WebSocket-Protocol: B, a", b"sec-websocket-protocol: ,c")
    assert ["B", "a", "c"] == request.subprotocols
    assert [] == read().subprotocols


def test_headers_that_are_lists_are_joined_and_others_keep_their_first() -> None:
    """As RFC 9110 section 5.3 has it for lists; what we do not know cannot be joined safely."""
    request = read(b"X-Forwarded-For: 1.1.1.1", b"X-Forwarded-For: 2.2.2.2", b"X-Thing: a", b"X-Thing: b")
    assert ("1.1.1.1, 2.2.2.2", "a") == (request.header("x-forwarded-for"), request.header("x-thing"))
    assert ["1.1.1.1", "2.2.2.2"] == request.tokens("x-forwarded-for")
    offers = read(b"Sec-WebSocket-Extensions: x; y", b"Sec-WebSocket-Extensions: z")
    assert "x; y, z" == offers.header("sec-websocket-extensions")


@pytest.mark.parametrize(
    ("lines", "length"), [((), 0), ((b"Content-Length: 0",), 0), ((b"Content-Length: 17",), 17)]
)
def test_the_length_of_a_body(lines: tuple[bytes, ...], length: int) -> None:
    """Without a header there is none."""
    assert length == read(*lines).length


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"Transfer-Encoding: chunked", 411),
        (b"Content-Length: -1", 400),
        (b"Content-Length: 1, 1", 400),
        (b"Content-Length: 0x10", 400),
        (b"Content-Length: 1000000000000000", 400),
        (b"Content-Length:", 400),
    ],
)
def test_a_body_of_unknown_length_is_refused(line: bytes, status: int) -> None:
    """Nothing is guessed."""
    with pytest.raises(HttpError) as refusal:
        _ = read(line).length
    assert status == refusal.value.status


def test_a_query_is_decoded() -> None:
    """Fields may be repeated and empty; there may be none."""
    request = Request("GET", "/", "channel=a&channel=%E6%B5%8B&x=&y=1+2")
    assert {"channel": ["a", "测"], "x": [""], "y": ["1 2"]} == request.parameters()
    assert {} == Request("GET", "/", "").parameters()


@pytest.mark.parametrize("query", ["channel=%FF", "&".join(["x=1"] * 1001)])
def test_a_query_that_cannot_be_read_is_refused(query: str) -> None:
    """Not UTF-8, or too much of it."""
    with pytest.raises(HttpError) as refusal:
        Request("GET", "/", query).parameters()
    assert 400 == refusal.value.status


@pytest.mark.parametrize(
    ("path", "channel"), [("/ws/", ""), ("/ws/222", "222"), ("/ws/%E6%B5%8B", "测"), ("/ws/a%2Fb", "a/b")]
)
def test_one_segment_below_a_prefix(path: str, channel: str) -> None:
    """It is percent-encoded UTF-8, and may be empty."""
    assert channel == Request("GET", path, "").below("/ws/")


@pytest.mark.parametrize(("path", "status"), [("/ws/a/b", 404), ("/ws/%FF", 400)])
def test_no_segment_below_a_prefix(path: str, status: int) -> None:
    """Two are nothing of ours; one must be text."""
    with pytest.raises(HttpError) as refusal:
        Request("GET", path, "").below("/ws/")
    assert status == refusal.value.status


def test_a_head_is_found_wherever_it_is_cut() -> None:
    """Byte by byte as well as at once, with whatever follows left alone."""
    data = PLAIN + b"\r\n"
    for cut in range(len(data)):
        assert 0 == take_head(data[:cut], 0)
        assert len(data) == take_head(data + b"\x81\x00", cut)


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize(
    ("data", "status", "text"),
    [
        (b"GET /%b HTTP/1.1\r\nHost: x\r\n" % (b"x" * 27), 414, "a request line must not exceed 40 bytes"),
        (b"\r\nGET /%b" % (b"x" * 36), 414, "a request line must not exceed 40 bytes"),
        (
            b"GET / HTTP/1.1\r\nHost: x\r\nA: %b\r\nB: %b\r\n" % (b"x" * 20, b"x" * 20),
            431,
            "the headers together must not exceed 60 bytes",
        ),
    ],
)
def test_a_head_is_bounded(data: bytes, status: int, text: str, *, ends: bool) -> None:
    """Its request line and its headers, whether it ends or goes on without end."""
    with pytest.raises(HttpError) as refusal:
        take_head(data + b"\r\n" * ends, 0, HeadLimits(request_line=40, header=30))
    assert (status, text) == (refusal.value.status, refusal.value.text)


def test_a_header_is_bounded() -> None:
    """One that just fits passes, with any number of others up to as much again."""
    lines = b"\r\nX: " + b"x" * 16000 + b"\r\n\r\n"
    cookie = PLAIN + b"Cookie: " + b"x" * 16384
    assert (0, "") == refused(cookie + lines)
    assert (431, "a header's value must not exceed 16384 bytes") == refused(cookie + b"x" + lines)


def test_128_long_channels_fit() -> None:
    """Each of 255 bytes, all of them percent-encoded, beside a token."""
    query = b"&".join([b"channel=" + b"%E6%B5%8B" * 85] * 128) + b"&token=" + b"x" * 4096
    data = b"GET /events?%b HTTP/1.1\r\nHost: x\r\n\r\n" % query
    assert len(data) == take_head(data, 0)
    assert 128 == len(parse(data).parameters()["channel"])


def test_suspect_bytes_are_refused_before_the_head_is_complete() -> None:
    """A TLS client on the plain port hears so at once."""
    with pytest.raises(HttpError):
        take_head(b"\x16\x03\x01\x02\x00", 0)


@given(st.binary(max_size=300), st.integers(0, 300))
def test_nothing_makes_it_fail_otherwise(noise: bytes, place: int) -> None:
    """Any bytes at any place are a request or an error, nothing else."""
    data = PLAIN[:place] + noise + PLAIN[place:] + b"\r\n"
    try:
        if length := take_head(data, 0):
            request = parse(data[:length])
            _ = request.length
            request.parameters()
            request.below("/websocket/")
    except HttpError as error:
        status = error.status
    else:
        status = 0
    assert status in {0, 400, 404, 411, 414, 417, 431, 505}
