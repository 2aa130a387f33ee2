"""Runs a peer's publishing schedule in Twisted's reactor."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.stdio import StandardIO
from twisted.internet.task import deferLater
from twisted.protocols.basic import LineOnlyReceiver

from bench.peers.contract import Order, parse_order, say, schedule, start_time

__all__ = ["Publish", "obey"]


Publish = Callable[[Sequence[bytes], Order], None]
"""Publishes one burst of an order."""


class _Commands(LineOnlyReceiver):
    """Standard input, read line by line.

    Args:
        reactor: Keeps the schedule.
        publish: Takes one burst.
        stats: Gives what this peer counted, for the command ``stats``.
    """

    delimiter = b"\n"

    def __init__(
        self,
        reactor: IReactorTime,
        publish: Publish,
        stats: Callable[[], dict[str, object]],
    ) -> None:
        self._reactor = reactor
        self._publish = publish
        self._stats = stats
        self.ended: Deferred[None] = Deferred()

    def lineReceived(self, line: bytes) -> None:
        """Carry out one command."""
        if line == b"stats":
            say("stats", **self._stats())
        else:
            ensureDeferred(self._run(line.decode())).addErrback(
                lambda why: say("error", reason=repr(why.value))
            )

    async def _run(self, line: str) -> None:
        order = parse_order(line)
        late = 0.0
        for burst in schedule(order, start_time()):
            pause: Deferred[None] = deferLater(self._reactor, burst.wait())
            await pause
            late = max(late, burst.late())
            self._publish(burst.payloads, order)
        say("published", messages=order.messages, late=late)

    def connectionLost(self, *_: object) -> None:
        """The harness wants no more."""
        self.ended.callback(None)


def obey(
    reactor: IReactorTime, publish: Publish, stats: Callable[[], dict[str, object]] = dict
) -> Deferred[None]:
    """Carry out the commands on standard input; fires when it ends."""
    commands = _Commands(reactor, publish, stats)
    StandardIO(commands, reactor=reactor)
    return commands.ended
