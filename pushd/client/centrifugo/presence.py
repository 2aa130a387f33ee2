"""Who is on a channel, of the clients that speak this protocol to this instance.

Nothing is kept for it: the hub's index of subscribers is read when somebody asks. On a channel with
more clients than :data:`MOST` nobody is listed or announced, so that no question costs much.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, TypeVar

import orjson

from pushd.client.centrifugo.drafts import Listing
from pushd.client.centrifugo.errors import LIMIT_EXCEEDED, RefusedError
from pushd.message import BROADCAST

if TYPE_CHECKING:
    from pushd.client.centrifugo.client import Client
    from pushd.client.centrifugo.replies import Fields
    from pushd.interfaces import Connection, Roster

_Kind = TypeVar("_Kind")

__all__ = ["MOST", "audience", "listing", "size", "statistics"]

MOST = 1000
"""Most connections a channel may have for presence to be told."""

_MEMBER_BYTES = 200
"""Bytes that a member counts in an answer that is being written."""


def audience(roster: Roster, channel: str, kind: type[_Kind]) -> list[_Kind]:
    """Give the connections on ``channel`` that are of one kind.

    Raises:
        RefusedError: The channel has too many connections.
    """
    if size(roster, channel) > MOST:
        raise RefusedError(LIMIT_EXCEEDED)
    return [connection for connection in _connections(roster, channel) if isinstance(connection, kind)]


def size(roster: Roster, channel: str) -> int:
    """Give the number of connections on ``channel``."""
    return len(_connections(roster, channel))


def listing(clients: Sequence[Client]) -> Fields:
    """Answer who they are."""
    pieces = (b'"%b":%b' % (client.client.encode(), orjson.dumps(client.info)) for client in clients)
    return {"presence": Listing(_MEMBER_BYTES * len(clients), pieces, (b"{", b"}"))}


def statistics(clients: Sequence[Client]) -> Fields:
    """Answer how many they are, and how many different users."""
    users = {client.identity.user for client in clients}
    return {"num_clients": len(clients), "num_users": len(users)}


def _connections(roster: Roster, channel: str) -> Collection[Connection]:
    return roster.connections if channel == BROADCAST else roster.channels.get(channel, ())
