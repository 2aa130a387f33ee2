"""What memory no longer holds, read back from the broker for those who come back.

Few read at once, however many ask. A free reader takes all who wait for about the same part of the log and
reads that once, page by page, until memory has the rest for each of them; who comes meanwhile, and is near,
waits for the next. What is asked for is given whole or not at all, and nothing is tried twice.

No client takes the readers from the others. Requests queue up fairly (:class:`pushd.readqueue.ReadQueue`), a
reader takes on what it comes past, and between two pages it lets a short request go first. The time in which
a request is answered counts from the asking.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import count
from math import inf

from twisted.internet.defer import CancelledError, Deferred, TimeoutError  # noqa: A004  # Twisted's own
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from pushd.history import History
from pushd.interfaces import Broker, Page, ReadError
from pushd.older import NOTHING, Older
from pushd.readqueue import ReadQueue, Request
from pushd.stats import Stats
from pushd.turns import Turns

__all__ = ["NOTHING", "Older", "Readers", "UnreadError"]

_log = Logger()

_PAGE = 1_000_000
"""Bytes of a page: some thousand messages, a few hundredths of a second."""

_LONGEST = 15.0
"""Seconds from the asking in which a request is answered."""

_FAR = 100_000
"""Offsets that are not read back: for one client they would keep this instance busy for seconds."""

_AHEAD = 1000
"""Offsets that are read beyond what memory has forgotten: it forgets more until those are served."""

_HELD = 32_000_000
"""Bytes that one reader holds, counted as the log counts; the oldest go first, and who needs them too."""


class UnreadError(Exception):
    """A request that is not granted.

    Attributes:
        reason: A short fixed name to count by: ``far``; ``gone``: not in the broker's log any more; ``long``:
            too many bytes; ``late``; ``broker``: it cannot be read; ``reset``: the log began anew.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


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
        self._queue = ReadQueue()
        # The requests that are not answered yet, by their deadlines, and the timer for the first one.
        self._open: OrderedDict[Request, None] = OrderedDict()
        self._timer: IDelayedCall | None = None
        self._due = False
        # Each reset of the log begins another life.
        self._life = 0
        self._reading: dict[Deferred[None], int] = {}  # and about where

    def fetch(self, after: int, channels: Collection[str], owner: object) -> Deferred[Older]:
        """Ask for everything on ``channels`` above ``after`` that memory does not hold.

        Args:
            after: An offset of the present log, not above its tip.
            channels: Names; :data:`pushd.message.BROADCAST` only when it is among them.
            owner: The client for which it is asked: each has its share of the readers.

        Returns:
            Fires in a later turn, within 15 seconds; fails with :class:`UnreadError`. May be cancelled.
        """
        cost = self._history.floor(channels) - after
        deadline = self._clock.seconds() + _LONGEST
        answer: Deferred[Older] = Deferred(lambda _: self._forget(request))
        request = Request(after, channels, owner, max(cost, 0), deadline, answer)
        if cost > _FAR:
            self._turns.add(self._refuse([request], "far"))
        else:
            self._enter(request)
        return answer

    def clear(self) -> None:
        """The log began anew: what was asked for means nothing any more."""
        if waiting := self._queue.clear():
            self._turns.add(self._refuse(waiting, "reset"))
        self._life += 1
        for reading in list(self._reading):
            reading.cancel()

    # Who asks.

    def _enter(self, request: Request) -> None:
        self._open[request] = None
        self._queue.add(request)
        if self._timer is None:
            self._timer = self._clock.callLater(_LONGEST, self._overdue)
        if not self._due and self._queue.may_begin(request, self._reading.values()):
            self._due = True
            self._clock.callLater(0, self._begin)

    def _forget(self, request: Request) -> None:
        """Wait for nothing on behalf of a request that was answered, or whose client has left."""
        self._queue.discard(request)
        self._open.pop(request, None)
        if not self._open and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _overdue(self) -> None:
        """Refuse the requests whose time is over, wherever they are, and wait for the next one's end."""
        now, late = self._clock.seconds(), []
        self._timer = None
        for request in self._open:
            if request.deadline > now:
                self._timer = self._clock.callLater(request.deadline - now, self._overdue)
                break
            late.append(request)
            self._queue.discard(request)
        for request in late:
            del self._open[request]
        self._turns.add(self._refuse(late, "late"))

    # Readers.

    def _begin(self) -> None:
        self._due = False
        while len(self._reading) < self._most and (requests := self._queue.take(self._reading.values())):
            reading = Deferred.fromCoroutine(self._serve(requests))
            self._reading[reading] = requests[0].after
            reading.addBoth(self._ended, reading)

    def _ended(self, _: object, reading: Deferred[None]) -> None:
        del self._reading[reading]
        self._begin()

    async def _serve(self, requests: list[Request], *, only: bool = False) -> None:
        """Read for ``requests``; refuse those that cannot be served.

        Args:
            requests: The requests. The reader adds those that it comes past.
            only: True: add none, and let no other request go first.
        """
        try:
            await self._read(requests, only=only)
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
        self._turns.add(self._refuse(list(requests), reason))

    async def _read(self, requests: list[Request], *, only: bool) -> None:
        at = min(request.after for request in requests)
        log = History(max_messages=_FAR, max_bytes=_HELD, max_age=inf)
        log.reset(at)
        for page_number in count():
            await self._in_turns(self._answer(list(requests), log, at))
            requests[:] = [request for request in requests if not request.answer.called]
            if not requests:
                return
            if not only:
                # It is this reader's turn: it reads a page before another request may go first.
                if page_number:
                    await self._give_way(at)
                requests += self._queue.take_from(at)
            wanted = frozenset[str]().union(*(request.channels for request in requests))
            forgotten = max(self._floor(request) for request in requests)
            page = await self._page(at, min(forgotten + _AHEAD, self._tip()), requests)
            if page.after > at:  # the broker's retention has been faster
                log.reset(page.after)
            for message in page.messages:
                if message.channel in wanted:
                    log.append(message, 0.0)
            at = page.reached
            log.evict(0.0, keep_above=at)

    async def _give_way(self, at: int) -> None:
        """Read first for a short request, if one waits that this reader will not come past at once."""
        short = self._queue.take((*self._reading.values(), at), short=True)
        if short:
            life = self._life
            await self._serve(short, only=True)
            if life != self._life:
                raise CancelledError

    async def _page(self, after: int, until: int, requests: Iterable[Request]) -> Page:
        left = max(request.deadline for request in requests) - self._clock.seconds()
        if left <= 0:
            raise TimeoutError
        return await self._broker.read(after, until, _PAGE).addTimeout(left, self._clock)

    def _floor(self, request: Request) -> int:
        return self._history.floor(request.channels)

    # Answers.

    def _answer(self, requests: Iterable[Request], log: History, at: int) -> Iterator[None]:
        """Answer whom ``log``, read up to ``at``, and memory together have everything for."""
        for request in requests:
            if not request.answer.called:
                self._answer_one(request, log, max(at, request.after))
            yield

    def _answer_one(self, request: Request, log: History, reached: int) -> None:
        if not log.holds(request.after, request.channels):
            self._refuse_one(request, "gone")
            return
        given = log.since(request.after, reached, request.channels, self._max_bytes) or []
        whole = len(given) == log.count(request.after, reached, request.channels)
        if not whole:
            reached = given[-1].offset
        if self._floor(request) <= reached:
            self._forget(request)
            request.answer.callback(Older(given, reached))
        elif not whole:
            self._refuse_one(request, "long")

    def _refuse(self, requests: Iterable[Request], reason: str) -> Iterator[None]:
        for request in requests:
            if not request.answer.called:
                self._refuse_one(request, reason)
            yield

    def _refuse_one(self, request: Request, reason: str) -> None:
        self._forget(request)
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
