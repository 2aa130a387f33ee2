"""The control port as a whole: how many sessions, for how long, and what the broker says."""

from __future__ import annotations

from typing import NoReturn

from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs

from pushd.control.replies import Publish, Reply
from pushd.interfaces import PublishError
from pushd.message import Publication
from tests.unit.control.port import GREETING, ControlPort, Peer

IDLE = b"421 idle for too long\r\n"


def test_too_many_sessions() -> None:
    """Beyond the limit a session is told so and ended; when one leaves there is room again."""
    port = ControlPort(sessions=2)
    first = port.connect()
    port.connect()
    third = Peer(port)
    assert b"421 too many sessions, try again later\r\n" == third.hear()
    assert third.ended
    for gone in (first, third):
        gone.session.connectionLost()
    assert GREETING == Peer(port).hear()


def test_an_idle_session() -> None:
    """Silence ends a session; whoever speaks stays."""
    port = ControlPort(idle=60.0)
    silent, busy = port.connect(), port.connect()
    port.clock.pump([5.0] * 8)
    busy.say(b"help\n")
    port.clock.pump([5.0] * 4)
    assert not silent.ended
    port.clock.advance(5.0)
    assert (IDLE, b"") == (silent.hear(), busy.hear())
    assert (True, False) == (silent.ended, busy.ended)


def test_a_session_that_waits_for_the_broker_is_not_idle() -> None:
    """A confirm may take its time."""
    port = ControlPort(idle=10.0)
    peer = port.connect()
    peer.say(b"broadcast a\n")
    port.clock.pump([5.0] * 10)
    assert not peer.ended


def test_a_session_that_does_not_end_is_dropped() -> None:
    """Who does not take the last reply is cut off by the next look."""
    port = ControlPort()
    peer = port.connect()
    peer.say(b"quit\n")
    assert not peer.wire.dropped
    port.clock.advance(5.0)
    assert peer.wire.dropped


def test_the_port_closes() -> None:
    """The sessions are told, and no timer is left."""
    port = ControlPort()
    peer = port.connect()
    port.factory.stopFactory()
    assert b"421 this instance is stopping\r\n" == peer.hear()
    assert [] == port.clock.getDelayedCalls()


def test_a_confirm_at_once() -> None:
    """The broker's confirm may come before the call returns."""
    port = ControlPort()
    replies: list[Reply] = []
    port.factory.published(Publish(Publication(b"a"), "sent")).addCallback(replies.append)
    assert [] == replies
    port.confirms[0].callback(None)
    assert [Reply(250, ("sent",))] == replies


def test_a_fault_in_publishing() -> None:
    """What is no answer of the broker's goes to the log, not to the peer."""

    def publish(publication: Publication) -> NoReturn:
        raise LookupError("secret")

    port = ControlPort()
    factory = type(port.factory)(port.factory.commands, publish, Clock(), sessions=1, idle=1.0)
    replies: list[Reply] = []
    with capturedLogs() as events:
        factory.published(Publish(Publication(b"a"), "sent")).addCallback(replies.append)
    assert [Reply(451, ("not sent: internal error; the log has the details",))] == replies
    assert [LogLevel.critical] == [event["log_level"] for event in events]


def test_a_refusal_of_the_broker() -> None:
    """The reason is said; whether it may pass decides the code."""
    port = ControlPort()
    replies: list[Reply] = []
    for temporary in (True, False):
        port.factory.published(Publish(Publication(b"a"), "sent")).addCallback(replies.append)
        port.confirms[-1].errback(PublishError("away", temporary=temporary))
    assert [Reply(451, ("not sent: away",)), Reply(554, ("not sent: away",))] == replies
