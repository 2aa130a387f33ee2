"""What programs that tests run have in common: a folder of their own, and an end with the test run."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Self

__all__ = ["Program"]


class Program(ABC):
    """A program for tests; a context manager that starts it, waits until it serves and cleans up.

    Args:
        name: The beginning of the folder's name.

    Attributes:
        folder: For all of its files; removed with them in the end.
    """

    def __init__(self, name: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))

    def __enter__(self) -> Self:
        try:
            self.serve()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def serve(self) -> None:
        """Start it, and return once it serves."""

    @abstractmethod
    def end(self) -> None:
        """End it, if it runs, whatever it does."""

    def close(self) -> None:
        """End it and remove every file."""
        self.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def spawn(
        self, *command: str, output: str, dies_by: str = "KILL", **options: Any
    ) -> subprocess.Popen[bytes]:
        """Start a process that dies with the test run, even if that is killed.

        Args:
            output: The file in the folder that takes whatever it prints.
            dies_by: The signal it dies by then.
            options: As for ``Popen``.
        """
        with (self.folder / output).open("ab") as file:
            return subprocess.Popen(
                ["/usr/bin/setpriv", "--pdeathsig", dies_by, *command],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                **options,
            )
