"""Runs a peer's publishing schedule in an asyncio loop."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence

from bench.peers.contract import parse_order, say, schedule, start_time

__all__ = ["obey"]


async def obey(publish: Callable[[Sequence[bytes]], None]) -> None:
    """Carry out the commands on standard input until it ends; ``publish`` takes one burst."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async for line in lines:
        order = parse_order(line.decode())
        late = 0.0
        for burst in schedule(order, start_time()):
            await asyncio.sleep(burst.wait())
            late = max(late, burst.late())
            publish(burst.payloads)
        say("published", messages=order.messages, late=late)
