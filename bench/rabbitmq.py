"""A private RabbitMQ for the scenarios that need one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.processes import pin
from bench.server import Publisher
from tests.support.rabbitmq import RabbitNode

__all__ = ["EXCHANGE", "Rabbit", "broker"]

EXCHANGE = "bench"


@dataclass(frozen=True, slots=True)
class Rabbit:
    """A running node.

    Attributes:
        url: Where AMQP is spoken.
    """

    url: str

    def settings(self, queue: str) -> tuple[str, ...]:
        """Give the options that make pushd's peer use it."""
        return (f"broker.url={self.url}", f"broker.queue={queue}", f"broker.exchange={EXCHANGE}")

    def publisher(self, cpu: int | None = 1) -> Publisher:
        """Start a publisher to the exchange; an instance has to have declared it before."""
        return Publisher([sys.executable, "-m", "bench.peers.amqp_publisher", self.url, EXCHANGE], cpu)


@contextmanager
def broker(cpu: int | None = 1) -> Iterator[Rabbit]:
    """Run a node on one CPU."""
    with RabbitNode() as node:
        if cpu is not None:
            pin(node.pid, cpu)
        yield Rabbit(node.url)
