"""A session at the control port, byte by byte."""

from __future__ import annotations

from typing import Any, cast

import pytest
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.logger import LogLevel, capturedLogs
from zope.interface.verify import verifyObject

from pushd.control.replies import Reply
from pushd.control.search import PART
from pushd.control.session import Session
from pushd.interfaces import PublishError
from pushd.message import Publication
from tests.support.roster import FakeClient
from tests.unit.control.port import ControlPort

SENT = b"250 sent to every client of every instance\r\n"
PROMPT = b"354 end the text with a line that is just a dot\r\n"


def test_a_conversation() -> None:
    """The example of the documentation, reply by reply."""
    port = ControlPort()
    peer = port.connect()
    assert b"" == peer.say("broadcast 测试消息\r\n".encode())
    port.confirms[0].callback(None)
    assert SENT == peer.hear()
    assert b"" == peer.say(b"send 222 your order has shipped\n")
    port.confirms[1].callback(None)
    assert b"250 sent to channel 222\r\n" == peer.hear()
    assert (
        b"250-instance 1, up 1m0s, broker connected, log at 7\r\n"
        b"250-clients 0, channels 0\r\n"
        b"250 messages 7, deliveries 8, slow 9\r\n"
    ) == peer.say(b"status\r\n")
    assert b"221 bye\r\n" == peer.say(b"quit\r\n")
    assert peer.ended
    assert [
        Publication("测试消息".encode()),
        Publication(b"your order has shipped", ("222",)),
    ] == port.published


def test_a_body() -> None:
    """A text of several lines, whose lines are no commands."""
    port = ControlPort()
    peer = port.connect()
    assert PROMPT == peer.say(b"broadcast\r\n")
    assert b"" == peer.say(b"GET / HTTP/1.1\r\n\r\n..\r\nquit\r\n.\r\n")
    assert [Publication(b"GET / HTTP/1.1\n\n.\nquit")] == port.published
    port.confirms[0].callback(None)
    assert SENT == peer.hear()


def test_a_refused_body_leaves_the_session() -> None:
    """After a text that is none, the next line is a command again."""
    peer = ControlPort().connect()
    refused = b"501 the text is not UTF-8\r\n221 bye\r\n"
    assert PROMPT + refused == peer.say(b"send 222\n\xe9\n.\nquit\n")


@pytest.mark.parametrize(
    ("temporary", "reply"),
    [(True, b"451 not sent: the broker is away, x\r\n"), (False, b"554 not sent: the broker is away, x\r\n")],
)
def test_no_confirm(temporary: bool, reply: bytes) -> None:
    """Without a confirm the reason is said, in one line."""
    port = ControlPort()
    peer = port.connect()
    peer.say(b"broadcast a\n")
    port.confirms[0].errback(PublishError("the broker is away,\r\n x", temporary=temporary))
    assert reply == peer.hear()
    assert b"221 bye\r\n" == peer.say(b"quit\n")


def test_pipelined_commands_are_answered_in_order() -> None:
    """Whatever the broker does, the replies keep the order of the lines; nothing is read meanwhile."""
    port = ControlPort()
    peer = port.connect()
    assert b"" == peer.say(b"broadcast a\nsend 222 b\nquit\n")
    assert not peer.reading
    assert 1 == len(port.confirms)
    port.confirms[0].callback(None)
    assert SENT == peer.hear()
    port.confirms[1].errback(PublishError("away", temporary=True))
    assert b"451 not sent: away\r\n221 bye\r\n" == peer.hear()
    assert peer.ended


def test_one_command_in_a_turn() -> None:
    """A segment of a hundred lines starts one command; each further one waits for a later turn."""
    port = ControlPort()
    peer = port.connect()
    peer.session.dataReceived(b"kick 1\n" * 100)
    assert b"" == peer.wire.value()
    assert 1 == len(port.clock.getDelayedCalls()) - 1
    assert not peer.reading
    assert b"550 no client has this number\r\n" * 100 == peer.hear()
    assert peer.reading


def test_blank_lines() -> None:
    """Somebody who only presses Enter is not answered, nor hung up on."""
    peer = ControlPort().connect()
    assert b"" == peer.say(b"\r\n\n  \n")
    assert b"221 bye\r\n" == peer.say(b"quit\n")


def test_an_unknown_command() -> None:
    """At first it ends the session; later it is answered with the nearest."""
    later, first = ControlPort().connect(), ControlPort().connect()
    assert b'500 unknown command; did you mean "status"?\r\n' == later.say(b"quit now\nstats\n")[-45:]
    assert not later.ended
    assert b"500 the first line must be a command\r\n" == first.say(b"stats\nstatus\n")
    assert first.ended


def test_a_browser() -> None:
    """A request is hung up on without a word, and none of its lines is a command."""
    port = ControlPort()
    peer = port.connect()
    request = b"POST / HTTP/1.1\r\nHost: 127.0.0.1:8291\r\n\r\nbroadcast owned\r\n"
    assert b"" == peer.say(request)
    assert peer.ended
    assert [] == port.published


@pytest.mark.parametrize("method", ["broadcast", "send", "kick", "status", "quit", "help", "Broadcast"])
@pytest.mark.parametrize("version", [b"1.1", b"1.0", b"2.0"])
def test_a_browser_that_chose_a_command_for_its_method(method: str, version: bytes) -> None:
    """Nothing of its connection is done, in one segment or byte by byte; it is told why."""
    request = b"%b /1 HTTP/%b\r\nHost: rebound.example:8291\r\nAccept: */*\r\n\r\nbroadcast owned\r\nquit\r\n"
    for size in (1000, 1):
        port = ControlPort(FakeClient(1))
        peer = port.connect()
        data = request % (method.encode(), version)
        answers = [peer.say(data[start : start + size]) for start in range(0, len(data), size)]
        assert b"".join(answers).startswith(b"501 not done: the line ends like a request of HTTP")
        assert 1 == b"".join(answers).count(b"\r\n")
        assert (True, []) == (peer.ended, port.published)


def test_a_text_with_lines_of_http() -> None:
    """In the lines of a text they are a text: only a session that began with a command comes to one."""
    port = ControlPort()
    peer = port.connect()
    assert PROMPT == peer.say(b"broadcast\nHost: x\nGET / HTTP/1.1\n.\n")[: len(PROMPT)]
    assert [Publication(b"Host: x\nGET / HTTP/1.1")] == port.published
    port.confirms[0].callback(None)
    assert SENT == peer.hear()
    assert b"" == peer.say(b"Host: x\nbroadcast owned\n")
    assert (True, 1) == (peer.ended, len(port.published))


@pytest.mark.parametrize(
    "beginning",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 32,
        b"\x16",
        b"\x16\x03\x01\nbroadcast owned\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nbroadcast owned\n",
        b"\x00\x00\x12\x04\nbroadcast owned\n",
    ],
)
def test_a_peer_that_speaks_tls_or_http_2(beginning: bytes) -> None:
    """It is hung up on as soon as it says so; a record of TLS may have no end of a line."""
    port = ControlPort()
    peer = port.connect()
    peer.say(beginning)
    peer.say(b"\nbroadcast owned\n")
    assert (True, []) == (peer.ended, port.published)


def test_a_byte_of_tls_within_a_line() -> None:
    """It counts at the very beginning only."""
    port = ControlPort()
    peer = port.connect()
    peer.say(b"broadcast a")
    peer.say(b"\x16b\n")
    assert [Publication(b"a\x16b")] == port.published


def test_a_line_too_long() -> None:
    """A line beyond 16 KiB ends the session, as soon as it is that long."""
    peer = ControlPort().connect()
    assert b"552 the text is longer than 1000 bytes\r\n" == peer.say(
        b"broadcast " + b"x" * (16384 - 10) + b"\r\n"
    )
    assert b"500 the line is too long\r\n" == peer.say(b"x" * 16386)
    assert peer.ended
    assert b"" == peer.say(b"quit\n")


def test_a_telnet_client() -> None:
    """Options are refused at once, even while a confirm is awaited."""
    port = ControlPort()
    peer = port.connect()
    peer.say(b"\xff\xfb\x18broadcast a\r\n")
    assert b"\xff\xfc\x06" == peer.say(b"\xff\xf4\xff\xfd\x06")


def test_a_peer_that_does_not_read() -> None:
    """While replies are stuck nothing is done or read; the rest follows when they are taken."""
    peer = ControlPort().connect()
    peer.session.pauseProducing()
    assert b"" == peer.say(b"quit\n")
    assert not peer.reading
    peer.session.resumeProducing()
    assert b"221 bye\r\n" == peer.hear()


def test_a_script_that_closes_its_side() -> None:
    """What was sent before the end is answered, then the session ends."""
    port = ControlPort()
    peer = port.connect()
    assert verifyObject(IHalfCloseableProtocol, peer.session)
    peer.session.dataReceived(b"broadcast a\nbroadcast b\nunfinished")
    peer.session.readConnectionLost()
    port.confirms[0].callback(None)
    assert not peer.ended
    port.confirms[1].callback(None)
    assert SENT * 2 == peer.hear()
    assert peer.ended


def test_a_peer_that_closes_its_reading_side() -> None:
    """Nobody would read the replies: the session ends."""
    peer = ControlPort().connect()
    peer.session.writeConnectionLost()
    assert peer.ended


def test_a_peer_that_leaves_before_the_confirm() -> None:
    """The confirm comes to nobody and harms nobody."""
    port = ControlPort()
    peer = port.connect()
    peer.say(b"broadcast a\n")
    peer.session.stopProducing()
    peer.session.connectionLost()
    port.confirms[0].callback(None)
    assert b"" == peer.hear()


def test_a_fault_of_ours_ends_that_session_only() -> None:
    """The traceback goes to the log, fixed words to the peer, and others do not notice."""
    port = ControlPort()
    one, other = port.connect(), port.connect()

    class Broken(Session):
        def _take(self, line: bytes) -> None:
            raise LookupError("secret")

    one.session.__class__ = Broken
    with capturedLogs() as events:
        answer = one.say(b"status\n")
    assert b"421 this session failed; the log has the details\r\n" == answer
    assert one.ended
    assert [LogLevel.critical] == [event["log_level"] for event in events]
    assert b"221 bye\r\n" == other.say(b"quit\n")


def test_a_search_has_a_turn_for_each_part() -> None:
    """A session at an instance with many clients waits for its reply; another one is answered meanwhile."""
    port = ControlPort(*(FakeClient(number) for number in range(1, 2 * PART + 2)))
    patient, other = port.connect(), port.connect()
    patient.session.dataReceived(b"kick 7\nquit\n")
    other.session.dataReceived(b"quit\n")
    for _ in range(3):
        assert b"" == patient.wire.value()
        port.clock.turn()
    assert b"221 bye\r\n" == other.wire.value()
    assert b"250 client 7 disconnected\r\n221 bye\r\n" == patient.hear()


def test_a_search_that_fails_ends_that_session_only() -> None:
    """As every other fault of ours."""
    port = ControlPort(FakeClient(1, channels={"a"}, peer=cast("Any", Broken())))
    one, other = port.connect(), port.connect()
    with capturedLogs() as events:
        answer = one.say(b"clients\n")
    assert b"421 this session failed; the log has the details\r\n" == answer
    assert one.ended
    assert [LogLevel.critical] == [event["log_level"] for event in events]
    assert b"221 bye\r\n" == other.say(b"quit\n")


class Broken:
    """Nothing that can be written."""

    def __repr__(self) -> str:
        raise RuntimeError("as it was told to")


def test_nothing_follows_the_last_reply() -> None:
    """A session that ends says nothing more."""
    peer = ControlPort().connect()
    peer.say(b"quit\nstatus\n")
    peer.session.say(Reply(250, ("more",)))
    assert b"" == peer.hear()


def test_a_look_at_a_session() -> None:
    """Silence ends it, unless a confirm is awaited; if it has not ended by the next look, it is dropped."""
    port = ControlPort()
    peer = port.connect()
    peer.say(b"broadcast a\n")
    peer.session.look(port.clock.seconds() + 1)
    assert b"" == peer.hear()
    port.confirms[0].callback(None)
    peer.session.look(port.clock.seconds())
    assert SENT == peer.hear()
    peer.session.look(port.clock.seconds() + 1)
    assert b"421 idle for too long\r\n" == peer.hear()
    assert not peer.wire.dropped
    peer.session.look(port.clock.seconds())
    assert peer.wire.dropped
