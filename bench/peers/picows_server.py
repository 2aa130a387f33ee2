"""picows: WebSockets for asyncio in Cython; defaults throughout."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib.metadata import version

from picows import WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from bench.peers.asyncio_peer import obey
from bench.peers.contract import ready


class Client(WSListener):
    """A client that only listens."""

    clients: set[WSTransport]

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Join."""
        self.clients.add(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Leave."""
        self.clients.discard(transport)


async def main() -> None:
    """Serve until standard input ends."""
    clients: set[WSTransport] = set()

    def accept(_: WSUpgradeRequest) -> Client:
        client = Client()
        client.clients = clients
        return client

    def publish(payloads: Sequence[bytes]) -> None:
        for payload in payloads:
            for client in clients:
                client.send(WSMsgType.TEXT, payload)

    async with await ws_create_server(accept, "127.0.0.1", 0, backlog=4096) as server:
        ready(server.sockets[0].getsockname()[1], version("picows"))
        await obey(publish)


if __name__ == "__main__":
    asyncio.run(main())
