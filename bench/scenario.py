"""What a scenario is: a name, steps to carry out, and the bars its figures are held to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bench.lab import Lab, Row

__all__ = ["Bar", "Scenario", "Step", "Table"]


@dataclass(frozen=True, slots=True)
class Step:
    """One measurement that stands alone: it starts what it needs and ends it.

    Attributes:
        label: What the progress bar shows meanwhile.
        run: Carries it out and gives rows; raises to say that it failed.
    """

    label: str
    run: Callable[[], Iterable[Row]]


@dataclass(frozen=True, slots=True)
class Bar:
    """A promise about the figures.

    Attributes:
        text: What is promised, in words.
        unit: Of the figures, ``x floor`` for ratios.
        limit: The bound.
        figure: Finds the measured figure in the scenario's rows; ``None`` when it was not measured.
        at_least: Whether the bound is a lower one.
    """

    text: str
    unit: str
    limit: float
    figure: Callable[[Sequence[Row]], float | None]
    at_least: bool = False

    def met(self, figure: float) -> bool:
        """Tell whether a figure keeps the promise."""
        return figure >= self.limit if self.at_least else figure <= self.limit


@dataclass(frozen=True, slots=True)
class Table:
    """How the report shows rows: the median of each group.

    Attributes:
        caption: Stands above it.
        by: Entries that make a group; they are the first columns.
        columns: Entries whose medians are shown.
        mode: Only rows of this mode; ``""`` for all.
    """

    caption: str
    by: tuple[str, ...]
    columns: tuple[str, ...]
    mode: str = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One subject of the benchmark.

    Attributes:
        name: For ``--only``; every row carries it.
        title: For the report.
        about: What is done and how to read the figures, one paragraph for the report.
        plan: Gives the steps.
        bars: What is promised.
        tables: What the report shows.
    """

    name: str
    title: str
    about: str
    plan: Callable[[Lab], Sequence[Step]]
    bars: tuple[Bar, ...]
    tables: tuple[Table, ...]
