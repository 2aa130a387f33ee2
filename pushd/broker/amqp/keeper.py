"""Keeps one connection to RabbitMQ in use for as long as the daemon runs.

Connect, work until something is lost, close, wait, connect to the next node. Twisted's ``ClientService``
does not fit: it resets its back-off before the login, leaves connections open whose preparation failed,
and waits for ever when the peer closes during it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any, NoReturn, TypeVar

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from pushd.broker.amqp.complaints import Complaints
from pushd.broker.amqp.faults import Lost, explain
from pushd.broker.amqp.link import Link
from pushd.broker.amqp.session import Session
from pushd.broker.backoff import Backoff

__all__ = ["Keeper", "Node"]

_log = Logger()

T = TypeVar("T")

_CONNECT = 10.0
"""Seconds to connect and log in."""

_PREPARE = 10.0
"""Seconds a session has to get everything it needs from the broker."""

_STABLE = 10.0
"""Seconds a session must have worked for the back-off to start over."""


@dataclass(frozen=True)
class Node:
    """A broker to connect to: how an operator reads it, and how it is done."""

    name: str
    connect: Callable[[], Coroutine[Any, Any, Link]]


class Keeper:
    """Has one session after the other.

    Args:
        clock: Runs the delays.
        nodes: Where to connect, tried in turn.
        purpose: What for: ``consuming``.
        prepare: Gets a session going; calls :meth:`works`, then or later, once it does what it is for.
        backoff: How long to wait between attempts.
        complaints: What has been logged already.

    Attributes:
        trouble: Why it does not work now, or ``""``.
    """

    def __init__(
        self,
        clock: IReactorTime,
        nodes: Sequence[Node],
        purpose: str,
        prepare: Callable[[Session], Coroutine[Any, Any, None]],
        *,
        backoff: Backoff,
        complaints: Complaints,
    ) -> None:
        self.trouble = "connecting"
        self._clock = clock
        self._nodes = nodes
        self._purpose = purpose
        self._prepare = prepare
        self._backoff = backoff
        self._complaints = complaints
        self._working_since: float | None = None
        self._stopping = False
        self._session: Session | None = None
        self._running: Deferred[None] = succeed(None)

    def start(self) -> None:
        """Begin, and keep at it."""
        self._running = Deferred.fromCoroutine(self._run())

    def stop(self) -> Deferred[None]:
        """End the session; fires when nothing is left open."""
        self.trouble = "stopping"
        self._stopping = True
        if self._session is not None:
            self._session.end(Lost(self.trouble))
        else:
            self._running.cancel()
        return self._running.addErrback(_cancelled)

    def interrupt(self, lost: Lost) -> None:
        """End the session that there is, to begin a new one."""
        if self._session is not None:
            self._session.end(lost)

    def works(self) -> None:
        """The session does what it is for, from now on."""
        self._working_since = self._clock.seconds()
        self.trouble = ""
        self._complaints.settled(self._purpose)

    async def _run(self) -> None:
        for node in cycle(self._nodes):
            await self._attempt(node)
            if self._stopping:
                return
            await deferLater(self._clock, self._backoff.delay(), lambda: None)

    async def _attempt(self, node: Node) -> None:
        try:
            link = await self._in_time(self._connect(node), _CONNECT)
        except Lost as lost:
            self._ended(node, lost)
        else:
            await self._use(link, node)

    async def _use(self, link: Link, node: Node) -> None:
        """Have a session on a connection, until it is over."""
        self._session = session = Session(link)
        session.watch(lambda lost: self._ended(node, lost))
        try:
            preparing = self._in_time(self._prepare(session), _PREPARE)
            session.watch(lambda _: preparing.cancel())
            await preparing
            await session.over()
        except (Lost, CancelledError) as error:
            session.end(explain(error))
        except Exception as error:  # noqa: BLE001  # whatever it is, the loop goes on
            _log.failure("{purpose} failed", purpose=self._purpose)
            session.end(explain(error))
        finally:
            await link.close()
            self._session = None

    async def _connect(self, node: Node) -> Link:
        try:
            return await node.connect()
        except Exception as error:  # of DNS, TCP, TLS or AMQP: whatever it is, the line says it
            raise explain(error) from error

    def _in_time(self, work: Coroutine[Any, Any, T], seconds: float) -> Deferred[T]:
        def late(_: object, seconds: float) -> NoReturn:
            raise Lost(f"the broker did not answer within {seconds:g} seconds")

        return Deferred.fromCoroutine(work).addTimeout(seconds, self._clock, late)

    def _ended(self, node: Node, lost: Lost) -> None:
        """Say why, once until it works again."""
        if self._stopping:
            return
        since, self._working_since = self._working_since, None
        if since is not None and self._clock.seconds() - since >= _STABLE:
            self._backoff.reset()
        self.trouble = f"{node.name}: {lost.reason}"
        if self._complaints.is_new(self.trouble, self._purpose):
            _log.warn("trouble with the broker at {trouble}", trouble=self.trouble)


def _cancelled(failure: Failure) -> None:
    failure.trap(CancelledError)
