"""A connection and its channels without a broker; what a test wants of them, it calls."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from pushd.broker.amqp.faults import Lost
from pushd.broker.amqp.keeper import Node
from pushd.broker.codec import Properties
from pushd.broker.mark import NONCE
from pushd.interfaces import PublishError
from pushd.message import Message

__all__ = ["NOTHING", "FakeChannel", "FakeLink", "FakeNode", "Heard", "Probes"]

NOTHING = dict.fromkeys(Properties.__annotations__)
"""The properties of a message that has none."""


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
    """A channel that answers at once, and remembers.

    Args:
        link: Its connection, whose broker may fall silent.
    """

    def __init__(self, link: FakeLink | None = None) -> None:
        super().__init__()
        self._link = link
        self.arguments: dict[str, object] | None = None
        self.published: list[tuple[str, str, dict[str, object], bytes]] = []
        self.calls: list[tuple[str, dict[str, object]]] = []
        self.refusals: dict[str, Lost] = {}
        self.acks: list[int] = []
        self.closed = False

    def call(self, method: str, **arguments: object) -> Deferred[Any]:
        """Answer at once, unless the broker is silent."""
        self.calls.append((method, arguments))
        refusal = self.refusals.get(method) or (self._link and self._link.refusals.get(method))
        if self._link is not None and not self._link.answers:
            self._link.unanswered.append(Deferred())
            return self._link.unanswered[-1]
        return fail(refusal) if refusal else succeed(SimpleNamespace(queue="amq.gen-1"))

    def consume(
        self, queue: str, deliver: Any, cancelled: Callable[[], None], arguments: dict[str, object]
    ) -> Deferred[Any]:
        """Keep the callbacks."""
        self.queue, self.deliver, self.cancelled, self.arguments = queue, deliver, cancelled, arguments
        return succeed(None)

    def record(self, offset: int, body: bytes = b"x", **headers: object) -> None:
        """Deliver a record of a stream; its tag is its offset. Marks come through the default exchange."""
        properties = {**NOTHING, "headers": {"x-stream-offset": offset, **headers}}
        exchange = "" if NONCE in headers else "x"
        self.deliver(offset, exchange, "", SimpleNamespace(**properties), body)

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
        self.received = 0
        self.answers = True
        self.refusals: dict[str, Lost] = {}
        self.unanswered: list[Deferred[Any]] = []
        self.on_blocked: list[Callable[[], None]] = []
        self.channels: list[FakeChannel] = []
        self.closing: Deferred[None] | None = None

    def channel(self) -> Deferred[Any]:
        """Open a fake one, unless the connection is gone."""
        if self.lost is not None:
            return fail(self.lost)
        channel = FakeChannel(self)
        self.channels.append(channel)
        return succeed(channel)

    def lose(self, reason: str = "gone", code: int = 0) -> None:
        """Have it end, and what is open on it."""
        for channel in self.channels:
            if channel.lost is None:
                channel.lose(reason, code)
        super().lose(reason, code)

    def watch_blocked(self, blocked: Callable[[], None]) -> None:
        """Keep the callback."""
        self.on_blocked.append(blocked)

    def block(self, why: str) -> None:
        """Have the broker take no publications."""
        self.blocked = why
        for blocked in self.on_blocked:
            blocked()

    def answer(self) -> None:
        """Answer again, also what was called meanwhile."""
        self.answers = True
        unanswered, self.unanswered = self.unanswered, []
        for each in unanswered:
            each.callback(SimpleNamespace())

    @property
    def consumers(self) -> list[FakeChannel]:
        """The channels that something is consumed on."""
        return [channel for channel in self.channels if channel.arguments is not None]

    def calls(self, method: str) -> list[dict[str, object]]:
        """With what a method was called, on whichever channel."""
        return [
            arguments for channel in self.channels for called, arguments in channel.calls if called == method
        ]

    def close(self) -> Deferred[None]:
        """Note it."""
        self.closing = Deferred()
        self.watch(lambda _: self.closing and self.closing.callback(None))
        return self.closing


class FakeNode:
    """A broker that every attempt to connect to makes a fresh connection with."""

    def __init__(self) -> None:
        self.links: list[FakeLink] = []
        self.nodes: Any = [Node("here", self.connect)]

    async def connect(self) -> FakeLink:
        """Connect at once."""
        self.links.append(FakeLink())
        return self.links[-1]

    @property
    def link(self) -> FakeLink:
        """The newest connection."""
        return self.links[-1]


class Heard:
    """Everything that a broker tells, in order."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, object]] = []
        self.fails = False

    def reset(self, offset: int) -> None:
        """See :class:`pushd.interfaces.BrokerEvents`."""
        self._add("reset", offset)

    def message(self, message: Message) -> None:
        """See :class:`pushd.interfaces.BrokerEvents`."""
        self._add("message", (message.offset, message.body))

    def attached(self, epoch: str) -> None:
        """See :class:`pushd.interfaces.BrokerEvents`."""
        self._add("attached", epoch)

    def detached(self, reason: str) -> None:
        """See :class:`pushd.interfaces.BrokerEvents`."""
        self._add("detached", reason)

    def told(self, kind: str) -> list[Any]:
        """Give what was told of one kind."""
        return [value for each, value in self.seen if each == kind]

    def _add(self, kind: str, value: object) -> None:
        self.seen.append((kind, value))
        if self.fails:
            raise RuntimeError("the listener's own fault")


class Probes:
    """A publisher of probes: they are confirmed at once, unless a test wants it otherwise."""

    def __init__(self) -> None:
        self.sent = 0
        self.error: Exception | None = None

    async def probe(self) -> None:
        """Count it."""
        self.sent += 1
        if self.error is not None:
            raise self.error

    def refuse(self, code: int) -> None:
        """Have the broker refuse what comes."""
        self.error = PublishError("not confirmed: refused", temporary=True)
        self.error.__cause__ = Lost("refused", code)
