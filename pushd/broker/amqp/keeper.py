"""Keeps one connection to RabbitMQ in use for as long as the daemon runs.

Connect, work until something is lost, close, connect to the next node. A wait comes only when every node has
had its turn. Twisted's ``ClientService``
does not fit: it resets its back-off before the login, leaves connections open whose preparation failed,
and waits for ever when the peer closes during it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from pushd.broker.amqp.complaints import Complaints
from pushd.broker.amqp.faults import Lost, explain
from pushd.broker.amqp.link import Link
from pushd.broker.amqp.race import race
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

_STAGGER = 0.5
"""Seconds a node has for itself before the next one is tried beside it: a dead node says nothing for long."""

_PAUSE = 0.1
"""Seconds before the next node is tried while not every node has had its turn."""

_APART = 1.0
"""Seconds between two attempts that do not wait for the back-off."""


@dataclass(frozen=True)
class Node:
    """A broker to connect to: how an operator reads it, and how it is done."""

    name: str
    connect: Callable[[], Coroutine[Any, Any, Link]]


class Keeper:
    """Has one session after the other.

    Args:
        clock: Runs the delays.
        nodes: Where to connect, tried in turn; one that does not answer at once has the next beside it.
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
        self._next = 0  # the node to begin with
        self._failures = 0  # since every node had its turn
        self._at_once = False
        self._began_at = self._hurried_at = -_STABLE
        self._delay: Deferred[None] | None = None
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

    def hurry(self) -> None:
        """Cut the back-off short: there is reason to believe that the broker is back.

        An attempt still begins a second after the last one at the earliest.
        """
        if self._delay is not None and self._clock.seconds() - self._began_at >= _APART:
            delay, self._delay = self._delay, None
            delay.callback(None)

    async def _run(self) -> None:
        while True:
            self._began_at, self._at_once = self._clock.seconds(), False
            await self._attempt()
            if self._stopping:
                return
            await self._wait(self._pause())

    async def _wait(self, seconds: float) -> None:
        self._delay = Deferred(lambda _: later.cancel())
        later = self._clock.callLater(seconds, self._delay.callback, None)
        try:
            await self._delay
        finally:
            self._delay = None
            if later.active():
                later.cancel()

    def _pause(self) -> float:
        """Return the seconds to wait now."""
        now = self._clock.seconds()
        if self._at_once and now - self._hurried_at >= _STABLE:
            self._hurried_at = now
            self._backoff.reset()  # the outage that it counted is over: the broker answered
            return 0.0
        if self._failures < len(self._nodes):
            return _PAUSE
        self._failures = 0
        return self._backoff.delay()

    async def _attempt(self) -> None:
        """Have a session with the first node that answers, if any does."""
        count = len(self._nodes)
        order = [(self._next + index) % count for index in range(count)]
        try:
            index, link = await race(self._clock, _STAGGER, order, self._reach)
        except Lost:
            self._failures = count
        else:
            await self._use(link, self._nodes[index])
            self._next = index if self._at_once else (index + 1) % count
            self._failures += 1

    async def _reach(self, index: int) -> Link:
        """Connect to a node, and say why if that fails."""
        node = self._nodes[index]
        try:
            return await self._in_time(self._connect(node), _CONNECT)
        except CancelledError:
            self._complain(f"{node.name}: the broker does not answer, another node is used")
            raise
        except Lost as lost:
            self._ended(node, lost)
            raise

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
        except CancelledError:
            raise
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
        self._at_once = lost.at_once
        if since is not None and self._clock.seconds() - since >= _STABLE:
            self._backoff.reset()
        self.trouble = f"{node.name}: {lost.reason}"
        self._complain(self.trouble)

    def _complain(self, trouble: str) -> None:
        if not self._stopping and self._complaints.is_new(trouble, self._purpose):
            _log.warn("trouble with the broker at {trouble}", trouble=trouble)


def _cancelled(failure: Failure) -> None:
    failure.trap(CancelledError)
