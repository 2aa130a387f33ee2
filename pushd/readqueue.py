"""Requests to read back that wait for a reader: in a fair order, and found by their place in the log.

The requests of one client queue up behind each other, and those of several clients side by side (start-time
fair queueing). A request counts the offsets that a reader has to read for it. So a client that asks for much
waits, and no other client waits for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import count

from twisted.internet.defer import Deferred

from pushd.older import Older

__all__ = ["NEAR", "ReadQueue", "Request"]

NEAR = 10_000
"""Offsets between two requests that one reader serves together. A request for no more is short."""

_STALE = 100
"""Entries of requests that do not wait any more, kept until their turn comes; more are cleared away."""


@dataclass(slots=True, eq=False)
class Request:
    """One request.

    Attributes:
        after: Offset after which everything is asked for.
        channels: Names.
        owner: The client for which it is made.
        cost: Offsets that have to be read.
        deadline: Reactor time by which it is answered, in seconds.
        answer: Fires with the answer.
    """

    after: int
    channels: Collection[str]
    owner: object
    cost: int
    deadline: float
    answer: Deferred[Older]

    @property
    def short(self) -> bool:
        """True if a reader is done with it after a page or a few."""
        return self.cost <= NEAR


class ReadQueue:
    """The requests that no reader has taken yet."""

    def __init__(self) -> None:
        self._waiting: dict[Request, float] = {}
        self._by_place: dict[int, dict[Request, None]] = {}
        # Short requests have a heap of their own: a reader of a long one looks for them between its pages.
        self._heaps: dict[bool, list[tuple[float, int, Request]]] = {True: [], False: []}
        self._serial = count()
        # The virtual time: the start of the request that was taken last, in offsets read for each client.
        self._now = 0.0
        # For each client with a waiting request: the virtual end of its last one, and the number of them.
        self._clients: dict[object, tuple[float, int]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, request: Request) -> bool:
        return request in self._waiting

    def add(self, request: Request) -> None:
        """Add a request behind those of the same client."""
        done, number = self._clients.get(request.owner, (0.0, 0))
        start = max(done, self._now)
        self._clients[request.owner] = (start + request.cost, number + 1)
        self._waiting[request] = start
        self._by_place.setdefault(request.after // NEAR, {})[request] = None
        heap = self._heaps[request.short]
        heappush(heap, (start, next(self._serial), request))
        if len(heap) > 2 * len(self._waiting) + _STALE:
            heap[:] = [entry for entry in heap if entry[2] in self._waiting]
            heapify(heap)

    def discard(self, request: Request) -> None:
        """Remove a request, if it waits."""
        if self._waiting.pop(request, None) is None:
            return
        place = request.after // NEAR
        del self._by_place[place][request]
        if not self._by_place[place]:
            del self._by_place[place]
        done, number = self._clients.pop(request.owner)
        if number > 1:
            self._clients[request.owner] = (done, number - 1)

    def clear(self) -> list[Request]:
        """Remove and return all."""
        requests = list(self._waiting)
        for request in requests:
            self.discard(request)
        return requests

    def take(self, busy: Collection[int], *, short: bool = False) -> list[Request]:
        """Remove and return the request that is next, first, and all that are near it.

        Args:
            busy: Offsets from which readers have begun: what is near them waits until they are done.
            short: True: only short requests are taken, and none that begins before the first.

        Returns:
            No request if none can begin.
        """
        heaps = [self._heaps[True]] if short else list(self._heaps.values())
        first = self._first(heaps, busy)
        if first is None:
            return []
        self._now = max(self._now, self._waiting[first])
        rest = self._between(first.after - (0 if short else NEAR), first.after + NEAR)
        near = [request for request in rest if request is not first and (request.short or not short)]
        return self._remove([first, *near])

    def take_from(self, after: int) -> list[Request]:
        """Remove and return the requests for which a reader that has come to ``after`` is just in time."""
        return self._remove(self._between(after, after + NEAR))

    def may_begin(self, request: Request, busy: Iterable[int]) -> bool:
        """Return True if ``request`` is not near one of ``busy``."""
        return all(abs(request.after - place) > NEAR for place in busy)

    def _first(self, heaps: list[list[tuple[float, int, Request]]], busy: Collection[int]) -> Request | None:
        """Return the request that is next and can begin; those that cannot stay where they are."""
        passed: list[tuple[float, int, Request]] = []
        found = None
        while found is None and (heap := min(filter(None, heaps), default=None)):
            entry = heappop(heap)
            if entry[2] in self._waiting:
                passed.append(entry)
                found = entry[2] if self.may_begin(entry[2], busy) else None
        for entry in passed:
            if entry[2] is not found:
                heappush(self._heaps[entry[2].short], entry)
        return found

    def _between(self, first: int, last: int) -> list[Request]:
        places = range(first // NEAR, last // NEAR + 1)
        return [
            request
            for place in places
            for request in self._by_place.get(place, ())
            if first <= request.after <= last
        ]

    def _remove(self, requests: list[Request]) -> list[Request]:
        for request in requests:
            self.discard(request)
        return requests
