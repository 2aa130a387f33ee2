"""Letting visitors in one after the other: a herd is served bit by bit, between other things.

A few handshakes in a turn of the reactor are answered at once. Thousands may be ready in the same turn, and
would keep messages waiting for as long as all of them take; from the first that is too much they have theirs
in the short turns that passes of messages have, too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from pushd.turns import Turns

__all__ = ["Reception"]

_AT_ONCE = 50
"""Visitors served in the turn in which they came: about 4 ms."""

_STEP = 10
"""Visitors served in one step of a later turn: under a millisecond."""


class Reception:
    """Calls visitors up, in the order in which they came.

    Args:
        turns: Runs what takes long.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._waiting: deque[Callable[[], None]] = deque()
        self._room = _AT_ONCE

    def has_room(self) -> bool:
        """Whether who comes now may be served at once; if so, that is one more in this turn."""
        if self._waiting or not self._room:
            return False
        if self._room == _AT_ONCE:
            self._turns.add(self._call_up())
        self._room -= 1
        return True

    def wait(self, called: Callable[[], None]) -> None:
        """Have ``called`` called when it is the visitor's turn; what it raises is logged."""
        self._waiting.append(called)

    def _call_up(self) -> Iterator[None]:
        try:
            while self._waiting:
                for _ in range(min(_STEP, len(self._waiting))):
                    self._waiting.popleft()()
                yield
            self._room = _AT_ONCE
        except Exception:
            # It was to be guarded; whatever it is, the others must not wait for ever.
            self._turns.add(self._call_up())
            raise
