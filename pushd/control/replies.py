"""What a line on the control port can lead to: a reply at once, or a publication to wait for."""

from __future__ import annotations

from dataclasses import dataclass

from pushd.message import Publication

__all__ = ["HANG_UP", "Publish", "Reply"]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer in the form of RFC 5321 section 4.2: a code on every line, a space after the last one's.

    Attributes:
        code: 2xx done, 3xx go on, 4xx try again, 5xx your mistake.
        lines: The text; none at all says nothing.
        closes: Whether the session ends with it.
    """

    code: int
    lines: tuple[str, ...]
    closes: bool = False

    def encode(self) -> bytes:
        """Give the bytes; lines end with CR LF as RFC 5321 section 2.3.8 has it."""
        last = len(self.lines) - 1
        return "".join(
            f"{self.code}{' ' if index == last else '-'}{line}\r\n" for index, line in enumerate(self.lines)
        ).encode(errors="backslashreplace")


HANG_UP = Reply(421, (), closes=True)
"""Ends the session without a word."""


@dataclass(frozen=True, slots=True)
class Publish:
    """A publication that the broker has to confirm before ``done`` is said.

    Attributes:
        publication: What to publish.
        done: The text of the 250 that follows the confirm.
    """

    publication: Publication
    done: str
