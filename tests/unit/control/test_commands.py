"""What each line leads to."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from twisted.internet.task import Clock

from pushd.control.body import Body
from pushd.control.commands import Commands
from pushd.control.replies import HANG_UP, Publish, Reply
from pushd.disconnect import KICKED
from pushd.message import Position, Publication
from pushd.status import Status
from tests.support.roster import FakeClient, FakeRoster
from tests.unit.control.test_search import ended

STATUS = Status("1", 60, True, "log at 7", {"raw": 1}, 2, Position("e", 7), 7, 8, 9, ())


def commands(*clients: FakeClient, roster: FakeRoster | None = None) -> Commands:
    """Give the commands of an instance with these clients."""
    clock = Clock()
    clock.advance(100)
    return Commands(
        instance="1",
        status=lambda: STATUS,
        roster=roster or FakeRoster(*clients),
        clock=clock,
        message_size=32,
        channel_length=8,
    )


def run(line: str, *clients: FakeClient) -> Reply | Publish | Body:
    """Run a line that is not the first, and a search to its end."""
    outcome = commands(*clients).run(line.encode(), first=False)
    return outcome if isinstance(outcome, Reply | Publish | Body) else ended(outcome)[1]


def test_greeting() -> None:
    """The greeting names the instance and the way to help."""
    assert Reply(220, ('pushd instance 1; "help" lists the commands',)) == commands().greeting


def test_help_names_every_command() -> None:
    """Each command has its line."""
    reply = run("help")
    assert isinstance(reply, Reply)
    named = [line.split()[0] for line in reply.lines[:-1]]
    assert ["help", "status", "clients", "channels", "broadcast", "send", "kick", "quit"] == named


def test_status() -> None:
    """The status is the shared one."""
    assert Reply(250, STATUS.lines()) == run("STATUS ")


def test_quit() -> None:
    """The session ends with a word."""
    assert Reply(221, ("bye",), closes=True) == run("quit")


@pytest.mark.parametrize("line", ["help me", "status x", "channels x", "quit x"])
def test_commands_that_stand_alone(line: str) -> None:
    """What takes nothing refuses something."""
    assert Reply(501, ("this command takes nothing more",)) == run(line)


def test_broadcast() -> None:
    """The text is everything after one space, unchanged."""
    assert Publish(Publication(" 测试消息 ".encode()), "sent to every client of every instance") == run(
        "Broadcast  测试消息 "
    )


def test_send() -> None:
    """The channel is one word; the text is everything after one space."""
    assert Publish(Publication(b" your order", ("222",)), "sent to channel 222") == run(
        "send  222  your order"
    )


@pytest.mark.parametrize("line", ["broadcast", "broadcast  ", "send 222", "send 222  "])
def test_a_text_that_follows(line: str) -> None:
    """Without a text on the line, it follows."""
    body = run(line)
    assert isinstance(body, Body)
    sent = body.add(b".")
    assert isinstance(sent, Publish)
    assert sent.publication.channels == (("222",) if "222" in line else ())


def test_a_text_too_long() -> None:
    """The bound on a message holds on one line too."""
    assert Reply(552, ("the text is longer than 32 bytes",)) == run("broadcast " + "x" * 33)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("send", "a channel's name must not be empty"),
        ("send  ", "a channel's name must not be empty"),
        ("send a\tb text", "a channel's name must have no spaces and no unprintable characters"),
        ("send 123456789 text", "a channel's name must not exceed 8 bytes"),
    ],
)
def test_a_bad_channel(line: str, fault: str) -> None:
    """A name that is none is your mistake, and not quoted."""
    assert Reply(501, (fault,)) == run(line)


def test_kick() -> None:
    """The client with the number is disconnected for good, no other one."""
    one, two = FakeClient(1), FakeClient(2)
    assert Reply(250, ("client 2 disconnected",)) == run("kick 2", one, two)
    assert ([], [KICKED]) == (one.closed, two.closed)


@pytest.mark.parametrize("rest", ["", " x", " -1", " \u0663", " " + "9" * 20])
def test_kick_without_a_number(rest: str) -> None:
    """What is no number is your mistake."""
    assert Reply(501, ('usage: kick CLIENT, a number that "clients" shows',)) == run("kick" + rest)


def test_kick_nobody() -> None:
    """A number that nobody has is said so."""
    assert Reply(550, ("no client has this number",)) == run("kick 3", FakeClient(1))


def test_kick_one_who_leaves_meanwhile() -> None:
    """Whoever has gone by the time the search ends is nobody."""
    roster = FakeRoster(FakeClient(1))
    search = commands(roster=roster).run(b"kick 1", first=False)
    assert isinstance(search, Generator)
    next(search)
    client, roster.connections = roster.connections[0], ()
    assert (0, Reply(550, ("no client has this number",))) == ended(search)
    assert [] == client.closed


def test_clients() -> None:
    """A line for each, by number; only who waits for its socket can be behind."""
    many = FakeClient(1, channels={"a", "b", "c", "d", "e", "f", "g"}, opened_at=40.0, cursor=3)
    slow = FakeClient(2, "sse", peer="a b\n", channels={"x\n"}, waiting=True, cursor=90)
    untold = FakeClient(3, opened_at=100.0, waiting=True, cursor=900)
    assert Reply(
        250,
        (
            "1 raw '127.0.0.1:5000' ['a', 'b', 'c', 'd', 'e'] and 2 more up 1m0s behind 0",
            "2 sse 'a b\\n' ['x\\n'] up 1m40s behind 10",
            "3 raw '127.0.0.1:5000' [] up 0s behind 0",
            "3 clients",
        ),
    ) == run("clients", slow, many, untold)


def test_pages_of_clients() -> None:
    """A hundred at once, then the way to the next; the last page has none."""
    everyone = [FakeClient(number) for number in range(150, 0, -1)]
    first, second = run("clients", *everyone), run("clients 100", *everyone)
    assert isinstance(first, Reply)
    assert isinstance(second, Reply)
    assert (101, '150 clients; "clients 100" goes on') == (len(first.lines), first.lines[-1])
    assert (51, "150 clients") == (len(second.lines), second.lines[-1])
    assert "101 raw" in second.lines[0]


def test_clients_after_what() -> None:
    """A page begins after a number."""
    assert Reply(501, ('usage: clients [AFTER], a number that "clients" shows',)) == run("clients all")


def test_channels() -> None:
    """The largest first, equals by name; the names are escaped."""
    clients = FakeClient(1, channels={"b", "a", "x\n"}), FakeClient(2, channels={"b"})
    assert Reply(250, ("'b' 2", "'a' 1", "'x\\n' 1", "3 channels")) == run("channels", *clients)


def test_too_many_channels() -> None:
    """A hundred are shown."""
    reply = run("channels", FakeClient(1, channels={str(number) for number in range(101)}))
    assert isinstance(reply, Reply)
    assert (101, "101 channels, the 100 with most clients shown") == (len(reply.lines), reply.lines[-1])


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("brodcast secret", 'did you mean "broadcast"?'),
        ("STAT", 'did you mean "status"?'),
        ("xyzzy", '"help" lists the commands'),
        ("b" * 16000, '"help" lists the commands'),
    ],
)
def test_an_unknown_command(line: str, hint: str) -> None:
    """The nearest command is suggested; the line itself is not repeated."""
    assert Reply(500, (f"unknown command; {hint}",)) == run(line)


def test_an_unknown_first_line() -> None:
    """Who begins with no command is no operator."""
    assert Reply(500, ("the first line must be a command",), closes=True) == commands().run(
        b"hello", first=True
    )


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1",
        b"POST /x HTTP/1.0",
        b"M-SEARCH * HTTP/1.1",
        b"brew /pot http/1.1 ",
        b"GET /\xe9 HTTP/2",
        b"PRI * HTTP/2.0",
        b"HTTP/1.1 200 OK",
        b"Host: 127.0.0.1:8291",
        b"Content-Length: 1",
        b"Sec-CH-UA-Mobile: ?0",
        b"X_1!:",
        b"X-Name: \xe9",
        b"send: 222 a",
    ],
)
def test_http(line: bytes, first: bool) -> None:
    """What looks like a request or a header is hung up on, whatever the method, wherever it stands."""
    assert HANG_UP == commands().run(line, first=first)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    "line",
    [
        f"{command} {version}"
        for command in ("broadcast /text", "SEND /222", "kick 1", "status /", "help", "quit /", "clients")
        for version in ("HTTP/1.1", "HTTP/1.0", "http/2", "HTTP/1.1  ")
    ],
)
def test_a_command_that_may_be_a_request(line: str, first: bool) -> None:
    """A page may choose a command for its method: it is not done, and as a first line it ends the session."""
    client = FakeClient(1)
    outcome = commands(client).run(line.encode(), first=first)
    assert isinstance(outcome, Reply)
    assert (501, first, []) == (outcome.code, outcome.closes, client.closed)
    assert "HTTP" in outcome.lines[0]


@pytest.mark.parametrize("text", ["we speak HTTP/1.1 now", "Host: x", "xHTTP/1.1", "HTTP/x"])
def test_texts_about_http(text: str) -> None:
    """A text that does not end like a request is sent."""
    assert Publish(Publication(text.encode()), "sent to every client of every instance") == run(
        f"broadcast {text}"
    )


@pytest.mark.parametrize("first", [True, False])
def test_not_utf_8(first: bool) -> None:
    """A line that is not UTF-8 is your mistake, and no way to begin."""
    assert Reply(501, ("the line is not UTF-8",), closes=first) == commands().run(
        b"broadcast \xe9", first=first
    )
