"""Tests of the arithmetic on rows."""

from __future__ import annotations

import pytest

from bench.lab import Row
from bench.rows import add_ratios, chosen, middle, summary


def row(peer: str, mode: str, cpu_us: float, repetition: int = 1) -> Row:
    """Give a row of a comparison."""
    return {
        "scenario": "c",
        "peer": peer,
        "mode": mode,
        "clients": 10,
        "repetition": repetition,
        "cpu_us": cpu_us,
    }


def test_ratios_are_to_the_floor_of_the_same_repetition() -> None:
    """A repetition on a slow moment of the machine is held against the floor of that moment."""
    rows = [
        row("floor", "one", 5.0),
        row("x", "one", 6.0),
        row("floor", "one", 10.0, 2),
        row("x", "one", 12.0, 2),
    ]
    add_ratios(rows)
    assert [1.0, 1.2, 1.0, 1.2] == [each["ratio"] for each in rows]


def test_a_burst_is_held_against_the_floor_of_single_messages() -> None:
    """The ratio of a burst tells what joining saves."""
    rows = [row("floor", "one", 5.0), row("floor", "burst", 0.5), row("x", "burst", 0.75)]
    add_ratios(rows)
    assert [1.0, 0.1, 0.15] == [each["ratio"] for each in rows]


def test_without_a_floor_there_is_no_ratio() -> None:
    """Rows of a run without the floor, and rows without CPU, stay as they are."""
    rows: list[Row] = [row("x", "one", 6.0), {"scenario": "c", "peer": "x", "mode": "idle", "clients": 10}]
    add_ratios(rows)
    assert not any("ratio" in each for each in rows)


def test_failures_are_never_chosen() -> None:
    """A step that failed left a row that has no figures."""
    good = row("x", "one", 6.0)
    assert [good] == chosen([good, {"scenario": "c", "error": "no answer"}], scenario="c")


def test_the_middle_of_nothing_is_nothing() -> None:
    """A figure that was not measured is not a zero."""
    rows = [row("x", "one", 6.0), row("x", "one", 8.0), row("y", "one", 1.0)]
    assert 7.0 == middle(rows, "cpu_us", peer="x")
    assert middle(rows, "cpu_us", peer="z") is None
    assert middle(rows, "p99_ms", peer="x") is None


def test_a_summary_has_the_median_of_every_number() -> None:
    """Groups keep the order in which they appear; texts that do not group are left out."""
    rows = [row("x", "one", 6.0), row("y", "one", 3.0), row("x", "one", 8.0, 2), row("x", "one", 7.0, 3)]
    x, y = summary(rows, ("clients", "peer"))
    assert {"clients": 10, "peer": "x", "runs": 3, "repetition": 2.0, "cpu_us": 7.0} == x
    assert ("y", 1, 3.0) == (y["peer"], y["runs"], y["cpu_us"])


def test_a_summary_copes_with_entries_that_some_rows_lack() -> None:
    """The median is over the rows that have the entry."""
    rows: list[Row] = [{"peer": "x", "p50_ms": 2.0}, {"peer": "x"}]
    assert pytest.approx(2.0) == summary(rows, ("peer",))[0]["p50_ms"]


def test_a_summary_hides_no_loss() -> None:
    """One bad run of many is what the row tells."""
    rows: list[Row] = [{"peer": "x", "missing": 0, "lost": 0}, {"peer": "x", "missing": 7, "lost": 1}] * 2
    merged = summary([*rows, {"peer": "x", "missing": 0, "lost": 0}], ("peer",))[0]
    assert (7, 1) == (merged["missing"], merged["lost"])
