"""Tests of the report's text."""

from __future__ import annotations

from functools import partial

from bench.report import Report, cell, markdown, merged, table_of
from bench.rows import middle
from bench.scenario import Bar, Scenario, Table

TABLE = Table("Costs", ("clients", "peer"), ("cpu_us", "p99_ms", "rss_bytes"), "one")
SCENARIO = Scenario(
    name="c",
    title="The title",
    about="What was done.",
    plan=lambda _: [],
    bars=(
        Bar("cheap", "us", 7.0, partial(middle, name="cpu_us", peer="x")),
        Bar("many", "clients", 2000.0, partial(middle, name="clients"), at_least=True),
        Bar("quick", "ms", 1.0, partial(middle, name="p50_ms")),
    ),
    tables=(TABLE,),
)
ROWS = [
    {"scenario": "c", "mode": "one", "clients": 1000, "peer": "x", "cpu_us": 6.0, "rss_bytes": 2048},
    {"scenario": "c", "mode": "one", "clients": 1000, "peer": "x", "cpu_us": 7.0, "rss_bytes": 2048},
    {"scenario": "c", "mode": "burst", "clients": 1000, "peer": "x"},
    {"scenario": "c", "step": "x, run 3", "error": "no answer"},
]


def test_a_table_shows_medians_of_its_mode() -> None:
    """Two runs make one line; a column that no row has is not there."""
    headings, lines = table_of(ROWS, TABLE)
    assert ["clients", "peer", "CPU µs", "KB per connection"] == headings
    assert [["1,000", "x", "6.50", "2.0"]] == lines


def test_a_cell_without_a_value_is_empty() -> None:
    """Nothing measured is shown as nothing."""
    assert "" == cell("cpu_us", None)


def test_the_report_says_which_bars_are_met() -> None:
    """Each bar stands with its bound, its figure and a verdict."""
    lines = _report().splitlines()
    assert "| cheap | ≤ 7 us | 6.5 | met |" in lines
    assert "| many | ≥ 2000 clients | 1e+03 | **missed** |" in lines
    assert "| quick | ≤ 1 ms |  | not measured |" in lines


def test_the_report_names_machine_plots_and_failures() -> None:
    """What does not come from the rows' figures is there as well."""
    text = _report()
    for part in ("| CPU | fast |", "| x | 1.0 |", "![The title](img/a.png)", "- failed: x, run 3: no answer"):
        assert part in text


def test_a_scenario_that_was_not_run_is_not_reported() -> None:
    """A run of one scenario makes a report of one scenario."""
    assert "The title" not in markdown(Report({}, {}, "", "quick", []), [SCENARIO], {})


def test_runs_merge_by_scenario() -> None:
    """A scenario that was run again replaces its old figures, and others stay."""
    first = Report({}, {"x": "1"}, "monday", "full", [{"scenario": "a", "n": 1}, {"scenario": "b", "n": 1}])
    second = Report({}, {"y": "2"}, "tuesday", "full", [{"scenario": "b", "n": 2}, {"scenario": "b", "n": 3}])
    both = merged([first, second])
    assert [("a", 1), ("b", 2), ("b", 3)] == sorted((row["scenario"], row["n"]) for row in both.rows)
    assert ({"x": "1", "y": "2"}, "tuesday") == (both.versions, both.date)


def _report() -> str:
    report = Report({"CPU": "fast"}, {"x": "1.0"}, "2000-01-01", "quick", ROWS)
    return markdown(report, [SCENARIO], {"c": ["img/a.png"]})
