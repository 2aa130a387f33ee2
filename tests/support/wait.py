"""Wait for something to become true, never longer than a deadline, never for a fixed time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["wait_for"]

T = TypeVar("T")

_PAUSE = 0.02


def wait_for(probe: Callable[[], T], what: str, timeout: float = 20.0) -> T:
    """Call ``probe`` until it answers something true; connections refused meanwhile count as "not yet".

    Args:
        probe: Asked again and again; must be cheap and without side effects.
        what: What is waited for, said when it does not come.
        timeout: The deadline, in seconds from now.

    Returns:
        The first true answer.

    Raises:
        AssertionError: The deadline passed; the text has ``what`` and the last answer.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            answer = probe()
            if answer:
                return answer
            last: object = answer
        except OSError as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"no {what} within {timeout:g} s; last: {last!r}")
        time.sleep(_PAUSE)
