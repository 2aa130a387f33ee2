"""Turns that a test takes step by step, to count the work of each."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

__all__ = ["Slices"]


class Slices:
    """Stands in for :class:`pushd.turns.Turns`, and runs nothing by itself."""

    def __init__(self) -> None:
        self.jobs: deque[Iterator[None]] = deque()

    def add(self, job: Iterator[None]) -> None:
        """Take a job."""
        self.jobs.append(job)

    def step(self) -> bool:
        """Run one step of the next job; False if there is none."""
        if not self.jobs:
            return False
        job = self.jobs.popleft()
        try:
            next(job)
        except StopIteration:
            return bool(self.jobs)
        self.jobs.append(job)
        return True
