"""The ``websockets`` library on asyncio, with its own ``broadcast``; defaults throughout."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib.metadata import version

from websockets.asyncio.server import ServerConnection, broadcast, serve

from bench.peers.asyncio_peer import obey
from bench.peers.contract import ready


async def listen(connection: ServerConnection) -> None:
    """Keep a client until it leaves."""
    await connection.wait_closed()


async def main() -> None:
    """Serve until standard input ends."""
    async with serve(listen, "127.0.0.1", 0, backlog=4096) as server:

        def publish(payloads: Sequence[bytes]) -> None:
            for payload in payloads:
                broadcast(server.connections, payload.decode())

        ready(next(iter(server.sockets)).getsockname()[1], version("websockets"))
        await obey(publish)


if __name__ == "__main__":
    asyncio.run(main())
