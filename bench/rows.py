"""Pure arithmetic on rows: choosing, grouping, medians, and the ratio to the floor of the same turn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from bench.lab import Row

__all__ = ["FLOOR", "add_ratios", "chosen", "middle", "numbers", "summary"]

FLOOR = "floor"
"""The peer that everything is held against."""

_SAME_TURN = ("scenario", "group", "clients", "size", "repetition", "turn")


def chosen(rows: Iterable[Row], **wanted: str | float | bool) -> list[Row]:
    """Give the rows whose entries have these values, failures left out."""
    return [
        row
        for row in rows
        if "error" not in row and all(row.get(name) == value for name, value in wanted.items())
    ]


def numbers(rows: Iterable[Row], name: str) -> list[float]:
    """Give one entry of each row that has it."""
    return [float(row[name]) for row in rows if name in row]


def middle(rows: Iterable[Row], name: str, **wanted: str | float | bool) -> float | None:
    """Give the median of an entry over the rows chosen, ``None`` when there is none."""
    found = numbers(chosen(rows, **wanted), name)
    return median(found) if found else None


def add_ratios(rows: Sequence[Row]) -> None:
    """Give each row its CPU cost as a ratio to the floor's of the same turn, where there is one.

    The floor is always that of one message at a time, so the ratio of a burst tells what joining saves.
    Machines differ and are noisy; within a minute or so all peers met the same machine.
    """
    floors = {_turn(row): float(row["cpu_us"]) for row in chosen(rows, peer=FLOOR, mode="one")}
    for row in rows:
        floor = floors.get(_turn(row), 0.0)
        if floor and "cpu_us" in row:
            row["ratio"] = float(row["cpu_us"]) / floor


def _turn(row: Row) -> tuple[object, ...]:
    return tuple(row.get(name) for name in _SAME_TURN)


_WRONG = frozenset({"missing", "misordered", "lost", "refused", "closed"})


def summary(rows: Iterable[Row], by: Sequence[str]) -> list[Row]:
    """Give one row per distinct ``by``, in order of appearance, with ``runs``.

    A number is the median of all runs'; what went wrong is that of the worst, lest a median hide it.
    """
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in chosen(rows):
        groups.setdefault(tuple(row.get(name) for name in by), []).append(row)
    return [_merged(group, by) for group in groups.values()]


def _merged(group: Sequence[Row], by: Sequence[str]) -> Row:
    merged: Row = {name: group[0][name] for name in by if name in group[0]}
    merged["runs"] = len(group)
    for name in dict.fromkeys(name for row in group for name in row):
        values = [row[name] for row in group if name in row]
        if name not in merged and not any(isinstance(value, str) for value in values):
            middle_or_worst = max if name in _WRONG else median
            merged[name] = middle_or_worst(float(value) for value in values)
    return merged
