"""A publisher that numbers its messages and remembers which ones the broker has confirmed."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Self

import pika
from pika.exceptions import AMQPError

if TYPE_CHECKING:
    from pika.adapters.blocking_connection import BlockingChannel

__all__ = ["EXCHANGE", "NumberedPublisher", "publish"]

EXCHANGE = "com.jihaixiang.test"


def publish(url: str, body: bytes, routing_key: str = "", **properties: object) -> None:
    """Publish one message as any application would, and return once it is confirmed.

    Raises:
        pika.exceptions.UnroutableError: Nothing is bound to the exchange.
    """
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish(EXCHANGE, routing_key, body, pika.BasicProperties(**properties), mandatory=True)
    finally:
        connection.close()


class NumberedPublisher:
    """Publishes ``{"n": 1}``, ``{"n": 2}``, … from a thread; a context manager that ends it.

    A number whose fate is unknown (the broker went away before it confirmed) is not sent again:
    it may arrive or not, and is not among :attr:`confirmed`.

    Args:
        url: The broker's.
        rate: Messages per second.
        routing_key: The channel, also the name of the series; empty for broadcasts.
        most: Stop by itself after so many confirmed messages, or 0.

    Attributes:
        confirmed: The numbers the broker has taken responsibility for.
        last: The last number tried.
        error: What ended the thread, if anything but the test did.
    """

    def __init__(
        self, url: str, *, rate: float, routing_key: str = "", most: int = 0, body: str = ""
    ) -> None:
        self.confirmed: set[int] = set()
        self.last = 0
        self.error: Exception | None = None
        self._url = url
        self._pause = 1.0 / rate
        self._key = routing_key
        self._most = most
        self._filling = body
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    @property
    def done(self) -> bool:
        """Whether it has published everything it was to publish."""
        return not self._thread.is_alive()

    def finish(self, timeout: float = 30.0) -> None:
        """Stop after the message under way."""
        self._over.set()
        self._thread.join(timeout)
        assert not self._thread.is_alive(), "the publisher hangs"
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            while not self._complete():
                try:
                    self._session()
                except (AMQPError, OSError):
                    self._over.wait(0.1)  # the broker is away; nothing to wait for but time
        except Exception as error:  # noqa: BLE001  raised again by finish()
            self.error = error

    def _complete(self) -> bool:
        return self._over.is_set() or bool(self._most and len(self.confirmed) >= self._most)

    def _session(self) -> None:
        connection = pika.BlockingConnection(pika.URLParameters(self._url))
        try:
            channel = connection.channel()
            channel.confirm_delivery()
            while not self._complete():
                self._one(channel)
                self._over.wait(self._pause)  # the rate
        finally:
            if connection.is_open:
                connection.close()

    def _one(self, channel: BlockingChannel) -> None:
        self.last += 1
        number = self.last
        body = json.dumps({"n": number, "series": self._key, "filling": self._filling})
        properties = pika.BasicProperties(content_type="application/json", delivery_mode=2)
        channel.basic_publish(EXCHANGE, self._key, body.encode(), properties, mandatory=True)
        self.confirmed.add(number)
