"""pushd.broker.amqp.link where a connection or a channel is gone; the contract tests have the rest."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from pika.exceptions import ChannelClosedByBroker, ChannelWrongStateError
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from pushd.broker.amqp.faults import Lost
from pushd.broker.amqp.link import Channel, Link, login


class PikaChannel:
    """pika's channel, which refuses whatever it is asked."""

    is_open = False

    def __init__(self) -> None:
        self.closed: list[Callable[..., None]] = []

    def add_on_close_callback(self, callback: Callable[..., None]) -> None:
        """Keep it."""
        self.closed.append(callback)

    def basic_qos(self, **_: object) -> None:
        """Refuse."""
        raise ChannelWrongStateError("closing")

    def basic_publish(self, *_: object, **__: object) -> None:
        """Refuse."""
        raise ChannelWrongStateError("closing")

    def end(self) -> None:
        """Have the broker close it."""
        for callback in self.closed:
            callback(self, ChannelClosedByBroker(406, "PRECONDITION_FAILED"))


def channel() -> tuple[PikaChannel, Channel]:
    """Give a channel that is open, and pika's side of it."""
    pikas, opened = PikaChannel(), Deferred[Any]()
    ours = Channel(pikas, opened)
    opened.callback(pikas)
    return pikas, ours


def failure_of(call: Deferred[Any]) -> Exception:
    """Give what a call has failed with already."""
    failures: list[Failure] = []
    call.addErrback(failures.append)
    (failure,) = failures
    error = failure.value
    assert isinstance(error, Exception)
    return error


def test_a_lost_channel_fails_calls_and_tells_late_watchers() -> None:
    """Whoever asks after the end hears why it ended."""
    pikas, ours = channel()
    heard: list[Lost] = []
    ours.watch(heard.append)
    pikas.end()
    ours.watch(heard.append)
    assert [ours.lost, ours.lost] == heard
    assert ours.lost is failure_of(ours.call("basic_qos", prefetch_count=1))


def test_a_refused_call_fails() -> None:
    """What pika raises comes as a failure of the call."""
    _, ours = channel()
    assert isinstance(failure_of(ours.call("basic_qos", prefetch_count=1)), Lost)


def test_a_refused_publication_raises() -> None:
    """A channel that is just closing takes none."""
    _, ours = channel()
    with pytest.raises(Lost):
        ours.publish("x", "", {}, b"")


def connected() -> tuple[Link, StringTransport]:
    """Give a connection that has begun to log in."""
    link = Link(Clock(), login(vhost="/", user="u", password="p", heartbeat=30, name="n"))
    transport = StringTransport()
    transport.setTcpNoDelay = lambda _: None  # type: ignore[attr-defined]
    transport.abortConnection = lambda: link.connectionLost(Failure(ConnectionLost()))  # type: ignore[method-assign]
    link.makeConnection(transport)
    return link, transport


def test_a_channel_of_a_lost_connection() -> None:
    """It is refused with the connection's own end."""
    link, _ = connected()
    link.connectionLost(Failure(ConnectionLost()))
    assert isinstance(failure_of(link.opened), Lost)
    assert link.lost is failure_of(link.channel())


def test_a_channel_that_nobody_waits_for_any_more_is_closed() -> None:
    """Once it is open it would stay so, and pika closes one that is about to be."""
    link, _ = connected()
    closed: list[str] = []
    opening = PikaChannel()
    opening.is_closing = opening.is_closed = False  # type: ignore[attr-defined]
    opening.close = lambda: closed.append("closed")  # type: ignore[attr-defined]
    link._wire = SimpleNamespace(channel=lambda **_: opening)  # type: ignore[assignment]
    awaited = link.channel()
    awaited.cancel()
    assert isinstance(failure_of(awaited), CancelledError)
    assert ["closed"] == closed


def test_what_is_no_amqp_ends_the_connection() -> None:
    """Only this connection, and with a reason."""
    link, _ = connected()
    link.dataReceived(b"\x01\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00")
    assert link.lost is failure_of(link.opened)
