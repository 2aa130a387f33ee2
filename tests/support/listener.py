"""Hears what a broker tells, and lets a test wait for it. Runs in the reactor thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet import reactor  # noqa: TID251  # the tests run in it
from twisted.internet.defer import Deferred

if TYPE_CHECKING:
    from collections.abc import Callable

    from pushd.interfaces import Broker
    from pushd.message import Message

__all__ = ["Listener"]


class Listener:
    """Everything a broker tells, in order.

    Args:
        acknowledges: Whether each message is finished at once.

    Attributes:
        seen: The events as tuples: ``("reset", offset)``, ``("message", body)``, ``("attached", epoch)``,
            ``("detached", reason)``.
        messages: The messages among them.
    """

    def __init__(self, *, acknowledges: bool = True) -> None:
        self.seen: list[tuple[str, object]] = []
        self.messages: list[Message] = []
        self.broker: Broker | None = None
        self._acknowledges = acknowledges
        self._waiting: list[tuple[Callable[[], object], Deferred[None]]] = []

    @property
    def bodies(self) -> list[bytes]:
        """The bodies of the messages."""
        return [message.body for message in self.messages]

    @property
    def epochs(self) -> list[object]:
        """The epochs it was attached to."""
        return self.told("attached")

    def told(self, kind: str) -> list[object]:
        """What was told of one kind."""
        return [value for each, value in self.seen if each == kind]

    def until(self, probe: Callable[[], object], timeout: float = 30.0) -> Deferred[None]:
        """Fire once ``probe`` is true, at once or after one of the next events."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append((probe, waiting))
        self._look()
        return waiting.addTimeout(timeout, reactor, self._late)

    def ready(self, times: int = 1) -> Deferred[None]:
        """Fire once it has been attached that often."""
        return self.until(lambda: len(self.epochs) >= times)

    def received(self, count: int) -> Deferred[None]:
        """Fire once there are that many messages."""
        return self.until(lambda: len(self.messages) >= count)

    # What a broker calls.

    def reset(self, offset: int) -> None:
        """See :class:`pushd.interfaces.BrokerEvents`."""
        self._add("reset", offset)

    def message(self, message: Message) -> None:
        """See :class:`pushd.interfaces.BrokerEvents`."""
        self.messages.append(message)
        if self._acknowledges and self.broker is not None:
            self.broker.ack(message.offset)
        self._add("message", message.body)

    def attached(self, epoch: str) -> None:
        """See :class:`pushd.interfaces.BrokerEvents`."""
        self._add("attached", epoch)

    def detached(self, reason: str) -> None:
        """See :class:`pushd.interfaces.BrokerEvents`."""
        self._add("detached", reason)

    def _add(self, kind: str, value: object) -> None:
        self.seen.append((kind, value))
        self._look()

    def _look(self) -> None:
        for each in list(self._waiting):
            if each[0]():
                self._waiting.remove(each)
                each[1].callback(None)

    def _late(self, _: object, seconds: float) -> None:
        shown = [item for item in self.seen if item[0] != "message"][-10:]
        raise AssertionError(
            f"not within {seconds:g} s; {len(self.messages)} messages, last other events: {shown}"
        )
