"""The first of several attempts that works, each begun a little after the one before.

RFC 8305 ("happy eyeballs") does this with addresses: a dead one costs the stagger, not its whole timeout.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

__all__ = ["race"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def race(
    clock: IReactorTime,
    stagger: float,
    items: Sequence[Item],
    attempt: Callable[[Item], Coroutine[Any, Any, Result]],
) -> Deferred[tuple[Item, Result]]:
    """Begin an attempt with each item in turn until one works; the others are cancelled.

    Args:
        clock: Runs the stagger.
        stagger: Seconds after which the next attempt begins beside those under way. It begins at once when
            none is under way.
        items: What to try, at least one.
        attempt: Tries one. It leaves nothing open when it is cancelled.

    Returns:
        The item that worked, with its result; fails with the last attempt's failure when none works. May be
        cancelled.
    """
    return _Race(clock, stagger, items, attempt).result


class _Race:
    def __init__(self, clock: IReactorTime, stagger: float, items: Sequence[Any], attempt: Any) -> None:
        self.result: Deferred[Any] = Deferred(lambda _: self._end())
        self._clock = clock
        self._stagger = stagger
        self._waiting = list(items)
        self._attempt = attempt
        self._running: list[Deferred[Any]] = []
        self._later: IDelayedCall | None = None
        self._begin()

    def _begin(self) -> None:
        """Begin the next attempt, and have the one after it begin later."""
        self._cancel_later()
        item = self._waiting.pop(0)
        running = Deferred.fromCoroutine(self._attempt(item))
        self._running.append(running)
        if self._waiting:
            self._later = self._clock.callLater(self._stagger, self._begin)
        running.addCallbacks(self._worked, self._failed, callbackArgs=(item, running), errbackArgs=(running,))

    def _worked(self, result: Any, item: Any, running: Deferred[Any]) -> None:
        self._running.remove(running)
        self._end()
        self.result.callback((item, result))

    def _failed(self, failure: Failure, running: Deferred[Any]) -> None:
        if running not in self._running:  # it was cancelled here
            return
        self._running.remove(running)
        if self._running:
            return
        if self._waiting:
            self._begin()
        else:
            self.result.errback(failure)

    def _end(self) -> None:
        """Cancel everything that is under way or would begin."""
        self._cancel_later()
        self._waiting.clear()
        running, self._running = self._running, []
        for each in running:
            each.cancel()

    def _cancel_later(self) -> None:
        if self._later is not None and self._later.active():
            self._later.cancel()
