"""Reads a part of a stream again, on a channel of its own beside the live consumer."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from pushd.broker.amqp.faults import Lost
from pushd.broker.amqp.intake import messages
from pushd.broker.amqp.link import Channel, Link
from pushd.broker.amqp.probe import is_probe
from pushd.broker.codec import MAX_BODY_BYTES, Refused
from pushd.broker.mark import Mark, basis_of
from pushd.broker.marks import Life
from pushd.interfaces import Page, ReadError
from pushd.message import Message

__all__ = ["WHOLE", "End", "find_end", "offset_of", "read_page", "scan_marks"]

_PREFETCH = 200
"""Records the broker sends ahead."""

_SILENCE = 10.0
"""Seconds without a record after which reading is given up."""

WHOLE = "first"
"""Where a stream starts."""

_TICK = 1.0
"""Seconds for which a record may stay unacknowledged, and between two looks at the silence."""

_RECORD = 200
"""Bytes that count for a record besides its body, so that a page of empty ones has an end too."""

Publish = Callable[[], Coroutine[Any, Any, None]]

_Visit = Callable[[int, str, object, Any, bytes], bool]
"""Takes offset, exchange, routing key, properties and body of a record; answers whether it needs no more."""


@dataclass(frozen=True, slots=True)
class End:
    """The end of a stream.

    Attributes:
        offset: The offset of a mark that was published just now.
        basis: The mark, as a basis of others.
        bound: True if the stream is bound to the exchange; None when that is unknown.
    """

    offset: int
    basis: str = ""
    bound: bool | None = None


def offset_of(properties: Any) -> int:
    """Give the offset of a record, which RabbitMQ puts into a header."""
    return int(properties.headers["x-stream-offset"])


async def read_page(  # noqa: PLR0917  # called in one place
    clock: IReactorTime,
    link: Link,
    stream: str,
    after: int,
    until: int,
    max_bytes: int,
    max_body_bytes: int = MAX_BODY_BYTES,
) -> Page:
    """Give the messages with ``after < offset <= until``; see :meth:`pushd.interfaces.Broker.read`.

    ``max_body_bytes`` is the largest body of a message, also once it is decompressed.

    Raises:
        ReadError: They cannot be read.
    """
    found: list[Message] = []
    room = max_bytes
    begins, reached = -1, after

    def visit(offset: int, exchange: str, routing_key: object, properties: Any, body: bytes) -> bool:
        nonlocal begins, reached, room
        if begins < 0:
            # RabbitMQ starts at the oldest record left, without a word, when the one asked for is gone.
            begins = max(after, min(offset - 1, until))
        reached = max(reached, min(offset, until))
        control = is_probe(properties, body) or Mark.read(exchange, properties.headers) is not None
        if after < offset <= until and not control:
            record = _decode(offset, routing_key, properties, body, max_body_bytes)
            found.extend(record)
            room -= _cost(body, record)
        return reached == until or (room <= 0 and reached > after)

    try:
        await _scan(clock, link, stream, max(after, 0), visit)
    except Lost as lost:
        raise ReadError(lost.reason) from lost
    return Page(found, begins, reached)


async def find_end(
    clock: IReactorTime, link: Link, stream: str, nonce: str, publish: Callable[[], Coroutine[Any, Any, bool]]
) -> End:
    """Find where a stream ends, and whether it is bound to the exchange.

    Args:
        clock: Watches over the silence.
        link: Where to open a channel.
        stream: The stream's name.
        nonce: The mark's.
        publish: Publishes a probe to the exchange and then the mark; returns False if there is no probe.

    Raises:
        Lost: The stream cannot be read.
    """
    at, arrived, probed = -1, False, False

    def visit(offset: int, exchange: str, _routing_key: object, properties: Any, body: bytes) -> bool:
        nonlocal at, arrived
        at, arrived = offset, arrived or (bool(exchange) and is_probe(properties, body))
        mark = Mark.read(exchange, properties.headers)
        return mark is not None and mark.nonce == nonce

    async def then() -> None:
        nonlocal probed
        probed = await publish()

    await _scan(clock, link, stream, "next", visit, then)
    return End(at, basis_of(at, nonce), True if arrived else (False if probed else None))


async def scan_marks(clock: IReactorTime, link: Link, stream: str, life: Life, start: str) -> None:
    """Feed older marks to ``life``, up to the one that it awaits.

    Args:
        clock: Watches over the silence.
        link: Where to open a channel.
        stream: The stream's name.
        life: Takes the marks.
        start: Where to begin, in the terms of ``x-stream-offset``.

    Raises:
        Lost: The stream cannot be read.
    """

    def visit(offset: int, exchange: str, _routing_key: object, properties: Any, _body: bytes) -> bool:
        mark = Mark.read(exchange, properties.headers)
        return mark is not None and life.scan(offset, mark, whole=start == WHOLE)

    life.begin_scan()
    await _scan(clock, link, stream, start, visit)


async def _scan(  # noqa: PLR0917  # called in here only
    clock: IReactorTime, link: Link, stream: str, start: object, visit: _Visit, then: Publish | None = None
) -> None:
    """Feed the records from ``start`` on to ``visit`` until it needs no more; what it raises is raised here.

    ``then`` is called once reading has begun.
    """
    channel = await link.channel()
    scan = _Scan(clock, channel, visit)
    try:
        channel.watch(scan.fail)
        await channel.call("basic_qos", prefetch_count=_PREFETCH)
        await channel.consume(
            stream,
            scan.deliver,
            lambda: scan.fail(Lost("the stream was deleted")),
            {"x-stream-offset": start},
        )
        if then is not None:
            await then()
        await scan.over
    finally:
        scan.end()
        channel.close()


class _Scan:
    """One reading.

    Args:
        clock: Measures the silence and runs the regular acknowledgement.
        channel: Where the records come from.
        visit: Takes each record.
    """

    def __init__(self, clock: IReactorTime, channel: Channel, visit: _Visit) -> None:
        self.over: Deferred[None] = Deferred()
        self._clock = clock
        self._channel = channel
        self._visit = visit
        self._delivered = self._acknowledged = 0
        self._heard_at = clock.seconds()
        self._ticking = LoopingCall(self._tick)
        self._ticking.clock = clock
        self._ticking.start(_TICK, now=False)

    def deliver(self, tag: int, exchange: str, routing_key: object, properties: Any, body: bytes) -> None:
        """Take one record."""
        if self.over.called:
            return
        self._heard_at = self._clock.seconds()
        self._delivered = tag
        if tag - self._acknowledged >= _PREFETCH // 4:
            self._acknowledge()
        try:
            if properties is not None and self._visit(
                offset_of(properties), exchange, routing_key, properties, body
            ):
                self.over.callback(None)
        except Exception:  # noqa: BLE001  # handed on
            self.over.errback()

    def fail(self, error: Exception) -> None:
        """End the reading with an error, unless it is over."""
        if not self.over.called:
            self.over.errback(error)

    def end(self) -> None:
        """Stop the regular work; the result is nobody's any more."""
        self._ticking.stop()
        self.over.addErrback(lambda _: None)  # nobody waits any more

    def _acknowledge(self) -> None:
        if self._delivered > self._acknowledged:
            self._acknowledged = self._delivered
            self._channel.ack(self._delivered)

    def _tick(self) -> None:
        """Acknowledge what came in the last second; give up when nothing comes for long.

        A slow reading would otherwise keep its first records unacknowledged beyond RabbitMQ's timeout.
        """
        self._acknowledge()
        if self._clock.seconds() - self._heard_at >= _SILENCE:
            self.fail(Lost("the stream sends nothing"))


def _cost(body: bytes, record: Sequence[Message]) -> int:
    """Return the bytes that count for a record: what came, or what it became if that is more."""
    return max(len(body), sum(len(message.body) for message in record)) + _RECORD * max(1, len(record))


def _decode(
    offset: int, routing_key: object, properties: Any, body: bytes, max_bytes: int
) -> Sequence[Message]:
    """Decode what has been counted and logged when it came for the first time."""
    try:
        return messages(offset, routing_key, properties, body, max_bytes)
    except Refused:
        return ()
