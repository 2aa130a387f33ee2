"""RabbitMQ as a broker. Only ``wire`` and ``link`` in here know pika."""

from __future__ import annotations

from pushd.broker.amqp.broker import AmqpBroker

__all__ = ["AmqpBroker"]
