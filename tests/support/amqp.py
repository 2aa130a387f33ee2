"""Brokers over a real RabbitMQ for tests in the reactor thread, and a plain publisher beside them."""

from __future__ import annotations

import secrets
from random import Random
from typing import TYPE_CHECKING

from twisted.internet import reactor  # noqa: TID251  # the tests run in it

from pushd.broker.amqp import AmqpBroker
from pushd.config import Broker, BrokerUrl
from pushd.stats import Stats

if TYPE_CHECKING:
    from tests.support.rabbitmq import RabbitNode

__all__ = ["Eager", "amqp_broker", "section"]


def section(node: RabbitNode, **settings: object) -> Broker:
    """Make a ``[broker]`` section of names nobody else uses."""
    name = f"test.{secrets.token_hex(4)}"
    url = settings.pop("url", None) or (BrokerUrl("amqp", node.host, node.port),)
    return Broker(**{"exchange": name, "stream": f"{name}.history", "url": url, **settings})


class Eager(Random):
    """Delays no attempt for long, as nobody likes to wait in a test.

    Attributes:
        attempts: How many have failed, of all connections: a delay follows each.
    """

    attempts = 0

    def uniform(self, a: float, b: float) -> float:
        """Shorten what starts at nothing: the delays between two attempts."""
        if a:
            return super().uniform(a, b)
        self.attempts += 1
        return super().uniform(a, min(b, 0.3))


def amqp_broker(
    settings: Broker, *, max_age: float = 600.0, stats: Stats | None = None, random: Random | None = None
) -> AmqpBroker:
    """Make a broker; nothing is connected yet."""
    return AmqpBroker(reactor, settings, "test", max_age, stats or Stats(), random or Eager())
