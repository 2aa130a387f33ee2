"""pushd.broker.amqp.topology; what RabbitMQ makes of it is in tests/integration/test_broker_faults.py."""

from __future__ import annotations

from pushd.broker.amqp.topology import segment_bytes


def test_segments() -> None:
    """A stream has about twenty segments, none too small to be worth a file or larger than RabbitMQ's own."""
    assert segment_bytes(1_000_000_000) == 50_000_000
    assert segment_bytes(1000) == 65536
    assert segment_bytes(10**12) == 500_000_000
