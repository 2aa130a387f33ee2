"""The admin port in memory: whole requests in, whole responses out, over a string transport."""

from __future__ import annotations

import json
from dataclasses import dataclass

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from pushd.admin.loop import LoopLag
from pushd.admin.port import AdminPort
from pushd.admin.site import AdminSite
from pushd.message import Position, Publication
from pushd.stats import Stats
from pushd.status import Status

__all__ = ["STATUS", "Port", "Response", "request", "talk"]

STATUS = Status("1", 60, True, "log at 7", {"raw": 2}, 3, Position("e", 7), 8, 9, 10, ())


@dataclass(frozen=True)
class Response:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> object:
        """The body, read as JSON."""
        return json.loads(self.body)


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """Write a request; headers with ``_`` for ``-``."""
    lines = {"host": "localhost:8191", **{name.replace("_", "-"): value for name, value in headers.items()}}
    if body:
        lines.setdefault("content-length", str(len(body)))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


class Conversation:
    """One connection to a site."""

    def __init__(self, site: AdminSite) -> None:
        self.wire = StringTransport()
        self.protocol = site.buildProtocol(None)
        assert self.protocol is not None
        self.protocol.makeConnection(self.wire)

    def say(self, data: bytes) -> None:
        """Send."""
        self.protocol.dataReceived(data)

    def hear(self) -> Response:
        """Read one response."""
        head, _, body = self.wire.value().partition(b"\r\n\r\n")
        self.wire.clear()
        first, *fields = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
        return Response(int(first.split()[1]), headers, body)


def talk(site: AdminSite, data: bytes) -> Response:
    """Send one request on a connection of its own and read the response."""
    conversation = Conversation(site)
    conversation.say(data)
    return conversation.hear()


class Port:
    """A whole port over a broker whose confirm a test gives."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.stats = Stats()
        self.reasons: list[str] = []
        self.published: list[Publication] = []
        self.confirms: list[Deferred[None]] = []
        self.site = AdminPort(
            status=lambda: STATUS,
            readiness=lambda: self.reasons,
            publish=self._publish,
            stats=self.stats,
            lag=LoopLag(self.clock),
            clock=self.clock,
            message_size=100,
            hosts=("Push.example",),
        ).site()

    def get(self, path: str, **headers: str) -> Response:
        """Get a page."""
        return talk(self.site, request("GET", path, b"", **headers))

    def post(self, path: str, body: bytes, content_type: str = "application/json") -> Conversation:
        """Post to a page; its answer may have to wait."""
        conversation = Conversation(self.site)
        conversation.say(request("POST", path, body, content_type=content_type))
        return conversation

    def _publish(self, publication: Publication) -> Deferred[None]:
        self.published.append(publication)
        self.confirms.append(Deferred())
        return self.confirms[-1]
