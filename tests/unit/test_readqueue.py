"""The queue of requests to read back: fair among clients, and found by place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest
from twisted.internet.defer import Deferred

from pushd.readqueue import NEAR, ReadQueue, Request

FAR = 10 * NEAR


def request(after: int, owner: object, cost: int = 1) -> Request:
    """Return a request for channel ``a``."""
    return Request(after, ("a",), owner, cost, 15.0, Deferred())


def queue(*requests: Request) -> ReadQueue:
    """Return a queue with these."""
    made = ReadQueue()
    for each in requests:
        made.add(each)
    return made


def taken(made: ReadQueue, busy: Iterable[int] = ()) -> list[tuple[object, int]]:
    """Return the owner and offset of each request that is taken, in order, group by group."""
    order = []
    while group := made.take(list(busy)):
        order += [(each.owner, each.after) for each in group]
    return order


def test_clients_take_turns() -> None:
    """The second request of a client waits for the first one of all others."""
    made = queue(*(request(place * FAR, "a") for place in range(3)), request(3 * FAR, "b"))
    assert [("a", 0), ("b", 3 * FAR), ("a", FAR), ("a", 2 * FAR)] == taken(made)
    assert 0 == len(made)


def test_cost_counts() -> None:
    """A client that has had a long reading is behind a client that has had several short ones."""
    long = [request(place * FAR, "a", cost=5000) for place in range(2)]
    short = [request((place + 2) * FAR, "b", cost=2000) for place in range(4)]
    assert "abbbab" == "".join(str(owner) for owner, _ in taken(queue(*long, *short)))


def test_who_comes_late_is_not_behind_everybody() -> None:
    """A client that asks for the first time begins where the others are, not where the queue ends."""
    made = queue(*(request(place * FAR, "a") for place in range(100)))
    for _ in range(10):
        made.take([])
    made.add(request(500 * FAR, "b"))
    order = taken(made)
    assert order.index(("b", 500 * FAR)) <= 1


def test_a_client_saves_nothing_up() -> None:
    """A client that was away gets no more than its share once it comes back."""
    made = queue(*(request(place * FAR, "a", cost=10) for place in range(10)))
    for _ in range(5):
        made.take([])
    for place in range(100, 105):
        made.add(request(place * FAR, "b", cost=10))
    order = "".join(str(owner) for owner, _ in taken(made))
    assert all(1 <= order[begin : begin + 2].count("b") for begin in range(0, 8, 2))
    assert all(1 <= order[begin : begin + 2].count("a") for begin in range(2, 8, 2))


def test_neighbours_are_taken_together() -> None:
    """A reader serves all that are near the first; others stay."""
    first, near, edge = request(FAR, "a"), request(FAR + 5, "b"), request(FAR + NEAR, "c")
    before, beyond = request(FAR - NEAR, "d"), request(FAR + NEAR + 1, "e")
    made = queue(first, near, edge, before, beyond)
    group = made.take([])
    assert first is group[0]
    assert {first, near, edge, before} == set(group)
    assert beyond in made


def test_what_is_near_a_reader_waits() -> None:
    """The next request that can begin is taken, and the order of the others stays."""
    made = queue(request(NEAR // 2, "a"), request(NEAR // 2 + 1, "b"), request(FAR, "c"))
    assert [("c", FAR)] == taken(made, [0])
    assert [("a", NEAR // 2), ("b", NEAR // 2 + 1)] == taken(made)


def test_a_short_request_goes_first() -> None:
    """A reader of a long request asks between its pages for a short one; a long one is not given."""
    made = queue(request(0, "a", cost=NEAR + 1), request(FAR, "b", cost=NEAR))
    assert ["b"] == [each.owner for each in made.take([], short=True)]
    assert [] == made.take([], short=True)
    assert ["a"] == [each.owner for each in made.take([])]


def test_a_short_request_takes_short_ones_along() -> None:
    """A neighbour that is long, or begins before it, would make the short reading a long one."""
    made = queue(
        request(FAR, "a"),
        request(FAR - 5, "b"),
        request(FAR + 5, "c"),
        request(FAR + 6, "d", cost=NEAR + 1),
    )
    assert ["a", "c"] == [each.owner for each in made.take([], short=True)]
    assert ["b", "d"] == [each.owner for each in made.take([])]


def test_a_reader_comes_past() -> None:
    """A reader takes along what begins where it is."""
    made = queue(request(99, "a"), request(100, "b"), request(100 + NEAR, "c"), request(101 + NEAR, "d"))
    assert {"b", "c"} == {each.owner for each in made.take_from(100)}
    assert 2 == len(made)


def test_discarding() -> None:
    """A request that was discarded is not taken; to discard it again changes nothing."""
    gone, stays = request(0, "a"), request(FAR, "a")
    made = queue(gone, stays)
    made.discard(gone)
    made.discard(gone)
    assert (gone in made, stays in made, len(made)) == (False, True, 1)
    assert [stays] == made.take([])
    assert [] == made.take([])


def test_clearing() -> None:
    """Everything is given, and the queue is as new."""
    requests = [request(place * FAR, "a") for place in range(3)]
    made = queue(*requests)
    assert requests == made.clear()
    assert (0, []) == (len(made), made.take([]))


def test_a_client_that_comes_and_goes_leaves_nothing_behind() -> None:
    """A client that asks and cancels again and again cannot make the queue grow."""
    made = queue(request(0, "honest"))
    for number in range(10_000):
        each = request(FAR, "a", cost=number % 2 * FAR)
        made.add(each)
        made.discard(each)
    assert sum(len(heap) for heap in made._heaps.values()) < 500
    assert 1 == len(made._by_place) == len(made._clients)


@pytest.mark.parametrize("scattered", [128, 1000])
def test_an_honest_client_among_clients_that_ask_for_much(scattered: int) -> None:
    """Twenty clients ask for as much as they may; a client with one request waits for one of each at most."""
    made = ReadQueue()
    for place in range(scattered):
        for owner in range(20):
            made.add(request((place * 20 + owner) * 2 * NEAR, owner))
    honest = request(10**9, "honest")
    made.add(honest)
    before: Counter[object] = Counter()
    while (group := made.take([])) and honest not in group:
        before.update(each.owner for each in group)
    assert honest not in made
    assert max(before.values()) <= 1
