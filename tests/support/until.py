"""Wait in the reactor thread for something that nobody tells, never longer than a deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet import reactor  # noqa: TID251  # the tests run in it
from twisted.internet.task import deferLater

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["until"]

_DEADLINE = 20.0
"""Seconds."""

_PAUSE = 0.02


async def until(probe: Callable[[], object]) -> None:
    """Look again and again, while the reactor goes on, until ``probe`` answers something true.

    Raises:
        AssertionError: The deadline passed; the text has the last answer.
    """
    deadline = reactor.seconds() + _DEADLINE
    await deferLater(reactor, 0, lambda: None)  # whoever called may be in the middle of something
    while not (answer := probe()):
        assert reactor.seconds() < deadline, f"not in time; last: {answer!r}"
        await deferLater(reactor, _PAUSE, lambda: None)
