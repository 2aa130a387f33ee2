"""What has to exist at the broker: the exchange applications publish to, and what we read from.

Each is declared as it must be, so that one which is otherwise is refused with a reason. Without the
permission to declare, it is enough that it exists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pushd.broker.amqp.faults import Lost
from pushd.broker.amqp.link import Link

if TYPE_CHECKING:
    from pushd.config import Broker

__all__ = [
    "ACCESS_REFUSED",
    "bind",
    "declare_exchange",
    "declare_private_queue",
    "declare_stream",
    "segment_bytes",
]

ACCESS_REFUSED = 403

_SEGMENTS = 20
"""Retention removes whole segments only, so a stream needs many; RabbitMQ's default is 500 MB each."""

_SMALLEST_SEGMENT = 64 * 1024
_LARGEST_SEGMENT = 500_000_000


async def declare_exchange(link: Link, name: str) -> None:
    """Have the exchange, exactly as Spring's ``new FanoutExchange(name)`` declares it.

    Raises:
        Lost: There is none, or another kind.
    """
    await _declare(link, "exchange_declare", {"exchange": name}, {"exchange_type": "fanout", "durable": True})


async def declare_stream(link: Link, section: Broker) -> None:
    """Have the stream; :func:`bind` binds it.

    Raises:
        Lost: There is none, or something else of that name.
    """
    arguments = {
        "x-queue-type": "stream",
        "x-max-age": f"{max(1, round(section.stream_max_age))}s",
        "x-max-length-bytes": section.stream_max_bytes,
        "x-stream-max-segment-size-bytes": segment_bytes(section.stream_max_bytes),
    }
    await _declare(
        link, "queue_declare", {"queue": section.stream}, {"durable": True, "arguments": arguments}
    )


async def declare_private_queue(link: Link, section: Broker) -> str:
    """Have a queue that lives as long as the connection, bound to the exchange; gives its name.

    The server names it: a name of ours would be locked as long as it believes a dead connection to live.

    Raises:
        Lost: It is not allowed.
    """
    channel = await link.channel()
    declared = await channel.call("queue_declare", queue="", exclusive=True)
    channel.close()
    name: str = declared.queue
    await bind(link, name, section.exchange)
    return name


def segment_bytes(stream_bytes: int) -> int:
    """Give the size of a stream's segments for its greatest size."""
    return min(max(stream_bytes // _SEGMENTS, _SMALLEST_SEGMENT), _LARGEST_SEGMENT)


async def _declare(link: Link, method: str, name: dict[str, object], arguments: dict[str, object]) -> None:
    try:
        await _once(link, method, **name, **arguments)
    except Lost as refused:
        if refused.code != ACCESS_REFUSED:
            raise
        await _once(link, method, **name, passive=True)


async def bind(link: Link, queue: str, exchange: str) -> None:
    """Have a queue bound to the exchange; without effect if it is.

    Raises:
        Lost: The exchange is gone, or this is not allowed.
    """
    await _once(link, "queue_bind", queue=queue, exchange=exchange)


async def _once(link: Link, method: str, **arguments: object) -> None:
    """Call on a channel of its own: whatever is refused takes the channel with it."""
    channel = await link.channel()
    await channel.call(method, **arguments)
    channel.close()
