"""Doing something to very many connections, a few at a time: their clients must not come back all at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from pushd.interfaces import Connection

__all__ = ["TICK", "paced"]

TICK = 0.05
"""Seconds from one batch to the next."""

_LEAST = 10
"""Connections in a batch, if there are so many."""


def paced(
    clock: IReactorTime,
    connections: Sequence[Connection],
    act: Callable[[Connection], None],
    *,
    seconds: float,
) -> Deferred[None]:
    """Call ``act`` for each connection, the first ones now.

    Args:
        clock: Paces it.
        connections: In this order.
        act: Must not raise.
        seconds: In which all have had their turn; less if they are few.

    Returns:
        Fires one tick after the last batch; may be cancelled.
    """

    async def go() -> None:
        each = max(_LEAST, ceil(len(connections) * TICK / seconds))
        for start in range(0, len(connections), each):
            for connection in connections[start : start + each]:
                act(connection)
            await deferLater(clock, TICK)

    return Deferred.fromCoroutine(go())
