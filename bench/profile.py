"""``python -m bench.profile PEER [CLIENTS [BURST]]``: where a server spends its time while it fans out.

Samples the running process from outside (py-spy), so that the server runs at its own speed. What is shown is
the share of samples in each function itself, without what it calls; waiting for work is not counted.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from bench.lab import FULL, Lab
from bench.processes import raise_file_limit
from bench.server import PEERS

__all__ = ["shares"]

_RATE = 500
"""Samples per second."""

_LINES = 12
"""Functions shown."""

_IDLE = re.compile(r"\b(doPoll|select)\b")
"""Where an event loop waits."""


def shares(stacks: Iterable[str]) -> list[tuple[str, float]]:
    """Give functions and their shares of the time, the dearest first.

    Args:
        stacks: Lines of ``outermost;…;innermost count``, each frame a ``function (file:line)``.
    """
    samples: Counter[str] = Counter()
    for stack in stacks:
        frames, _, count = stack.rpartition(" ")
        innermost = re.sub(r":\d+\)$", ")", frames.rpartition(";")[2])
        if not _IDLE.search(innermost):
            samples[innermost] += int(count)
    total = samples.total()
    return [(function, count / total) for function, count in samples.most_common()]


def _record(peer: str, clients: int, burst: int, folder: Path) -> tuple[float, list[str]]:
    """Measure one window under the profiler; give the CPU per delivery, in microseconds, and the stacks."""
    lab, stacks = Lab(FULL, [peer], folder), folder / "stacks"
    order = lab.order(clients, burst)
    with lab.server(peer) as server, lab.sink(server, PEERS[peer].path) as sink:
        sink.connect(clients)
        lab.warm_up(server, sink, clients)
        spy = Path(sys.executable).with_name("py-spy")
        window = f"{order.seconds():.0f}"
        command = [spy, "record", "-r", str(_RATE), "-d", window, "-f", "raw", "-o", stacks]
        with subprocess.Popen(
            [*map(str, command), "-p", str(server.pid)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ):
            measured = lab.measure(server, sink, order)
    return float(measured.row()["cpu_us"]), stacks.read_text("utf-8").splitlines()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    python = [name for name, peer in PEERS.items() if sys.executable in peer.command and peer.needs is None]
    parser.add_argument("peer", choices=python)
    parser.add_argument("clients", nargs="?", type=int, default=10_000)
    parser.add_argument("burst", nargs="?", type=int, default=1)
    asked = parser.parse_args()
    raise_file_limit()
    with tempfile.TemporaryDirectory(prefix="pushd-profile-") as folder:
        cost, stacks = _record(asked.peer, asked.clients, asked.burst, Path(folder))
    print(f"{asked.peer}, {asked.clients} clients, bursts of {asked.burst}: {cost:.2f} us per delivery")
    for function, share in shares(stacks)[:_LINES]:
        print(f"{share:7.1%}  {function}")


if __name__ == "__main__":
    main()
