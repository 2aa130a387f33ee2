"""One connection's time in use, ended by the first thing that goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from pushd.broker.amqp.faults import Lost, explain
from pushd.broker.amqp.link import Link

__all__ = ["Session"]

_log = Logger()


class Session:
    """A connection, what is done on it, and how that ended.

    Args:
        link: The connection; its end is the session's.

    Attributes:
        link: The same.
        lost: Why it is over, or ``None``.
    """

    def __init__(self, link: Link) -> None:
        self.link = link
        self.lost: Lost | None = None
        self._watchers: list[Callable[[Lost], None]] = []
        self._work: set[Deferred[None]] = set()
        link.watch(self.end)

    def watch(self, ended: Callable[[Lost], None]) -> None:
        """Have ``ended`` called once it is over, or now if it is."""
        if self.lost is None:
            self._watchers.append(ended)
        else:
            ended(self.lost)

    def over(self) -> Deferred[None]:
        """Fail with the reason once it is over."""
        over: Deferred[None] = Deferred()
        self.watch(over.errback)
        return over

    def end(self, lost: Lost) -> None:
        """Have it over, unless it is."""
        if self.lost is not None:
            return
        self.lost = lost
        for work in list(self._work):
            work.cancel()
        for ended in self._watchers:
            ended(lost)

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> Deferred[None]:
        """Have something done on the side: when it fails the session is over, and the other way round.

        Returns:
            The work, to be cancelled when it is not needed any more.
        """
        work = Deferred.fromCoroutine(coroutine)
        self._work.add(work)
        work.addErrback(self._failed)
        work.addBoth(lambda _: self._work.discard(work))
        if self.lost is not None:
            work.cancel()
        return work

    def _failed(self, failure: Failure) -> None:
        if failure.check(CancelledError):
            return
        if not failure.check(Lost):
            _log.failure("work on a connection to the broker failed", failure)
        self.end(explain(cast("Exception", failure.value)))
