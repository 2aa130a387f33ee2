"""An audited client of Centrifugo's JSON protocol over a WebSocket, with the manners of its stock clients.

It subscribes to channels, keeps a position for each, server-side subscriptions included, and asks
to recover when it comes back. A recovery refused is a reset; one granted must be whole.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from websockets.exceptions import ConnectionClosed

from pushd.audit.client import HANDSHAKE_TIMEOUT, Backoff, Client, FinalError
from pushd.audit.websocket import open_socket

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from websockets.asyncio.client import ClientConnection

__all__ = ["CentrifugoClient"]

_GRACE = 10.0
"""Seconds past a ping's interval after which a silent server is taken for dead."""


@dataclass(slots=True)
class _Position:
    epoch: str
    offset: int

    def recover(self) -> dict[str, Any]:
        return {"recover": True, "epoch": self.epoch, "offset": self.offset}


class _AgainError(Exception):
    """The server asked for a new connection."""


class CentrifugoClient(Client):
    """One client of ``/connection/websocket``.

    Args:
        url: For example ``ws://host:86/connection/websocket``.
        channels: What it subscribes to besides what the server subscribes it to.
        token: Sent with ``connect`` when not empty.
    """

    def __init__(self, url: str, backoff: Backoff, *, channels: Iterable[str] = (), token: str = "") -> None:
        super().__init__(url, backoff)
        self._channels = tuple(channels)
        self._token = token
        self._positions: dict[str, _Position] = {}
        self._asked: dict[int, str] = {}
        self._id = 0
        self._silence = HANDSHAKE_TIMEOUT
        self._pong = False

    async def converse(self) -> float | None:
        """Hold one connection, see :meth:`Client.converse`."""
        self._asked.clear()
        async with open_socket(self.url) as socket:
            try:
                await self._send(socket, [self._connect(), *map(self._subscribe, self._channels)])
                while True:
                    async with asyncio.timeout(self._silence):
                        frame = await socket.recv()
                    for line in frame.splitlines():
                        await self._received(socket, json.loads(line))
            except ConnectionClosed:
                self._disconnected(socket.close_code or 1006)
            except _AgainError:
                pass
        return None

    # What is sent.

    def _connect(self) -> dict[str, Any]:
        served = {name: at.recover() for name, at in self._positions.items() if name not in self._channels}
        token = {"token": self._token} if self._token else {}
        return self._command({"connect": {"name": "audit", **token, "subs": served}}, "")

    def _subscribe(self, channel: str) -> dict[str, Any]:
        at = self._positions.get(channel)
        return self._command({"subscribe": {"channel": channel, **(at.recover() if at else {})}}, channel)

    def _command(self, command: dict[str, Any], channel: str) -> dict[str, Any]:
        self._id += 1
        self._asked[self._id] = channel
        return {"id": self._id, **command}

    async def _send(self, socket: ClientConnection, commands: list[dict[str, Any]]) -> None:
        await socket.send("\n".join(map(json.dumps, commands)))

    # What is received.

    async def _received(self, socket: ClientConnection, reply: Mapping[str, Any]) -> None:
        if not reply:
            if self._pong:
                await socket.send("{}")
        elif "id" in reply:
            self._answered(self._asked.pop(reply["id"]), reply)
            if not self._asked and not self.online:
                self.subscribed()
        else:
            await self._pushed(socket, reply["push"])

    def _answered(self, channel: str, reply: Mapping[str, Any]) -> None:
        if "error" in reply:
            self._refused(reply["error"])
        elif "connect" in reply:
            connect = reply["connect"]
            self._pong = connect.get("pong", False)
            self._silence = connect["ping"] + _GRACE if connect.get("ping") else HANDSHAKE_TIMEOUT * 6
            for name, subscription in connect.get("subs", {}).items():
                self._subscribed(name, subscription)
        else:
            self._subscribed(channel, reply["subscribe"])

    def _refused(self, error: Mapping[str, Any]) -> None:
        if error.get("temporary") or error["code"] < 100 or error["code"] == 109:
            self.ends[f"error {error['code']}"] += 1
            raise _AgainError
        raise FinalError(f"error {error['code']}")

    def _subscribed(self, channel: str, result: Mapping[str, Any]) -> None:
        publications = result.get("publications", ())
        if channel in self._positions and not result.get("recovered"):
            self.ledger.reset()
        for publication in publications:
            self.take_value(publication.get("data"))
        # As stock clients do: the offset is where it recovered from, and each publication moves it on.
        last = publications[-1] if publications else result
        self._positions[channel] = _Position(result.get("epoch", ""), last.get("offset", 0))

    async def _pushed(self, socket: ClientConnection, push: Mapping[str, Any]) -> None:
        channel = push.get("channel", "")
        if "pub" in push:
            if "offset" in push["pub"]:  # all but the last part of a batch have none
                self._positions[channel].offset = push["pub"]["offset"]
            self.take_value(push["pub"].get("data"))
        elif "subscribe" in push:
            self._subscribed(channel, push["subscribe"])
        elif "unsubscribe" in push:
            if push["unsubscribe"]["code"] < 2500:
                raise FinalError(f"unsubscribed with code {push['unsubscribe']['code']}")
            # What the server subscribed this client to, it cannot ask for: the server begins it again itself.
            if channel in self._channels:
                await self._send(socket, [self._subscribe(channel)])
        elif "disconnect" in push:
            self._disconnected(push["disconnect"]["code"])
            raise _AgainError

    def _disconnected(self, code: int) -> None:
        """Judge a code by the ranges of the protocol: who is told 3500-3999 or 4500-4999 stays away."""
        self.ends[str(code)] += 1
        if code == 1009 or 3500 <= code <= 3999 or 4500 <= code <= 4999:
            raise FinalError(f"close code {code}")
