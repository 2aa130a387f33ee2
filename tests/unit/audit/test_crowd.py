"""How the addresses of audited clients are made, and how a crowd of them is run."""

from __future__ import annotations

import asyncio

import pytest

from pushd.audit.client import Backoff, Client
from pushd.audit.crowd import Crowd, make_client

BACKOFF = Backoff()


@pytest.mark.parametrize(
    ("protocol", "base", "url"),
    [
        ("raw", "http://host:86", "ws://host:86/websocket/a%2Fb?channel=c&token=t"),
        ("raw", "https://host", "wss://host/websocket/a%2Fb?channel=c&token=t"),
        ("sse", "http://host:86", "http://host:86/events?channel=a%2Fb&channel=c&token=t"),
        ("centrifugo", "https://host", "wss://host/connection/websocket"),
    ],
)
def test_addresses(protocol: str, base: str, url: str) -> None:
    """Each protocol takes its channels and its token where its route expects them."""
    assert url == make_client(protocol, base, ["a/b", "c"], BACKOFF, "t").url


def test_an_unknown_protocol_is_refused() -> None:
    """The error names those that there are."""
    with pytest.raises(ValueError, match="raw, sse, centrifugo"):
        make_client("stomp", "http://host", ["a"], BACKOFF)


class Scripted(Client):
    """A client whose connection is either held for ever or stumbles."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__("test:", BACKOFF)
        self._error = error

    async def converse(self) -> float | None:
        """Hold on, or stumble."""
        self.subscribed()
        assert not self.take("no JSON")
        assert not self.take('{"m": 1}')
        assert not self.take("7")
        assert self.take('{"n": 1}')
        if self._error is not None:
            raise self._error
        return await asyncio.Event().wait()


async def lived(crowd: Crowd) -> None:
    """Let the crowd connect and disconnect it."""
    crowd.start()
    await asyncio.sleep(0)
    assert crowd.online == sum(client.online for client in crowd.clients)
    await crowd.stop()


def test_a_crowd_reports_on_each_client() -> None:
    """In the order of the clients, only numbered messages counted."""
    crowd = Crowd([Scripted(), Scripted()])
    asyncio.run(lived(crowd))
    assert [(1, True), (1, True)] == [(report.received, report.clean) for report in crowd.reports()]
    assert crowd.online == 0


def test_what_a_client_cannot_understand_is_raised() -> None:
    """An answer against the protocol must not pass for a lost connection."""
    with pytest.raises(KeyError):
        asyncio.run(lived(Crowd([Scripted(), Scripted(KeyError("push"))])))
