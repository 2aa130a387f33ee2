"""Who is on a channel, of the clients that speak this protocol to this instance.

Nothing is kept for it: the hub's index of subscribers is read when somebody asks. On a channel with
more clients than :data:`MOST` nobody is listed or announced, so that no question costs a long turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from pushd.client.centrifugo.errors import LIMIT_EXCEEDED, RefusedError
from pushd.message import BROADCAST

if TYPE_CHECKING:
    from pushd.client.centrifugo.client import Client
    from pushd.client.centrifugo.replies import Fields
    from pushd.interfaces import Roster

_Kind = TypeVar("_Kind")

__all__ = ["MOST", "audience", "listing", "statistics"]

MOST = 1000
"""Most connections a channel may have for presence to be told."""


def audience(roster: Roster, channel: str, kind: type[_Kind]) -> list[_Kind]:
    """Give the connections on ``channel`` that are of one kind.

    Raises:
        RefusedError: The channel has too many connections.
    """
    connections = roster.connections if channel == BROADCAST else roster.channels.get(channel, ())
    if len(connections) > MOST:
        raise RefusedError(LIMIT_EXCEEDED)
    return [connection for connection in connections if isinstance(connection, kind)]


def listing(clients: Sequence[Client]) -> Fields:
    """Answer who they are."""
    return {"presence": {client.client: client.info for client in clients}}


def statistics(clients: Sequence[Client]) -> Fields:
    """Answer how many they are, and how many different users."""
    users = {client.identity.user for client in clients}
    return {"num_clients": len(clients), "num_users": len(users)}
