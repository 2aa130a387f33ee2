"""Compiles the two C programs, the sink and the floor, once per run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

__all__ = ["CompilerError", "build"]

_HERE = Path(__file__).parent
_FLAGS = ("-O2", "-std=gnu17", "-Wall", "-Wextra")


class CompilerError(Exception):
    """There is no C compiler, or it refuses."""


def build(source: str, folder: Path) -> Path:
    """Compile ``source`` (relative to this folder) into ``folder`` and give the program.

    Raises:
        CompilerError: With what to do about it.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise CompilerError(
            "the benchmark's client is written in C: install a compiler (Debian: gcc libc6-dev)"
        )
    program = folder / Path(source).stem
    command = [compiler, *_FLAGS, "-o", str(program), str(_HERE / source)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise CompilerError(f"{compiler} cannot compile {source}:\n{result.stderr}")
    return program
