"""Publishes to a RabbitMQ exchange on the benchmark's schedule; it serves nobody.

Arguments: the broker's URL and the exchange.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from importlib.metadata import version

import pika
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection

from bench.peers.contract import Order, parse_order, ready, say, schedule, start_time

_FINE = 0.005
"""The last seconds before a message is due are slept for real: pika's own sleep is exact to milliseconds."""

_PLAIN = pika.BasicProperties(content_type="text/plain", delivery_mode=1)


def bodies(order: Order, connection: BlockingConnection) -> Iterator[tuple[bytes, float]]:
    """Give each body when it is due, with how late it was; the connection is served meanwhile."""
    for burst in schedule(order, start_time()):
        if (wait := burst.wait()) > _FINE:
            connection.sleep(wait - _FINE)
        time.sleep(burst.wait())
        late = burst.late()
        yield from ((body, late) for body in burst.payloads)


def publish(order: Order, connection: BlockingConnection, channel: BlockingChannel, exchange: str) -> None:
    """Carry out one command."""
    latest = 0.0
    for body, late in bodies(order, connection):
        channel.basic_publish(exchange, order.channel, body, _PLAIN)
        latest = max(latest, late)
    say("published", messages=order.messages, late=latest)


def main() -> None:
    """Publish what is ordered until standard input ends."""
    url, exchange = sys.argv[1:]
    connection = pika.BlockingConnection(pika.URLParameters(f"{url}?heartbeat=0"))
    channel = connection.channel()
    ready(0, f"pika {version('pika')}")
    for line in sys.stdin:
        publish(parse_order(line), connection, channel, exchange)
    connection.close()


if __name__ == "__main__":
    main()
