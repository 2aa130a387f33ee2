"""Several instances of pushd on one broker, behind the shipped nginx."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from tests.support.daemon import Daemon, start_all
from tests.support.nginx import ORIGINAL_LOCATION, Nginx

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.rabbitmq import RabbitNode

__all__ = ["Cluster", "vhost_url"]


def vhost_url(rabbit: RabbitNode) -> str:
    """Give the address of a new, empty virtual host: nothing of another test is in it."""
    return f"amqp://guest:guest@{rabbit.host}:{rabbit.port}/{rabbit.add_vhost()}"


class Cluster:
    """Instances and the nginx in front of them; a context manager that returns when all are ready.

    Args:
        broker: The address of the virtual host.
        instances: How many; they are named 8091, 8092, …
        settings: More configuration for all of them.

    Attributes:
        daemons: The instances.
        nginx: The shipped configuration plus the location of the original system.
        broker: As given.
    """

    def __init__(self, broker: str, instances: int, settings: Mapping[str, str] | None = None) -> None:
        self.broker = broker
        keys = {"broker.url": broker, **(settings or {})}
        self.daemons = [Daemon(str(8091 + i), keys) for i in range(instances)]
        self.nginx = Nginx([daemon.public for daemon in self.daemons], ORIGINAL_LOCATION)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for daemon in self.daemons:
                stack.callback(daemon.close)
            start_all(self.daemons)
            stack.enter_context(self.nginx)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def url(self, path: str, scheme: str = "ws") -> str:
        """Give the address of a path through nginx."""
        return f"{scheme}://{self.nginx.address}{path}"

    def complete(self) -> None:
        """Start whatever a test has ended, and return when all are ready."""
        start_all([daemon for daemon in self.daemons if not daemon.running])
