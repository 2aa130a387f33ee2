from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

from twisted.internet.task import Clock

from pushd.client.centrifugo import replies
from pushd.client.centrifugo.drafts import Draft, Listing
from pushd.client.centrifugo.workload import Workload
from pushd.stats import Stats
from pushd.turns import Turns


def workload() -> Workload:
    """Return a count at zero."""
    clock = cast("Any", Clock())
    return Workload(clock, Turns(clock, Stats()))


class Source:
    """Items for a listing, that counts how many were made."""

    def __init__(self, count: int, size: int = 0) -> None:
        self.made = 0
        self._count = count
        self._item = b'"%b"' % (b"x" * size)

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(self._count):
            self.made += 1
            yield self._item


def listing(source: Source) -> Listing:
    """Return an array of these items."""
    return Listing(100, iter(source), (b"[", b"]"))


def test_a_listing_is_encoded_bit_by_bit() -> None:
    """Each step ends with the item that uses up the units, and none is encoded twice."""
    work, source = workload(), Source(1000)
    items = listing(source)
    steps = 0
    while not items.advance(work, work.done + 100):
        steps += 1
        assert source.made <= steps * 50
    assert (20, 1000) == (steps, source.made)
    assert [""] * 1000 == json.loads(replies.dumps({"a": items}))["a"]


def test_bytes_count_as_work() -> None:
    """Few long items are as much work as many short ones."""
    work, source = workload(), Source(100, size=50_000)
    assert not listing(source).advance(work, 500)
    assert 5 == source.made


def test_a_listing_may_be_written_before_it_is_encoded() -> None:
    """The remaining items are encoded then: no item is missing."""
    work, source = workload(), Source(10)
    items = listing(source)
    items.advance(work, 6)
    assert 3 == source.made
    assert [""] * 10 == json.loads(replies.dumps({"a": items}))["a"]


def test_a_draft_has_its_listings_encoded() -> None:
    """Wherever they stand in the answer, and not before it goes on."""
    work, first, second = workload(), Source(3), Source(3)
    fields = {"subs": {"x": {"publications": listing(first)}, "y": {"publications": listing(second)}}, "n": 1}
    draft = Draft(fields, replies.dumps)
    assert (200, 0) == (draft.size, first.made + second.made)
    assert not draft.advance(work, work.done + 1)
    assert 1 == first.made + second.made
    assert draft.advance(work, work.done + 1000)
    three = {"publications": [""] * 3}
    assert {"subs": {"x": three, "y": three}, "n": 1} == json.loads(draft.finished())


def test_an_answer_without_listings_is_finished_at_once() -> None:
    """Even when no unit of work is left."""
    work = workload()
    draft = Draft({"a": 1}, replies.dumps)
    assert draft.advance(work, 0)
    assert (0, b'{"a":1}') == (work.done, draft.finished())
