"""Carries out the steps of scenarios under a progress bar, and keeps going when one fails."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.lab import Lab, Row
from bench.processes import ProcessError
from bench.rows import add_ratios
from bench.scenario import Scenario, Step

__all__ = ["run"]


def run(scenarios: Sequence[Scenario], lab: Lab, console: Console) -> list[Row]:
    """Carry everything out, in order, and give all rows; a failed step leaves one that has ``error``."""
    plans = [(scenario, scenario.plan(lab)) for scenario in scenarios]
    rows: list[Row] = []
    columns = (
        TextColumn("{task.description:<48.48}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=sum(len(steps) for _, steps in plans))
        for scenario, steps in plans:
            for step in steps:
                progress.update(task, description=f"{scenario.name}: {step.label}")
                rows += [{"scenario": scenario.name, **row} for row in _carry_out(step, console)]
                progress.advance(task)
    add_ratios(rows)
    return rows


def _carry_out(step: Step, console: Console) -> list[Row]:
    rows: list[Row] = []
    try:
        rows.extend(step.run())
    except (ProcessError, OSError) as error:
        console.print(f"[red]{step.label}: {error}")
        rows.append({"step": step.label, "error": str(error)})
    return rows
