"""Fixtures for all tests. Nothing is started before a test asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.rabbitmq import RabbitNode


@pytest.fixture(scope="session")
def rabbit() -> Iterator[RabbitNode]:
    """One RabbitMQ node for the whole run; tests keep apart by virtual hosts or unused names."""
    with RabbitNode() as node:
        yield node
