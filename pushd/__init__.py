"""pushd: a WebSocket push daemon for back ends that speak RabbitMQ."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
