"""What one client was given, held against what it should have been given.

Messages are numbered by their publisher, ``1, 2, 3, …`` within a named series. The ledger
takes the numbers in the order in which they arrived and knows nothing of connections.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Ledger", "Report"]


@dataclass(frozen=True, slots=True)
class Report:
    """One client's account.

    Attributes:
        received: Messages taken, all counted.
        missing: ``(series, number)`` of each that never came though nothing excused it.
        duplicates: Messages that came again.
        out_of_order: Messages that came after a later one.
        resets: Times the server said that something may be missing.
        breaks: Times a connection without positions was lost, which excuses what was sent meanwhile.
        last: The number taken last, by series.
    """

    received: int
    missing: frozenset[tuple[str, int]]
    duplicates: int
    out_of_order: int
    resets: int
    breaks: int
    last: Mapping[str, int]

    @property
    def clean(self) -> bool:
        """Whether every promise was kept."""
        return not (self.missing or self.duplicates or self.out_of_order)


@dataclass(slots=True)
class _Series:
    """One series: the number taken last, the ones skipped so far, and whether any may come next."""

    last: int
    skipped: set[int] = field(default_factory=set)
    excused: bool = False


@dataclass(slots=True)
class Ledger:
    """The numbers one client took; each series begins with the first number seen of it."""

    _received: int = 0
    _duplicates: int = 0
    _out_of_order: int = 0
    _resets: int = 0
    _breaks: int = 0
    _series: dict[str, _Series] = field(default_factory=dict)

    def take(self, number: int, series: str = "") -> None:
        """Enter one message."""
        self._received += 1
        entry = self._series.get(series)
        if entry is None:
            self._series[series] = _Series(number)
        elif entry.excused:
            entry.last, entry.excused = number, False
        elif number > entry.last:
            entry.skipped.update(range(entry.last + 1, number))
            entry.last = number
        elif number in entry.skipped:
            entry.skipped.remove(number)
            self._out_of_order += 1
        else:
            self._duplicates += 1

    def reset(self) -> None:
        """The server said that what comes next need not follow what came before."""
        self._resets += 1
        self._excuse()

    def interrupted(self) -> None:
        """A connection that cannot resume was lost: the next one begins anywhere."""
        self._breaks += 1
        self._excuse()

    def report(self, published: Mapping[str, int] | None = None) -> Report:
        """Draw up the account.

        Args:
            published: The last number published of each series that the client should have
                been given up to its end; without it a missing tail goes unnoticed.
        """
        missing = {(name, number) for name, entry in self._series.items() for number in entry.skipped}
        for name, until in (published or {}).items():
            missing.update((name, number) for number in self._tail(name, until))
        return Report(
            self._received,
            frozenset(missing),
            self._duplicates,
            self._out_of_order,
            self._resets,
            self._breaks,
            {name: entry.last for name, entry in self._series.items()},
        )

    def _tail(self, series: str, until: int) -> range:
        entry = self._series.get(series)
        if entry is None:
            return range(1, until + 1)
        return range(0) if entry.excused else range(entry.last + 1, until + 1)

    def _excuse(self) -> None:
        for entry in self._series.values():
            entry.excused = True
