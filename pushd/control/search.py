"""Finding a few among very many, a part at a time: no turn of the reactor may take as long as all of them."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Generator
from itertools import chain
from typing import Any, TypeVar

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from pushd.control.replies import Reply

__all__ = ["PART", "Search", "in_turns", "least"]

_Item = TypeVar("_Item")

Search = Generator[None, None, Reply]
"""A command that looks at much: it pauses where a turn may end, and returns its reply."""

PART = 1000
"""Items looked at before a pause; under a millisecond."""


def least(
    items: Collection[_Item], most: int, key: Callable[[_Item], Any], wanted: Callable[[_Item], bool]
) -> Generator[None, None, list[_Item]]:
    """Find the first of the wanted items in the order of their keys, pausing after each part.

    Args:
        items: As they are now; what comes and goes during a pause makes no difference.
        most: How many to give.

    Returns:
        They, in order.
    """
    everything, found = list(items), list[_Item]()
    for start in range(0, len(everything), PART):
        part = filter(wanted, everything[start : start + PART])
        found = heapq.nsmallest(most, chain(found, part), key=key)
        yield
    return found


async def in_turns(search: Search, clock: IReactorTime) -> Reply:
    """Go through a search, with a turn of the reactor for each part, and give its reply."""
    while True:
        await deferLater(clock, 0)
        try:
            next(search)
        except StopIteration as end:
            reply: Reply = end.value
            return reply
