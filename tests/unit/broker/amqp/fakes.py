"""A connection and its channels without a broker; what a test wants of them, it calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from pushd.broker.amqp.faults import Lost

__all__ = ["FakeChannel", "FakeLink"]


class _Watched:
    def __init__(self) -> None:
        self.lost: Lost | None = None
        self._watchers: list[Callable[[Lost], None]] = []

    def watch(self, ended: Callable[[Lost], None]) -> None:
        if self.lost is None:
            self._watchers.append(ended)
        else:
            ended(self.lost)

    def lose(self, reason: str = "gone", code: int = 0) -> None:
        """Have it end."""
        self.lost = Lost(reason, code)
        watchers, self._watchers = self._watchers, []
        for ended in watchers:
            ended(self.lost)


class FakeChannel(_Watched):
    """A channel that answers at once, and remembers."""

    def __init__(self) -> None:
        super().__init__()
        self.published: list[tuple[str, str, dict[str, object], bytes]] = []
        self.calls: list[tuple[str, dict[str, object]]] = []
        self.refusals: dict[str, Lost] = {}
        self.acks: list[int] = []

    def call(self, method: str, **arguments: object) -> Deferred[Any]:
        """Answer at once."""
        self.calls.append((method, arguments))
        refusal = self.refusals.get(method)
        return fail(refusal) if refusal else succeed(None)

    def confirm(
        self, settled: Callable[[int, bool, bool], None], returned: Callable[[str, str, str], None]
    ) -> Deferred[Any]:
        """Keep the callbacks."""
        self.settled, self.returned = settled, returned
        return succeed(None)

    def publish(self, exchange: str, routing_key: str, properties: dict[str, object], body: bytes) -> None:
        """Keep it."""
        if self.lost is not None:
            raise self.lost
        self.published.append((exchange, routing_key, properties, body))

    def ack(self, tag: int) -> None:
        """Keep it."""
        self.acks.append(tag)

    def close(self) -> None:
        """Note it."""
        self.closed = True


class FakeLink(_Watched):
    """A connection whose channels are fakes."""

    def __init__(self) -> None:
        super().__init__()
        self.blocked = ""
        self.channels: list[FakeChannel] = []
        self.closing: Deferred[None] | None = None

    def channel(self) -> Deferred[Any]:
        """Open a fake one."""
        channel = FakeChannel()
        self.channels.append(channel)
        return succeed(channel)

    def close(self) -> Deferred[None]:
        """Note it."""
        self.closing = Deferred()
        self.watch(lambda _: self.closing and self.closing.callback(None))
        return self.closing
