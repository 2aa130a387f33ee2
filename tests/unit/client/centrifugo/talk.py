"""Sessions of this protocol without a socket, and what is said to and by them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from pushd.client.auth import Anonymous, Authenticator, ExpiredTokenError, Identity, InvalidTokenError
from pushd.client.centrifugo.announcements import Announcements
from pushd.client.centrifugo.client import Client
from pushd.client.centrifugo.desk import Desk
from pushd.client.centrifugo.rules import Rules
from pushd.client.centrifugo.session import CentrifugoSession
from pushd.client.centrifugo.uni import UniSession
from pushd.client.centrifugo.workload import Workload
from pushd.hub import Hub
from pushd.message import Publication
from pushd.stats import Stats
from pushd.turns import Turns
from tests.support.roster import NoEncoding
from tests.support.still_hub import FakeWire, StillHub

__all__ = ["Server", "Talk", "Vouchers", "frames", "objects", "uni"]


class Vouchers:
    """Tokens in plain words: ``user[:channel]``, with ``old`` and ``bad`` for users; they end at 2000.

    A connection's token may list its channels, ``user=a,b``.
    """

    def connection(self, token: str) -> Identity:
        """Tell who it is; ``only`` may use one channel, and a user without a list all of them."""
        self._judge(token)
        user, listed, names = token.partition("=")
        if listed:
            return Identity(user, 2000.0, frozenset(names.split(",")))
        return Identity(token, 2000.0, frozenset({"open"}) if token == "only" else None)

    def subscription(self, token: str, channel: str, user: str) -> float:
        """Tell until when."""
        self._judge(token)
        if token != f"{user}:{channel}":
            raise InvalidTokenError
        return 1100.0

    def _judge(self, token: str) -> None:
        if token.startswith("old"):
            raise ExpiredTokenError
        if token in {"", "bad"}:
            raise InvalidTokenError


class Server:
    """A desk with everything behind it in reach; its time begins at 0, and at 1000 for tokens."""

    def __init__(self, auth: Authenticator | None = None, **rules: Any) -> None:
        self.hub = StillHub()
        self.clock = Clock()
        self.stats = Stats()
        work = Workload(cast("Any", self.clock), Turns(cast("Any", self.clock), self.stats))
        hub = cast("Hub", self.hub)
        self.published: list[tuple[Publication, Deferred[None]]] = []
        self.confirm = False
        names = count(1)
        self.desk = Desk(
            hub=hub,
            rules=replace(Rules(), **rules),
            auth=auth or Anonymous(),
            publish=self._publish,
            stats=self.stats,
            clock=cast("Any", self.clock),
            now=lambda: 1000.0 + self.clock.seconds(),
            new_client=lambda: f"c{next(names)}",
            work=work,
            announcements=Announcements(hub, replace(Rules(), **rules), work),
        )

    def settle(self) -> None:
        """Do what was left for later turns."""
        self.clock.advance(0)

    def _publish(self, publication: Publication) -> Deferred[None]:
        published: Deferred[None] = Deferred()
        self.published.append((publication, published))
        if self.confirm:
            published.callback(None)
        return published

    def session(self) -> Talk:
        """Open a bidirectional session."""
        return Talk(self, lambda: CentrifugoSession(self.desk, NoEncoding()))

    def connected(self, **connect: Any) -> Talk:
        """Open one and connect it."""
        talk = self.session()
        talk.ask({"connect": connect})
        return talk


class Talk:
    """One session and the wire under it."""

    def __init__(self, server: Server, make: Callable[[], Client]) -> None:
        self.wire = FakeWire()
        self._server = server
        self.session = make()
        self.session.opened(self.wire)
        self._number = 0

    def send(self, text: str) -> None:
        """Send a frame; what is left for later turns is done, too."""
        self.session.received(text.encode(), binary=False)
        self._server.settle()

    def heard(self) -> list[Any]:
        """Give the objects that came since the last time."""
        return objects(self.wire.take())

    def ask(self, *commands: dict[str, Any]) -> Any:
        """Send commands, numbered, in one frame; give what the one answer holds, or all of them."""
        lines = []
        for command in commands:
            self._number += 1
            lines.append(json.dumps({"id": self._number, **command}))
        self.wire.take()
        self.send("\n".join(lines))
        answers = [{k: v for k, v in answer.items() if k != "id"} for answer in self.heard()]
        return answers[0] if len(answers) == 1 else answers

    def subscribe(self, channel: str, **fields: Any) -> Any:
        """Subscribe; give the standing, or the error."""
        answer = self.ask({"subscribe": {"channel": channel, **fields}})
        return answer.get("subscribe", answer)

    @property
    def end(self) -> str:
        """Why the session ended, or nothing."""
        return ", ".join(end.name for end in self.wire.ends)


def frames(data: bytes) -> list[bytes]:
    """Take short and middle-sized server text frames apart (RFC 6455 section 5.2)."""
    found = []
    while data:
        assert 0x81 == data[0]
        size, start = data[1], 2
        if size == 126:
            size, start = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(data[2:10], "big"), 10
        found.append(data[start : start + size])
        data = data[start + size :]
    return found


def objects(data: bytes) -> list[Any]:
    """Give the JSON objects in some frames."""
    return [json.loads(line) for payload in frames(data) for line in payload.split(b"\n")]


def uni(server: Server, kind: type[UniSession] = UniSession, **fields: Any) -> Talk:
    """Open a unidirectional session."""
    return Talk(server, lambda: kind(server.desk, NoEncoding(), **fields))
