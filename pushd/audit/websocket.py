"""One WebSocket connection for the audited clients that speak over one."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidMessage, InvalidStatus

from pushd.audit.client import HANDSHAKE_TIMEOUT, FinalError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["open_socket"]


@asynccontextmanager
async def open_socket(url: str) -> AsyncIterator[ClientConnection]:
    """Connect; the connection is closed when the block ends.

    Raises:
        FinalError: The request itself is wrong (a 4xx other than 408 and 429).
        OSError: No connection, or a status that may be another one next time.
    """
    try:
        # Compression, pings and proxies off: what is measured is the server, as it is configured.
        socket = await connect(
            url, compression=None, ping_interval=None, proxy=None,
            open_timeout=HANDSHAKE_TIMEOUT, close_timeout=1.0, max_size=None,
        )  # fmt: skip
    except InvalidStatus as error:
        status = error.response.status_code
        if 400 <= status < 500 and status not in (408, 429):
            raise FinalError(f"HTTP {status}") from error
        raise ConnectionRefusedError(f"HTTP {status}") from error
    except InvalidMessage as error:
        raise ConnectionResetError(str(error)) from error
    try:
        yield socket
    finally:
        await socket.close()
