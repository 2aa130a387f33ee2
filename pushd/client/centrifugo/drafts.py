"""Answers that are being written: what is long in them is encoded bit by bit, over several turns if need be.

An answer's messages or members are chosen in one turn, together with the subscription that begins there. To
make the bytes may take long, and need not be done in that turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from pushd.client.centrifugo.workload import Workload, of_bytes

__all__ = ["Draft", "Listing"]

_ITEM = 2
"""Units of an item of a listing besides its bytes."""


class Listing:
    """An array or an object of an answer with any number of items.

    Args:
        size: Bytes that the items keep in memory.
        items: Makes the JSON of each item when it is asked for.
        brackets: What stands around the items.
    """

    __slots__ = ("_brackets", "_items", "_pieces", "size")

    def __init__(self, size: int, items: Iterator[bytes], brackets: tuple[bytes, bytes]) -> None:
        self.size = size
        self._items = items
        self._brackets = brackets
        self._pieces: list[bytes] = []

    def advance(self, work: Workload, end: int) -> bool:
        """Encode items until ``work`` has done ``end`` units; return True when none is left."""
        for piece in self._items:
            self._pieces.append(piece)
            work.charge(_ITEM + of_bytes(len(piece)))
            if work.done >= end:
                return False
        return True

    def json(self) -> orjson.Fragment:
        """Return the whole; items that are not encoded yet are encoded now."""
        begin, end = self._brackets
        self._pieces.extend(self._items)
        return orjson.Fragment(b"%b%b%b" % (begin, b",".join(self._pieces), end))


class Draft:
    """An answer that is being written.

    Args:
        fields: The answer; :class:`Listing` may stand in it.
        write: Makes the answer's bytes of ``fields``, once every listing is encoded.
    """

    __slots__ = ("_fields", "_listings", "_write", "size")

    def __init__(self, fields: Mapping[str, Any], write: Callable[[Mapping[str, Any]], bytes]) -> None:
        self._fields = fields
        self._write = write
        self._listings = list(_listings(fields))
        self.size = sum(listing.size for listing in self._listings)

    def advance(self, work: Workload, end: int) -> bool:
        """Go on until ``work`` has done ``end`` units; return True when :meth:`finished` can be called."""
        while self._listings:
            if not self._listings[-1].advance(work, end):
                return False
            self._listings.pop()
        return True

    def finished(self) -> bytes:
        """Return the answer."""
        return self._write(self._fields)


def _listings(fields: Mapping[str, Any]) -> Iterator[Listing]:
    for value in fields.values():
        if isinstance(value, Listing):
            yield value
        elif isinstance(value, Mapping):
            yield from _listings(value)
