"""A session on pushd's control port, as somebody typing into telnet has it."""

from __future__ import annotations

import socket
from typing import Self

__all__ = ["ControlSession"]


class ControlSession:
    """One telnet session; a context manager that reads the greeting and says ``quit``.

    Attributes:
        greeting: The first reply.
    """

    def __init__(self, port: int, timeout: float = 20.0) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._lines = self._socket.makefile("rw", encoding="utf-8", newline="\r\n")
        self.greeting = self._reply()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def command(self, line: str) -> str:
        """Type one line and give the whole reply, its lines joined by LF."""
        self._lines.write(f"{line}\r\n")
        self._lines.flush()
        return self._reply()

    def close(self) -> None:
        """Leave."""
        self._lines.close()
        self._socket.close()

    def _reply(self) -> str:
        lines: list[str] = []
        while not lines or lines[-1][3:4] == "-":
            line = self._lines.readline()
            if not line:
                raise ConnectionError(f"the control port hung up after {lines!r}")
            lines.append(line.rstrip("\r\n"))
        return "\n".join(lines)
