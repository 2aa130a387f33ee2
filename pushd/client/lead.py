"""A client that is ahead of its instance: it saw on another one what has not arrived here yet.

Instances read the same log, each at its own pace; a client that changes between them may be faster
than a message. It lost nothing, so it is asked to come again in a moment instead of being told it did.
"""

from __future__ import annotations

from pushd.message import Position

__all__ = ["MOST", "is_ahead"]

MOST = 100
"""By how many offsets a client may be ahead of an instance that seems to be abreast of the log."""


def is_ahead(client: Position, here: Position, *, abreast: bool) -> bool:
    """Whether ``client`` stands a little above ``here``, or above at all while this instance is behind.

    Args:
        client: Where it was.
        here: Where this instance is.
        abreast: See :attr:`pushd.hub.Hub.abreast`; without, nobody here knows how far others have come.
    """
    lead = client.offset - here.offset
    return client.epoch == here.epoch and lead > 0 and (lead <= MOST or not abreast)
