"""Many audited clients at once, in one event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

from pushd.audit.centrifugo import CentrifugoClient
from pushd.audit.raw import RawClient
from pushd.audit.sse import SseClient

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pushd.audit.client import Backoff, Client
    from pushd.audit.ledger import Report

__all__ = ["PROTOCOLS", "Crowd", "make_client"]

PROTOCOLS = ("raw", "sse", "centrifugo")


def make_client(
    protocol: str, base: str, channels: Sequence[str], backoff: Backoff, token: str = ""
) -> Client:
    """Make one client.

    Args:
        protocol: One of :data:`PROTOCOLS`.
        base: Where pushd is reached, for example ``http://host:86``.
        channels: What it subscribes to besides broadcasts; the raw route needs at least one.
        backoff: How it paces itself.
        token: The client's JWT, or ``""``.
    """
    parts = urlsplit(base)
    sockets = f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}"
    query = [("channel", name) for name in channels] + ([("token", token)] if token else [])
    if protocol == "raw":
        return RawClient(f"{sockets}/websocket/{quote(channels[0], safe='')}?{urlencode(query[1:])}", backoff)
    if protocol == "sse":
        return SseClient(f"{parts.scheme}://{parts.netloc}/events?{urlencode(query)}", backoff)
    if protocol == "centrifugo":
        return CentrifugoClient(f"{sockets}/connection/websocket", backoff, channels=channels, token=token)
    raise ValueError(f"protocol must be one of {', '.join(PROTOCOLS)}")


class Crowd:
    """Runs clients until :meth:`stop`.

    Args:
        clients: Not running yet.
    """

    def __init__(self, clients: Iterable[Client]) -> None:
        self.clients = tuple(clients)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def online(self) -> int:
        """How many are connected and subscribed."""
        return sum(client.online for client in self.clients)

    def start(self) -> None:
        """Let all of them connect; needs a running loop."""
        self._tasks = [asyncio.create_task(client.run()) for client in self.clients]

    async def stop(self) -> None:
        """Disconnect all of them.

        Raises:
            Exception: What a client stumbled over: an answer that is none by its protocol.
        """
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    def reports(self, published: Mapping[str, int] | None = None) -> list[Report]:
        """Draw up every client's account, in the order of the clients, see :meth:`Ledger.report`."""
        return [client.ledger.report(published) for client in self.clients]
