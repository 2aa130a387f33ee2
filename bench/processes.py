"""Child processes that talk in lines: words go in, JSON comes out; and what the kernel says of their cost."""

from __future__ import annotations

import json
import os
import resource
import select
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

__all__ = ["Cpu", "LineProcess", "ProcessError", "cpu_of", "peak_rss_of", "pin", "raise_file_limit", "rss_of"]

_TICKS = os.sysconf("SC_CLK_TCK")
_ROOT = Path(__file__).resolve().parent.parent


class ProcessError(Exception):
    """A process ended, complained, or did not answer in time."""


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU seconds of processes.

    Attributes:
        total: To the nanosecond.
        user: The share outside the kernel, in the kernel's ticks (10 ms).
        system: The share inside it; on loopback also the receivers' side of TCP.
    """

    total: float = 0.0
    user: float = 0.0
    system: float = 0.0

    def __sub__(self, other: Cpu) -> Cpu:
        """Give what was spent between two readings."""
        return Cpu(self.total - other.total, self.user - other.user, self.system - other.system)


def cpu_of(pids: Iterable[int]) -> Cpu:
    """Read what processes have spent, all their threads, dead ones too."""
    total = user = system = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        user += int(fields[11]) / _TICKS
        system += int(fields[12]) / _TICKS
        total += time.clock_gettime(_clock_of(pid))
    return Cpu(total, user, system)


def _clock_of(pid: int) -> int:
    """Give the clock that counts a process's CPU, as clock_getcpuclockid(3) makes it."""
    return (~pid << 3) | 2


def _memory_of(pids: Iterable[int], field: str) -> int:
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))


def rss_of(pids: Iterable[int]) -> int:
    """Read the resident bytes of processes."""
    return _memory_of(pids, "VmRSS")


def peak_rss_of(pids: Iterable[int]) -> int:
    """Read the most resident bytes they ever had."""
    return _memory_of(pids, "VmHWM")


def raise_file_limit() -> None:
    """Let this process and its children open as many files as the system allows it."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


def pin(pid: int, cpu: int) -> None:
    """Bind every thread of a process to one CPU."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {cpu})


class LineProcess:
    """A running child; a context manager that ends it.

    Args:
        command: What to run, in the project's root.
        cpu: Where to bind it, ``None`` for anywhere.
    """

    def __init__(self, command: Sequence[str], cpu: int | None = None) -> None:
        self._name = command[2] if "-m" in command[1:2] else Path(command[0]).name
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        self._child = subprocess.Popen(
            command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, bufsize=0
        )
        self._unread = bytearray()
        if cpu is not None:
            pin(self._child.pid, cpu)

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._child.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def tell(self, line: str) -> None:
        """Send one command.

        Raises:
            ProcessError: The process has ended.
        """
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(f"{line}\n".encode())
        except BrokenPipeError as error:
            raise ProcessError(self._obituary()) from error

    def hear(self, event: str, timeout: float) -> dict[str, Any]:
        """Wait for the answer named ``event``; others are passed over.

        Raises:
            ProcessError: The process ended, answered ``error``, or took more than ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        while True:
            line = self._line(deadline, event)
            if not line.startswith(b"{"):
                continue
            answer: dict[str, Any] = json.loads(line)
            if answer["event"] == "error":
                raise ProcessError(f"{self._name}: {answer['reason']}")
            if answer["event"] == event:
                return answer

    def stop(self) -> None:
        """End it: by the end of its input, and if that is not enough by force."""
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._errors.close()

    def _line(self, deadline: float, event: str) -> bytes:
        assert self._child.stdout is not None
        while True:
            line, newline, rest = self._unread.partition(b"\n")
            if newline:
                self._unread = rest
                return bytes(line)
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._child.stdout], [], [], left)[0]:
                raise ProcessError(f"{self._name}: no {event!r} in time")
            chunk = os.read(self._child.stdout.fileno(), 1 << 20)
            if not chunk:
                raise ProcessError(self._obituary())
            self._unread += chunk

    def _obituary(self) -> str:
        """Tell why the process is no more, in the last words of its standard error."""
        self._child.wait(10)
        self._errors.seek(0)
        words = self._errors.read().decode(errors="replace").strip().splitlines()
        return f"{self._name} ended with status {self._child.returncode}: {' | '.join(words[-3:])}"
