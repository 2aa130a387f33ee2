"""``python -m bench``: measure, and write the report.

    python -m bench [--quick] [--only SCENARIO] [--peers a,b] [--clients 1000,10000] [--publish]

Figures go to ``bench/results/<date>.json``; ``--publish`` also makes docs/benchmark.md, its JSON and its
plots from them. ``--from FILE ...`` does so from earlier runs without measuring: of each scenario the last.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable

from bench.lab import FULL, QUICK, Effort, Lab
from bench.machine import describe
from bench.native import CompilerError
from bench.plots import draw
from bench.processes import raise_file_limit
from bench.report import Report, markdown, merged, table_of
from bench.runner import run
from bench.scenarios import SCENARIOS
from bench.server import PEERS

_ROOT = Path(__file__).resolve().parent.parent
_RESULTS = _ROOT / "bench" / "results"
_DOCS = _ROOT / "docs"
_QUIET = 0.5
"""The load average up to which nothing else seems to run."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure pushd and its peers.")
    parser.add_argument("--quick", action="store_true", help="a few minutes, fewer clients, one repetition")
    parser.add_argument(
        "--only", action="append", choices=list(SCENARIOS), help="this scenario; may be repeated"
    )
    parser.add_argument("--peers", default=",".join(PEERS), help="servers to compare, separated by commas")
    parser.add_argument(
        "--clients", type=_counts, help="numbers of clients to compare at, separated by commas"
    )
    parser.add_argument("--repetitions", type=int, help="how often each measurement of a comparison is made")
    parser.add_argument("--publish", action="store_true", help="write docs/benchmark.md and its plots too")
    parser.add_argument(
        "--from", dest="files", nargs="+", type=Path, help="publish earlier runs' JSON files instead"
    )
    return parser.parse_args()


def _counts(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _effort(arguments: argparse.Namespace) -> Effort:
    effort = QUICK if arguments.quick else FULL
    clients = arguments.clients or effort.clients
    return replace(effort, clients=clients, repetitions=arguments.repetitions or effort.repetitions)


def _usable(names: list[str], console: Console) -> list[str]:
    """Give the peers that are installed, and say what the others lack."""
    unknown = [name for name in names if name not in PEERS]
    if unknown:
        sys.exit(f"unknown peers: {', '.join(unknown)}; there are {', '.join(PEERS)}")
    for name in names:
        if reason := PEERS[name].missing():
            console.print(f"[yellow]{name} is left out: {reason}")
    return [name for name in names if PEERS[name].missing() is None]


def _measure(arguments: argparse.Namespace, console: Console) -> Report:
    raise_file_limit()
    if os.getloadavg()[0] > _QUIET:
        console.print("[yellow]This machine is not quiet: take the ratios, not the figures.")
    machine, date = describe(), datetime.now(UTC).isoformat(timespec="seconds")
    peers = _usable(arguments.peers.split(","), console)
    wanted = [SCENARIOS[name] for name in arguments.only or SCENARIOS]
    with tempfile.TemporaryDirectory(prefix="pushd-bench-") as folder:
        lab = Lab(_effort(arguments), peers, Path(folder))
        rows = run(wanted, lab, console)
    return Report(machine, lab.versions, date, "quick" if arguments.quick else "full", rows)


def _show(report: Report, console: Console) -> None:
    for scenario in SCENARIOS.values():
        rows = [row for row in report.rows if row["scenario"] == scenario.name]
        for table in scenario.tables:
            headings, lines = table_of(rows, table)
            if lines:
                shown = RichTable(*headings, title=f"{scenario.title}: {table.caption}")
                for line in lines:
                    shown.add_row(*line)
                console.print(shown)


def _publish(report: Report) -> None:
    images = _DOCS / "img"
    images.mkdir(parents=True, exist_ok=True)
    pictures = [str(path.relative_to(_DOCS)) for path in draw(report.rows, images)]
    text = markdown(report, list(SCENARIOS.values()), {"comparison": pictures})
    (_DOCS / "benchmark.md").write_text(text, encoding="utf-8")
    (_DOCS / "benchmark.json").write_text(_json(report), encoding="utf-8")


def _json(report: Report) -> str:
    """Give a report's figures, a row a line."""
    head = {**asdict(report), "rows": []}
    rows = ",\n".join(json.dumps(row) for row in report.rows)
    return json.dumps(head, indent=1).replace('"rows": []', f'"rows": [\n{rows}\n]') + "\n"


def main() -> None:
    """Run from the command line."""
    arguments, console = _arguments(), Console()
    if not console.is_terminal:
        console.width = 150
    try:
        if arguments.files:
            report = merged([Report(**json.loads(file.read_text("utf-8"))) for file in arguments.files])
        else:
            report = _measure(arguments, console)
            _RESULTS.mkdir(exist_ok=True)
            path = _RESULTS / f"{report.date.replace(':', '')}.json"
            path.write_text(_json(report), encoding="utf-8")
            console.print(f"figures: {path.relative_to(_ROOT)}")
    except CompilerError as error:
        sys.exit(str(error))
    _show(report, console)
    if arguments.publish or arguments.files:
        _publish(report)


if __name__ == "__main__":
    main()
