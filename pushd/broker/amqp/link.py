"""A connection to RabbitMQ and its channels, in Deferreds, plain values and one kind of error.

What pika calls back with, and what it raises, ends in this module; docs/adr/0002-pika-in-one-module.md
says why.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any, cast

from pika import BasicProperties, ConnectionParameters, PlainCredentials
from pika.exceptions import AMQPError
from pika.spec import Basic
from twisted.internet.defer import Deferred, fail
from twisted.internet.endpoints import connectProtocol
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.python.failure import Failure

from pushd.broker.amqp.faults import Lost, explain
from pushd.broker.amqp.wire import Wire

__all__ = ["Channel", "Link", "OnMessage", "connect", "login"]

OnMessage = Callable[[int, str, object, Any, bytes], None]
"""Takes delivery tag, exchange, routing key, properties (``None`` when they cannot be read) and body."""


def login(*, vhost: str, user: str, password: str, heartbeat: int, name: str) -> ConnectionParameters:
    """Say who connects: ``name`` is what the broker's operator sees, ``heartbeat`` is in seconds."""
    return ConnectionParameters(
        virtual_host=vhost,
        credentials=PlainCredentials(user, password),
        heartbeat=heartbeat,
        client_properties={"connection_name": name},
    )


async def connect(
    clock: IReactorTime,
    endpoint: IStreamClientEndpoint,
    who: ConnectionParameters,
    max_body_bytes: int = sys.maxsize,
) -> Link:
    """Connect and log in; nothing is left open when that fails or is cancelled.

    Args:
        clock: For heartbeats.
        endpoint: Where to.
        who: Who logs in.
        max_body_bytes: The largest body that is delivered, see :class:`Wire`.

    Raises:
        Lost: It did not work out.
    """
    # pika logs with tracebacks what we say in one line, and spends time on every frame doing so.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    wire = Wire(clock, who, max_body_bytes)
    link = Link(wire)
    try:
        await connectProtocol(endpoint, wire)
        await link.opened
    except BaseException:
        wire.cut()
        raise
    return link


class Link:
    """A connection.

    Args:
        wire: pika's side of it.

    Attributes:
        opened: Fires when logged in; fails with :class:`Lost`.
        lost: Why it ended, or ``None``.
        blocked: Why the broker takes no publications now, or ``""``.
    """

    def __init__(self, wire: Wire) -> None:
        self.opened: Deferred[None] = wire.opened.addCallbacks(self._opened, self._unopened)
        self.lost: Lost | None = None
        self.blocked = ""
        self._wire = wire
        self._watchers: list[Callable[[Lost], None]] = []
        self._blocked_watchers: list[Callable[[], None]] = []
        wire.engine.add_on_connection_blocked_callback(self._blocked)
        wire.engine.add_on_connection_unblocked_callback(self._unblocked)

    def watch(self, ended: Callable[[Lost], None]) -> None:
        """Have ``ended`` called once, when the connection is gone, or now if it is."""
        if self.lost is None:
            self._watchers.append(ended)
        else:
            ended(self.lost)

    def watch_blocked(self, blocked: Callable[[], None]) -> None:
        """Call ``blocked`` whenever the broker begins to take no publications."""
        self._blocked_watchers.append(blocked)

    @property
    def received(self) -> int:
        """Bytes that have come from the broker."""
        return int(self._wire.engine.bytes_received)

    def channel(self) -> Deferred[Channel]:
        """Open a channel; may be cancelled."""
        opened: Deferred[Any] = Deferred(lambda _: channel.close())
        try:
            channel = Channel(self._wire.engine.channel(on_open_callback=opened.callback), opened)
        except AMQPError as error:  # closed, or just closing
            return fail(self.lost or explain(error))
        return opened.addCallback(lambda _: channel)

    def close(self) -> Deferred[None]:
        """Say goodbye, and cut the connection of a broker that does not answer; fires when it is gone."""
        gone: Deferred[None] = Deferred()
        self.watch(lambda _: gone.callback(None))
        if self.lost is None:
            self._wire.cut_later()
            if self._wire.is_open:
                self._wire.close()
        return gone

    # Called by pika.

    def _opened(self, _: object) -> None:
        cast("Deferred[Exception]", self._wire.closed).addCallback(self._ended)

    def _unopened(self, failure: Failure) -> Failure:
        return Failure(self._ended(cast("Exception", failure.value)))

    def _ended(self, cause: Exception) -> Lost:
        """Tell everybody."""
        self.lost = lost = explain(cause)
        for ended in self._watchers:
            ended(lost)
        return lost

    def _blocked(self, _: object, frame: Any) -> None:
        self.blocked = f"the broker takes no publications: {frame.method.reason!r}"
        for blocked in self._blocked_watchers:
            blocked()

    def _unblocked(self, *_: object) -> None:
        self.blocked = ""


class Channel:
    """A channel that is about to be open.

    Args:
        channel: pika's.
        opened: Fails when it never comes to be.

    Attributes:
        lost: Why it ended, or ``None``.
    """

    def __init__(self, channel: Any, opened: Deferred[Any]) -> None:
        self.lost: Lost | None = None
        self._channel = channel
        self._calls = {opened}
        opened.addBoth(self._done, opened)
        self._watchers: list[Callable[[Lost], None]] = []
        channel.add_on_close_callback(self._closed)

    def watch(self, ended: Callable[[Lost], None]) -> None:
        """Have ``ended`` called once, when the channel is gone, or now if it is."""
        if self.lost is None:
            self._watchers.append(ended)
        else:
            ended(self.lost)

    def call(self, method: str, **arguments: object) -> Deferred[Any]:
        """Call a method of pika that has an answer; gives the answer's fields, or fails with ``Lost``."""
        if self.lost is not None:
            return fail(self.lost)
        answer: Deferred[Any] = Deferred()
        self._calls.add(answer)
        answer.addBoth(self._done, answer)
        try:
            getattr(self._channel, method)(callback=answer.callback, **arguments)
        except AMQPError as error:
            answer.errback(explain(error))
        return answer.addCallback(lambda frame: frame.method)

    def consume(
        self, queue: str, deliver: OnMessage, cancelled: Callable[[], None], arguments: dict[str, object]
    ) -> Deferred[Any]:
        """Have messages delivered; ``cancelled`` is called when the broker ends that and nothing else."""

        def on_message(_: object, method: Any, properties: Any, body: bytes) -> None:
            deliver(method.delivery_tag, method.exchange, method.routing_key, properties, body)

        self._channel.add_on_cancel_callback(lambda _: cancelled())
        return self.call("basic_consume", queue=queue, on_message_callback=on_message, arguments=arguments)

    def ack(self, tag: int) -> None:
        """Acknowledge everything up to ``tag``; without effect when the channel is gone."""
        if self._channel.is_open:
            self._channel.basic_ack(tag, multiple=True)

    def confirm(
        self, settled: Callable[[int, bool, bool], None], returned: Callable[[str, str, str], None]
    ) -> Deferred[Any]:
        """Have publications confirmed.

        Args:
            settled: Called with a publication's number, whether that means all up to it, and whether
                the broker has taken it.
            returned: Called, before ``settled``, with exchange, routing key and ``correlation_id`` of
                one that reached no queue.
        """

        def on_settled(frame: Any) -> None:
            method = frame.method
            settled(method.delivery_tag, method.multiple, isinstance(method, Basic.Ack))

        def on_returned(_: object, method: Any, properties: Any, _body: bytes) -> None:
            returned(method.exchange, method.routing_key, properties.correlation_id)

        self._channel.add_on_return_callback(on_returned)
        return self.call("confirm_delivery", ack_nack_callback=on_settled)

    def publish(self, exchange: str, routing_key: str, properties: dict[str, object], body: bytes) -> None:
        """Publish, to be returned if it reaches no queue.

        Raises:
            Lost: The channel is gone.
        """
        try:
            self._channel.basic_publish(
                exchange, routing_key, body, BasicProperties(**properties), mandatory=True
            )
        except AMQPError as error:
            raise self.lost or explain(error) from error

    def close(self) -> None:
        """Close it, if it is open or about to be; what was on its way is dropped.

        Consumers are never cancelled by themselves: pika would reject what is still on its way, and a stream
        answers ``basic.reject`` by closing the connection.
        """
        if not (self._channel.is_closing or self._channel.is_closed):
            self._channel.close()

    def _done(self, result: Any, call: Deferred[Any]) -> Any:
        self._calls.discard(call)
        return result

    def _closed(self, _: object, reason: Exception) -> None:
        self.lost = explain(reason)
        for call in list(self._calls):
            if not call.called:
                call.errback(self.lost)
        watchers, self._watchers = self._watchers, []
        for ended in watchers:
            ended(self.lost)
