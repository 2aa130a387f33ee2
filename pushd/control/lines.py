"""From the bytes of a telnet client to lines, bounded. No I/O.

A line ends with LF, CR LF, or the CR NUL of a terminal in character mode (RFC 854). Telnet's own
commands are taken out and every option is refused, which a client may wait for: after an
interrupt, Linux's telnet hides all output until its DO TIMING-MARK (RFC 860) is answered.
The byte that starts them, 255, occurs in no UTF-8 text, so other clients never meet this.
"""

from __future__ import annotations

import re

__all__ = ["LineReader", "LineTooLongError"]

_COMMAND = re.compile(
    rb"\xff(?:"
    rb"(?P<literal>\xff)"
    rb"|(?P<request>[\xfb-\xfe])(?P<option>.)"
    rb"|\xfa(?:[^\xff]|\xff\xff)*\xff\xf0"
    rb"|[\xf0-\xf9]"
    rb"|(?P<unfinished>(?:[\xfb-\xfe]|\xfa(?:[^\xff]|\xff\xff)*\xff?)?)\Z"
    rb")",
    re.DOTALL,
)
"""One telnet command (RFC 854): IAC and what belongs to it, or the start of one at the very end."""

_REFUSALS = {b"\xfb": b"\xff\xfe", b"\xfd": b"\xff\xfc"}
"""WILL is answered with DONT and DO with WONT; the other two need no answer (RFC 1143)."""


class LineTooLongError(Exception):
    """More bytes than a line may have, and no end of it."""


class LineReader:
    """Collects bytes and gives lines.

    Args:
        longest: The most bytes a line may have, its end not counted.
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._unfinished = b""
        self._buffer = b""
        self._start = 0

    def feed(self, data: bytes) -> bytes:
        """Take what arrived.

        Returns:
            Telnet's refusals, to be sent back; mostly nothing.

        Raises:
            LineTooLongError: A telnet command has no end.
        """
        refusals: list[bytes] = []
        if self._unfinished or b"\xff" in data:
            data = self._strip(self._unfinished + data, refusals)
        buffer = self._buffer[self._start :] + data
        self._buffer = buffer.replace(b"\r\0", b"\n") if b"\0" in data else buffer
        self._start = 0
        if len(self._unfinished) > self._longest:
            raise LineTooLongError
        return b"".join(refusals)

    def next(self) -> bytes | None:
        """Give the next line without its end, or ``None`` when no whole line is there.

        Raises:
            LineTooLongError: It has more bytes than allowed.
        """
        end = self._buffer.find(b"\n", self._start)
        length = (len(self._buffer) if end < 0 else end) - self._start
        if length > self._longest + 1:  # one more for a CR
            raise LineTooLongError
        if end < 0:
            return None
        line = self._buffer[self._start : end].removesuffix(b"\r")
        self._start = end + 1
        return line

    def _strip(self, data: bytes, refusals: list[bytes]) -> bytes:
        """Take telnet's commands out of ``data``, and keep one that is cut off until its rest comes."""
        self._unfinished = b""

        def replace(command: re.Match[bytes]) -> bytes:
            if command["unfinished"] is not None:
                self._unfinished = command[0]
            elif command["request"] in _REFUSALS:
                refusals.append(_REFUSALS[command["request"]] + command["option"])
            return command["literal"] or b""

        return _COMMAND.sub(replace, data)
