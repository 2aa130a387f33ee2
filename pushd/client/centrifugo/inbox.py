"""The commands that a client has sent and that are not carried out yet."""

from __future__ import annotations

from collections import deque

from pushd.client.centrifugo.commands import Command, NotACommandError, parse

__all__ = ["Inbox"]


class Inbox:
    """Frames in the order in which they came. Each has one command per line, read when it is asked for.

    Attributes:
        size: Bytes of the frames of which something is left.
    """

    __slots__ = ("_begin", "_empty", "_frames", "size")

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        # Of the first frame: where the next line begins, and True if no line so far was a command.
        self._begin = 0
        self._empty = True
        self.size = 0

    def __bool__(self) -> bool:
        """Return True if a line is left."""
        return bool(self._frames)

    def add(self, frame: bytes) -> None:
        """Take a frame."""
        self._frames.append(frame)
        self.size += len(frame)

    def next(self) -> tuple[Command | None, int]:
        """Remove the next line.

        Returns:
            Its command, or ``None`` for a blank line, and the length of the line.

        Raises:
            NotACommandError: It is no command, or a whole frame has none.
        """
        line = self._line()
        command = parse(line) if line and not line.isspace() else None
        self._empty = self._empty and command is None
        if self._begin > len(self._frames[0]):
            self._end_frame()
        return command, len(line)

    def clear(self) -> None:
        """Drop everything."""
        self._frames.clear()
        self._begin, self._empty, self.size = 0, True, 0

    def _line(self) -> bytes:
        frame, begin = self._frames[0], self._begin
        end = frame.find(b"\n", begin)
        end = len(frame) if end < 0 else end
        self._begin = end + 1
        return frame[begin:end]

    def _end_frame(self) -> None:
        empty = self._empty
        self.size -= len(self._frames.popleft())
        self._begin, self._empty = 0, True
        if empty:
            raise NotACommandError("empty frame")
