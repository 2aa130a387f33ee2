"""A client that is ahead of its instance: it saw on another one what has not arrived here yet.

Instances read the same log, each at its own pace; a client that changes between them may be faster
than a message. It lost nothing, so it is asked to come again in a moment instead of being told it did.
"""

from __future__ import annotations

from pushd.message import Position

__all__ = ["MOST", "is_ahead"]

MOST = 100
"""By how many offsets a client may be ahead; what is above is no position of this log."""


def is_ahead(client: Position, here: Position) -> bool:
    """Whether ``client`` stands a little above ``here``."""
    return client.epoch == here.epoch and 0 < client.offset - here.offset <= MOST
