"""A stock centrifuge-python client: ``centrifuge_client.py URL CHANNEL``.

Tells what happens to it on stdout, one JSON object a line, until its stdin ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from centrifuge import Client, ClientEventHandler, SubscriptionEventHandler


def say(event: str, **more: Any) -> None:
    """Tell what happened."""
    print(json.dumps({"event": event, **more}), flush=True)


class Connection(ClientEventHandler):
    async def on_connecting(self, ctx: Any) -> None:
        """Connecting, or about to connect again."""
        say("connecting", code=ctx.code)

    async def on_connected(self, ctx: Any) -> None:
        """Connected."""
        say("connected")

    async def on_disconnected(self, ctx: Any) -> None:
        """Disconnected for good."""
        say("disconnected", code=ctx.code)

    async def on_subscribed(self, ctx: Any) -> None:
        """Subscribed, by the server in the client's case."""
        say("subscribed", channel=ctx.channel, wasRecovering=ctx.was_recovering, recovered=ctx.recovered)

    async def on_publication(self, ctx: Any) -> None:
        """Given a message."""
        say("message", channel=ctx.channel, data=ctx.pub.data)


class Subscription(SubscriptionEventHandler):
    def __init__(self, channel: str) -> None:
        self._channel = channel

    async def on_subscribed(self, ctx: Any) -> None:
        """Subscribed, by the server in the client's case."""
        say("subscribed", channel=self._channel, wasRecovering=ctx.was_recovering, recovered=ctx.recovered)

    async def on_publication(self, ctx: Any) -> None:
        """Given a message."""
        say("message", channel=self._channel, data=ctx.pub.data)


async def main(url: str, channel: str) -> None:
    """Subscribe, and stay until stdin ends."""
    client = Client(url, events=Connection())
    await client.new_subscription(channel, events=Subscription(channel)).subscribe()
    await client.connect()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await client.disconnect()


asyncio.run(main(*sys.argv[1:]))
