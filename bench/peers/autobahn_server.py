"""Stock Autobahn on Twisted: every option at its default.

``--prepared`` sends with ``sendPreparedMessage`` (encoded once), else ``sendMessage``.
Only the listen backlog is not Twisted's 50, so that a herd measures handshakes, not lost SYNs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from bench.peers.contract import Order, ready
from bench.peers.twisted_peer import obey


class Client(WebSocketServerProtocol):
    """A client that only listens."""

    def onOpen(self) -> None:
        """Join."""
        self.factory.clients.add(self)

    def onClose(self, *_: object) -> None:
        """Leave."""
        self.factory.clients.discard(self)


class Server(WebSocketServerFactory):
    """The stock factory and the set of its open connections."""

    protocol = Client

    def __init__(self) -> None:
        super().__init__()
        self.clients: set[Client] = set()

    def send(self, payloads: Sequence[bytes], _: Order) -> None:
        """Send each payload to everybody with ``sendMessage``."""
        for payload in payloads:
            for client in self.clients:
                client.sendMessage(payload)

    def send_prepared(self, payloads: Sequence[bytes], _: Order) -> None:
        """Send each payload to everybody, encoded once."""
        for payload in payloads:
            prepared = self.prepareMessage(payload)
            for client in self.clients:
                client.sendPreparedMessage(prepared)


def main(reactor: Any) -> Deferred[None]:
    """Serve until standard input ends."""
    server = Server()
    port = reactor.listenTCP(0, server, backlog=4096, interface="127.0.0.1")
    ready(port.getHost().port, version("autobahn"))
    return obey(reactor, server.send_prepared if "--prepared" in sys.argv else server.send)


if __name__ == "__main__":
    react(main)
