"""Writes the report: bars, tables and plots in Markdown, from the rows alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.lab import Row
from bench.rows import chosen, summary
from bench.scenario import Bar, Scenario, Table

__all__ = ["Report", "cell", "markdown", "merged", "table_of"]


def _milliseconds(value: float) -> str:
    """Give three digits or so, which is what they are good for."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


_COLUMNS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "cpu_us": ("CPU µs", "{:.2f}".format),
    "user_us": ("user µs", "{:.2f}".format),
    "system_us": ("system µs", "{:.2f}".format),
    "ratio": ("x floor", "{:.2f}".format),
    "p50_ms": ("p50 ms", _milliseconds),
    "p99_ms": ("p99 ms", _milliseconds),
    "max_ms": ("max ms", _milliseconds),
    "last_ms": ("last ms", _milliseconds),
    "missing": ("missing", "{:,.0f}".format),
    "lost": ("lost", "{:,.0f}".format),
    "deliveries": ("deliveries", "{:,.0f}".format),
    "bytes_per_delivery": ("bytes per delivery", "{:,.0f}".format),
    "growth_bytes": ("growth MB", lambda value: f"{value / 1024**2:.1f}"),
    "herd": ("herd", "{:,.0f}".format),
    "rate": ("messages/s", "{:,.0f}".format),
    "messages_per_s": ("messages/s", "{:,.0f}".format),
    "misordered": ("misordered", "{:,.0f}".format),
    "refused": ("refused", "{:,.0f}".format),
    "socket_full": ("socket full", "{:,.0f}".format),
    "closed": ("closed", "{:,.0f}".format),
    "deliveries_per_s": ("deliveries/s", "{:,.0f}".format),
    "sink_load": ("sink load", "{:.0%}".format),
    "handshake_us": ("CPU µs per handshake", "{:.0f}".format),
    "handshakes_per_s": ("handshakes/s", "{:,.0f}".format),
    "rss_bytes": ("KB per connection", lambda value: f"{value / 1024:.1f}"),
    "rss_total_bytes": ("RSS MB", lambda value: f"{value / 1024**2:.0f}"),
    "rss_peak_bytes": ("peak RSS MB", lambda value: f"{value / 1024**2:.0f}"),
    "seconds": ("seconds", "{:.2f}".format),
    "longest_turn_ms": ("longest turn ms", "{:.1f}".format),
    "clients": ("clients", "{:,.0f}".format),
}
"""How an entry is headed and written; others stand as they are."""


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found out in one run.

    Attributes:
        machine: Where, in words.
        versions: What was measured, by peer.
        date: When, ISO 8601.
        effort: ``quick`` or ``full``.
        rows: The measurements.
    """

    machine: Mapping[str, str]
    versions: Mapping[str, str]
    date: str
    effort: str
    rows: Sequence[Row]


def merged(reports: Sequence[Report]) -> Report:
    """Give one report of several runs on one machine: of each scenario, what the last run of it showed."""
    rows: dict[Any, list[Row]] = {}
    versions: dict[str, str] = {}
    for report in reports:
        rows |= {name: [row for row in report.rows if row["scenario"] == name] for name in _names(report)}
        versions |= report.versions
    return replace(reports[-1], versions=versions, rows=[row for group in rows.values() for row in group])


def _names(report: Report) -> list[Any]:
    return list(dict.fromkeys(row["scenario"] for row in report.rows))


def cell(name: str, value: object) -> str:
    """Write one entry."""
    if value is None:
        return ""
    return _COLUMNS[name][1](value) if name in _COLUMNS else str(value)


def table_of(rows: Sequence[Row], table: Table) -> tuple[list[str], list[list[str]]]:
    """Give a table's headings and its lines; columns that no row has are left out."""
    merged = summary(chosen(rows, mode=table.mode) if table.mode else rows, table.by)
    names = [name for name in (*table.by, *table.columns) if any(name in row for row in merged)]
    headings = [_COLUMNS[name][0] if name in _COLUMNS else name for name in names]
    return headings, [[cell(name, row.get(name)) for name in names] for row in merged]


def markdown(report: Report, scenarios: Sequence[Scenario], pictures: Mapping[str, Sequence[str]]) -> str:
    """Give the whole report; ``pictures`` names the plots of each scenario, relative to it."""
    measured = [(each, [row for row in report.rows if row["scenario"] == each.name]) for each in scenarios]
    lines = [
        *_head(report),
        *_bars([(scenario.bars, rows) for scenario, rows in measured if rows], report.effort),
    ]
    for scenario, rows in measured:
        if rows:
            lines += _section(scenario, rows, pictures.get(scenario.name, ()))
    return "\n".join(lines) + "\n"


def _head(report: Report) -> Iterator[str]:
    yield from (
        "# Benchmark",
        "",
        f"Made by `make bench` ({report.effort}) on {report.date}; do not edit.",
        "",
    )
    yield from (
        "Everything runs on one machine over loopback, where the kernel charges the receiver's side of TCP",
        "to the sender. Absolute figures are this machine's; ratios to the floor, a bare loop of `send()` in",
        "the same run, carry over. Where a run was repeated the median is shown.",
        "",
    )
    yield from _lines(["machine", ""], [[name, text] for name, text in report.machine.items()])
    yield from _lines(["measured", "version"], [[name, text] for name, text in report.versions.items()])


def _bars(held: Sequence[tuple[Sequence[Bar], Sequence[Row]]], effort: str) -> Iterator[str]:
    lines = []
    for bars, rows in held:
        for bar in bars:
            figure = bar.figure(rows)
            verdict = "not measured" if figure is None else "met" if bar.met(figure) else "**missed**"
            bound = f"{'≥' if bar.at_least else '≤'} {bar.limit:g} {bar.unit}"
            lines.append([bar.text, bound, "" if figure is None else f"{figure:.3g}", verdict])
    hint = ["A quick run has fewer clients than the bars are about.", ""] if effort == "quick" else []
    yield from ("## The bars", "", *hint, *_lines(["", "bar", "measured", ""], lines))


def _section(scenario: Scenario, rows: Sequence[Row], pictures: Sequence[str]) -> Iterator[str]:
    yield from (f"## {scenario.title}", "", scenario.about, "")
    for picture in pictures:
        yield from (f"![{scenario.title}]({picture})", "")
    for table in scenario.tables:
        headings, lines = table_of(rows, table)
        if lines:
            yield from (f"**{table.caption}**", "", *_lines(headings, lines))
    failures = [f"- failed: {row['step']}: {row['error']}" for row in rows if "error" in row]
    yield from [*failures, ""] if failures else []


def _lines(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield "|" + " --- |" * len(headings)
    yield from (f"| {' | '.join(text.replace('|', '/') for text in line)} |" for line in lines)
    yield ""
