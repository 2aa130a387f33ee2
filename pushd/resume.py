"""What memory no longer holds, read back from the broker for those who come back.

Few read at once, however many ask. A free reader takes all who wait for about the same part of the log and
reads that once, page by page, until memory has the rest for each of them; who comes meanwhile, and is near,
waits for the next. What is asked for is given whole or not at all, and nothing is tried twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf

from twisted.internet.defer import CancelledError, Deferred, TimeoutError  # noqa: A004  # Twisted's own
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pushd.history import History, cut
from pushd.interfaces import Broker, Page, ReadError
from pushd.message import Message
from pushd.stats import Stats
from pushd.turns import Turns

__all__ = ["NOTHING", "Older", "Readers", "UnreadError"]

_log = Logger()

_PAGE = 1_000_000
"""Bytes of a page: some thousand messages, a few hundredths of a second."""

_LONGEST = 15.0
"""Seconds after which a reader gives up."""

_FAR = 100_000
"""Offsets that are not read back: for one client they would keep this instance busy for seconds."""

_NEAR = 10_000
"""Offsets between two requests that one reader still serves together."""

_AHEAD = 1000
"""Offsets that are read beyond what memory has forgotten: it forgets more until those are served."""

_HELD = 32_000_000
"""Bytes that one reader holds, counted as the log counts; the oldest go first, and who needs them too."""


@dataclass(frozen=True, slots=True)
class Older:
    """What was read back for one request.

    Attributes:
        messages: Everything asked for up to ``reached``, in offset order.
        reached: From here on memory holds the rest, in the reactor turn in which this is given.
    """

    messages: list[Message]
    reached: int


NOTHING = Older([], -1)
"""In place of what could not be read back: nowhere does memory hold all the rest."""


class UnreadError(Exception):
    """A request that is not granted.

    Attributes:
        reason: A short fixed name to count by: ``far``; ``gone``: not in the broker's log any more; ``long``:
            too many bytes; ``late``; ``broker``: it cannot be read; ``reset``: the log began anew.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    after: int
    channels: Collection[str]
    answer: Deferred[Older]


class Readers:
    """Those who read back.

    Args:
        history: The log in memory.
        broker: Holds more of it.
        stats: Counts refusals.
        clock: Measures.
        turns: Runs what takes long.
        tip: Gives the offset that nobody needs to read beyond.
        most: How many read at once.
        max_bytes: Most bytes of bodies given to one request, give or take a message.
    """

    def __init__(
        self, history: History, broker: Broker, stats: Stats, clock: IReactorTime, turns: Turns,
        *, tip: Callable[[], int], most: int, max_bytes: int,
    ) -> None:  # fmt: skip
        self._history = history
        self._broker = broker
        self._stats = stats
        self._clock = clock
        self._turns = turns
        self._tip = tip
        self._most = most
        self._max_bytes = max_bytes
        self._waiting: dict[_Request, None] = {}
        self._due = False
        self._reading: dict[Deferred[None], int] = {}  # and about where

    def fetch(self, after: int, channels: Collection[str]) -> Deferred[Older]:
        """Ask for everything on ``channels`` above ``after`` that memory does not hold.

        Args:
            after: An offset of the present log, not above its tip.
            channels: Names; :data:`pushd.message.BROADCAST` only when it is among them.

        Returns:
            Fires in a later turn; fails with :class:`UnreadError`. May be cancelled.
        """
        request = _Request(after, channels, Deferred(lambda _: self._waiting.pop(request, None)))
        if self._history.floor(channels) - after > _FAR:
            self._turns.add(self._refuse([request], "far"))
        else:
            self._waiting[request] = None
            if not self._due and self._may_begin(request):
                self._due = True
                self._clock.callLater(0, self._begin)
        return request.answer

    def clear(self) -> None:
        """The log began anew: what was asked for means nothing any more."""
        if self._waiting:
            self._turns.add(self._refuse(list(self._waiting), "reset"))
            self._waiting.clear()
        for reading in list(self._reading):
            reading.cancel()

    def _begin(self) -> None:
        self._due = False
        while len(self._reading) < self._most and (requests := self._take()):
            reading = Deferred.fromCoroutine(self._serve(requests))
            self._reading[reading] = requests[0].after
            reading.addBoth(self._ended, reading)

    def _take(self) -> list[_Request]:
        """Take who has waited longest and is not near what is being read, and all who are near that one."""
        for first in self._waiting:
            if self._may_begin(first):
                near = [request for request in self._waiting if _near(request.after, first.after)]
                for request in near:
                    del self._waiting[request]
                return near
        return []

    def _may_begin(self, request: _Request) -> bool:
        return not any(_near(request.after, place) for place in self._reading.values())

    def _ended(self, _: object, reading: Deferred[None]) -> None:
        del self._reading[reading]
        self._begin()

    async def _serve(self, requests: Sequence[_Request]) -> None:
        try:
            await self._read(requests)
        except CancelledError:
            reason = "reset"
        except TimeoutError:
            reason = "late"
        except ReadError:
            reason = "broker"
        except Exception:  # noqa: BLE001  # whatever it is, it ends this reading only
            _log.failure("reading back failed")
            reason = "broker"
        else:
            return
        self._turns.add(self._refuse(requests, reason))

    async def _read(self, requests: Sequence[_Request]) -> None:
        deadline = self._clock.seconds() + _LONGEST
        wanted = frozenset[str]().union(*(request.channels for request in requests))
        at = min(request.after for request in requests)
        log = History(max_messages=_FAR, max_bytes=_HELD, max_age=inf)
        log.reset(at)
        while True:
            await self._in_turns(self._answer(requests, log, at))
            requests = [request for request in requests if not request.answer.called]
            if not requests:
                return
            forgotten = max(self._floor(request) for request in requests)
            page = await self._page(at, min(forgotten + _AHEAD, self._tip()), deadline)
            if page.after > at:  # the broker's retention has been faster
                log.reset(page.after)
            for message in page.messages:
                if message.channel in wanted:
                    log.append(message, 0.0)
            at = page.reached
            log.evict(0.0, keep_above=at)

    async def _page(self, after: int, until: int, deadline: float) -> Page:
        left = deadline - self._clock.seconds()
        if left <= 0:
            raise TimeoutError
        return await self._broker.read(after, until, _PAGE).addTimeout(left, self._clock)

    def _floor(self, request: _Request) -> int:
        return self._history.floor(request.channels)

    def _answer(self, requests: Iterable[_Request], log: History, at: int) -> Iterator[None]:
        """Answer whom ``log``, read up to ``at``, and memory together have everything for."""
        for request in requests:
            if not request.answer.called:
                self._answer_one(request, log, max(at, request.after))
            yield

    def _answer_one(self, request: _Request, log: History, reached: int) -> None:
        if not log.holds(request.after, request.channels):
            self._refuse_one(request, "gone")
            return
        found = log.since(request.after, reached, request.channels) or []
        given = cut(found, self._max_bytes)
        if len(given) < len(found):
            reached = given[-1].offset
        if self._floor(request) <= reached:
            request.answer.callback(Older(given, reached))
        elif len(given) < len(found):
            self._refuse_one(request, "long")

    def _refuse(self, requests: Iterable[_Request], reason: str) -> Iterator[None]:
        for request in requests:
            if not request.answer.called:
                self._refuse_one(request, reason)
            yield

    def _refuse_one(self, request: _Request, reason: str) -> None:
        self._stats.unread[reason] += 1
        request.answer.errback(UnreadError(reason))

    def _in_turns(self, job: Iterator[None]) -> Deferred[None]:
        """Run ``job`` in short turns; fires at its end, and leaves off when cancelled."""
        done: Deferred[None] = Deferred()

        def steps() -> Iterator[None]:
            try:
                for _ in job:
                    yield
                    if done.called:
                        return
            except Exception:  # noqa: BLE001  # handed on
                done.errback()
            else:
                done.callback(None)

        self._turns.add(steps())
        return done


def _near(one: int, other: int) -> bool:
    return abs(one - other) <= _NEAR
