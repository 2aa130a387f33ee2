"""A client that is ahead of its instance: it saw on another one what has not arrived here yet.

Instances read the same log, each at its own pace; a client that changes between them may be faster
than a message. It lost nothing, so it is asked to come again in a moment instead of being told it did.
"""

from __future__ import annotations

from pushd.message import Position

__all__ = ["MOST", "is_ahead"]

MOST = 100
"""By how many offsets a client may be ahead; what is above is no position of this log."""


def is_ahead(client: Position, here: Position, *, attached: bool) -> bool:
    """Whether ``client`` stands a little above ``here``, or, in an outage, however far.

    Args:
        client: Where it was.
        here: Where this instance is.
        attached: Whether what is published arrives here; if not, others may have come any way from here.
    """
    lead = client.offset - here.offset
    return client.epoch == here.epoch and lead > 0 and (lead <= MOST or not attached)
