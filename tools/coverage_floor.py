"""Fail for every module of pushd that the tests do not reach well enough: ``coverage_floor.py REPORT``.

``REPORT`` is what ``coverage json`` writes. Lines and branches count alike; daemons that
tests start as processes do not count, so a module needs tests that can look inside it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

__all__ = ["FLOOR", "below"]

FLOOR = 95.0
"""Per cent of a module's lines and branches."""


def below(report: dict[str, dict[str, dict[str, dict[str, float]]]], floor: float) -> list[str]:
    """Name the modules under the floor, the worst first."""
    reached = {name: file["summary"]["percent_covered"] for name, file in report["files"].items()}
    worst = sorted((percent, name) for name, percent in reached.items() if percent < floor)
    return [f"{name}: {percent:.1f} %" for percent, name in worst]


def main(path: str) -> int:
    """Judge a report and give the exit code."""
    report = json.loads(Path(path).read_text(encoding="utf-8"))
    modules = below(report, FLOOR)
    for module in modules:
        print(f"covered below {FLOOR:.0f} %: {module}")
    print(f"coverage: {report['totals']['percent_covered']:.1f} % of lines and branches")
    return 1 if modules else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
