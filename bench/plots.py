"""Draws the comparison: CPU, latency and memory against the number of clients, one line per server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.lab import Row
from bench.rows import FLOOR, summary
from bench.server import PEERS

__all__ = ["draw"]

_PANELS = {
    "cpu": (
        ("one", "cpu_us", "CPU µs per delivery, one by one", 1.0),
        ("burst", "cpu_us", "CPU µs per delivery, bursts of ten", 1.0),
    ),
    "latency": (
        ("one", "p50_ms", "p50, ms", 1.0),
        ("one", "p99_ms", "p99, ms", 1.0),
        ("one", "last_ms", "last client, ms", 1.0),
    ),
    "memory": (
        ("idle", "rss_bytes", "RSS per idle connection, KB", 1024.0),
        ("idle", "rss_total_bytes", "RSS, MB", 1024.0**2),
    ),
}
"""Each picture, and its panels: mode, entry, title, divisor."""


def draw(rows: Sequence[Row], folder: Path) -> list[Path]:
    """Draw every picture that the comparison's rows have data for, and give the files."""
    merged = summary([row for row in rows if row["scenario"] == "comparison"], ("mode", "clients", "peer"))
    return (
        [_picture(folder / f"{name}.png", merged, panels) for name, panels in _PANELS.items()]
        if merged
        else []
    )


def _picture(path: Path, rows: Sequence[Row], panels: Sequence[tuple[str, str, str, float]]) -> Path:
    figure = Figure(figsize=(5.2 * len(panels), 4.2))
    axes = figure.subplots(1, len(panels), squeeze=False)
    for axis, (mode, entry, title, unit) in zip(axes[0], panels, strict=True):
        _panel(axis, [row for row in rows if row["mode"] == mode and entry in row], entry, unit)
        axis.set_title(title)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=5, fontsize="small", frameon=False)
    figure.tight_layout(rect=(0, 0.12, 1, 1))
    figure.savefig(path, dpi=110)
    return path


def _panel(axis: Axes, rows: Sequence[Row], entry: str, unit: float) -> None:
    for name, peer in PEERS.items():
        points = sorted(
            (float(row["clients"]), float(row[entry]) / unit) for row in rows if row["peer"] == name
        )
        if points:
            (line,) = axis.plot(*zip(*points, strict=True), marker="o", markersize=3, label=peer.label)
            line.set_linewidth(2.8 if name == "pushd" else 1.4)
            if name.startswith("floor"):
                line.set(color="black", linestyle="--" if name == FLOOR else ":")
    axis.set_xlabel("clients")
    axis.set_ylim(bottom=0)
    axis.grid(alpha=0.3)
