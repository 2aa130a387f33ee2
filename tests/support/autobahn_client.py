"""A stock Autobahn client, which offers permessage-deflate: ``autobahn_client.py URL``.

Sends one long message, which it deflates if that was agreed, and tells what happens to it on stdout, one
JSON object a line, until its stdin ends.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from autobahn.websocket.compress import (
    PerMessageDeflateOffer,
    PerMessageDeflateResponse,
    PerMessageDeflateResponseAccept,
)
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.stdio import StandardIO
from twisted.internet.task import react


def say(event: str, **more: Any) -> None:
    """Tell what happened."""
    print(json.dumps({"event": event, **more}), flush=True)


class Client(WebSocketClientProtocol):  # type: ignore[misc]
    def onConnect(self, response: Any) -> None:
        """The handshake was answered."""
        say("connected", extensions=[extension.EXTENSION_NAME for extension in response.extensions])

    def onOpen(self) -> None:
        """Connected."""
        self.sendMessage(b"heartbeat" * 500)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # Autobahn's signature
        """Given a message."""
        say("message", data=json.loads(payload))

    def onClose(self, wasClean: bool, code: int, reason: str) -> None:  # as above
        """Disconnected."""
        say("disconnected", code=code)


class Parent(Protocol):
    def __init__(self) -> None:
        self.gone: Deferred[None] = Deferred()

    def connectionLost(self, reason: object = None) -> None:
        """The end of stdin."""
        self.gone.callback(None)


def accept(response: object) -> PerMessageDeflateResponseAccept | None:
    """Take what the server makes of the offer."""
    agreed = isinstance(response, PerMessageDeflateResponse)
    return PerMessageDeflateResponseAccept(response) if agreed else None


def main(reactor: Any, url: str) -> Deferred[None]:
    """Connect, and stay until stdin ends."""
    factory = WebSocketClientFactory(url, reactor=reactor)
    factory.protocol = Client
    factory.setProtocolOptions(
        perMessageCompressionOffers=[PerMessageDeflateOffer()], perMessageCompressionAccept=accept
    )
    reactor.connectTCP(factory.host, factory.port, factory)
    parent = Parent()
    StandardIO(parent)
    return parent.gone


react(main, sys.argv[1:])
