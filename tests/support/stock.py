"""A stock client library in a process of its own, telling what happens to it in lines of JSON."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Self

__all__ = ["StockClient", "go", "javascript", "python"]

_SUPPORT = Path(__file__).parent
_JAVASCRIPT = _SUPPORT.parent / "js"
_GO = _SUPPORT.parent / "go"


def javascript(program: str, *arguments: str) -> StockClient:
    """Run one of the programs in ``tests/js``, whose packages are installed as its lock file says."""
    if not (_JAVASCRIPT / "node_modules" / ".package-lock.json").exists():
        subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=_JAVASCRIPT, check=True
        )
    return StockClient("node", str(_JAVASCRIPT / program), *arguments)


def go(program: str, *arguments: str) -> StockClient:
    """Run the program in ``tests/go``; its first build is slow, later ones are kept by Go."""
    subprocess.run(["go", "build", "-o", program, "."], cwd=_GO, check=True)
    return StockClient(str(_GO / program), *arguments)


def python(program: str, *arguments: str) -> StockClient:
    """Run one of the programs in this folder."""
    return StockClient(sys.executable, str(_SUPPORT / program), *arguments)


class StockClient:
    """One client; a context manager that ends it.

    Attributes:
        messages: The data of every message it was given, in order.
    """

    def __init__(self, *command: str) -> None:
        self.messages: list[Any] = []
        self._command = command
        self._lines: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()  # its sign to end
        try:
            self._process.wait(10)
        finally:
            self._process.kill()
            self._process.wait()
            self._reader.join()
            assert self._process.stdout is not None
            self._process.stdout.close()

    def expect(self, event: str, timeout: float = 30.0, **fields: object) -> dict[str, Any]:
        """Skip to the next event of this name with these fields, and give it."""
        deadline = time.monotonic() + timeout
        skipped = []
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {event} {fields}, but {skipped}") from None
            if line["event"] == "message":
                self.messages.append(line["data"])
            if line["event"] == event and fields.items() <= line.items():
                return line
            skipped.append(line)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(json.loads(line))
