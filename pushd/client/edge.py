"""The public port's decisions: which route a request is for, whether it is let in, and who takes it over.

A visitor is let through to a route's session, shown a page, or told in one HTTP error why not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from twisted.internet.interfaces import IAddress, IProtocolNegotiationFactory, ITransport
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer

from pushd.client import extensions
from pushd.client.address import Proxies
from pushd.client.head import HeadLimits, Request
from pushd.client.http import HttpError, Response
from pushd.client.lifecycle import Lifecycle
from pushd.client.origin import Origins
from pushd.client.reception import Reception
from pushd.client.session import Session
from pushd.client.stream import HttpStreams, Stream
from pushd.client.visitor import Visitor
from pushd.client.websocket import WebSockets
from pushd.interfaces import Encoding

__all__ = ["Edge", "Route"]

_Answer = TypeVar("_Answer", Response, Stream)

_HEAD_LIMITS = HeadLimits()

_SERVER = Response(200, (("Allow", "GET, HEAD, POST, OPTIONS"),))
"""The answer to ``OPTIONS *``: what some route or other takes (RFC 9110 section 9.3.7)."""

_KEY = re.compile(r"[A-Za-z0-9+/]{22}==")
"""16 bytes in base64 (RFC 6455 section 4.1)."""


@dataclass(frozen=True, slots=True)
class Route:
    """What stands where.

    Attributes:
        path: A path; one that ends with a slash is a prefix, but for ``/`` itself without ``websocket``.
        open: Gives the session, stream or page for a request, or raises :class:`HttpError`.
        websocket: Whether it is for WebSockets, or else for plain requests.
        methods: Those it takes; ``HEAD`` only where pages are.
        deflated: For WebSockets: how messages become bytes for clients that agree to permessage-deflate;
            without it nobody is asked.
        subprotocols: For WebSockets: the subprotocols that may be chosen. The first of the client's offers
            that is among them is.
    """

    path: str
    open: Callable[[Request], Session | Stream | Response]
    websocket: bool = False
    methods: tuple[str, ...] = ("GET",)
    deflated: Encoding | None = None
    subprotocols: tuple[str, ...] = ()

    def serves(self, path: str) -> bool:
        """Whether ``path`` is here."""
        prefix = self.path.endswith("/") and (self.websocket or self.path != "/")
        return path.startswith(self.path) if prefix else path == self.path

    def asks_first(self, request: Request) -> bool:
        """Whether a browser only asks what a page may send (Fetch Standard, CORS preflight)."""
        asks = request.method == "OPTIONS" and request.header("access-control-request-method")
        return bool(asks) and not self.websocket

    def check(self, request: Request) -> None:
        """Refuse what this route does not do.

        Raises:
            HttpError: The request is not for it.
        """
        if request.method not in self.methods:
            raise HttpError(405, "the method is not allowed here", ("Allow", ", ".join(self.methods)))
        if not self.websocket:
            return
        if not request.upgrades:
            raise HttpError(426, "a WebSocket is spoken here", ("Upgrade", "websocket"))
        if request.header("sec-websocket-version") != "13":
            raise HttpError(
                426, "unknown WebSocket version", ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")
            )
        if not _KEY.fullmatch(request.header("sec-websocket-key")):
            raise HttpError(400, "bad Sec-WebSocket-Key")

    def agree(self, request: Request) -> str:
        """Give the extension that is agreed with the client, as the answer says it, or ``""``.

        Raises:
            HttpError: What it offers cannot be read.
        """
        return extensions.agree(request.header("sec-websocket-extensions")) if self.deflated else ""

    def choose(self, request: Request) -> str:
        """Return the subprotocol of a WebSocket, or ``""`` for none (RFC 6455 section 4.2.2)."""
        if not self.subprotocols:
            return ""
        return next((offer for offer in request.subprotocols if offer in self.subprotocols), "")


@implementer(IProtocolNegotiationFactory)
class Edge(Factory):
    """The public port.

    Args:
        routes: Tried in this order.
        life: What all connections share.
        proxies: Tells who a client is.
        origins: Whose pages may connect.
        reception: Tells visitors when it is their turn.
        message_size: Most bytes of a message, or of a request's body, from a client.
        most_pending: Connections at once that have not said yet what they want.
        now: Gives the time in seconds since the Unix epoch.
        head_limits: Sizes that the head of a request must not exceed.
        max_pending_bytes: Bytes of unfinished requests that all connections together may hold.

    Attributes:
        pending_bytes: Bytes of unfinished requests that the connections hold now.
    """

    noisy = False

    def __init__(
        self,
        routes: Sequence[Route],
        life: Lifecycle,
        proxies: Proxies,
        origins: Origins,
        reception: Reception,
        *,
        message_size: int,
        most_pending: int,
        now: Callable[[], float],
        head_limits: HeadLimits = _HEAD_LIMITS,
        max_pending_bytes: int = 128 * 2**20,
    ) -> None:
        self.life = life
        self.reception = reception
        self.message_size = message_size
        self.now = now
        self.head_limits = head_limits
        self.max_pending_bytes = max_pending_bytes
        self.pending_bytes = 0
        self._routes = routes
        self._proxies = proxies
        self._origins = origins
        self._most_pending = most_pending
        self._websockets = WebSockets(life, message_size)
        self._streams = HttpStreams(life)

    def buildProtocol(self, addr: IAddress | None) -> Visitor | None:  # noqa: ARG002
        """Take a connection, unless too many wait without a word already."""
        self.life.stats.accepted += 1
        if len(self.life.requests) >= self._most_pending:
            return None
        return Visitor(self)

    def acceptableProtocols(self) -> list[bytes]:
        """Tell what is spoken behind TLS: Twisted refuses a client that names protocols and none of ours."""
        return [b"http/1.1"]

    def serve(self, request: Request, transport: ITransport) -> Protocol | Response:
        """Do what is asked.

        Returns:
            Who has the connection from now on, or what to answer before it ends.

        Raises:
            HttpError: It is not to be done.
        """
        if request.path == "*":
            return _SERVER
        route = self.check(request)
        if route.asks_first(request):
            return self._origins.preflight(route.methods)
        extension = route.agree(request)
        address = self._proxies.client(transport.getPeer(), request.header("x-forwarded-for"))
        self.life.admission.admit(address)
        try:
            outcome = route.open(request)
        except Exception:
            self.life.admission.release(address)
            raise
        if isinstance(outcome, Response):
            self.life.admission.release(address)
            return outcome
        if isinstance(outcome, Session):
            outcome.peer = address
            if extension and route.deflated:
                outcome.encoding = route.deflated
            key = request.header("sec-websocket-key")
            return self._websockets.accept(transport, outcome, key, extension, route.choose(request))
        outcome.session.peer = address
        return self._streams.accept(transport, self.shared(outcome, request), self.now())

    def check(self, request: Request) -> Route:
        """Return the route of a request, before its body is there.

        Raises:
            HttpError: No route takes such a request, or none from this page.
        """
        route = self._route(request)
        if not self._origins.allow(request.header("origin")):
            raise HttpError(403, "the page's origin is not allowed")
        if not route.asks_first(request):
            route.check(request)
        return route

    def shared(self, answer: _Answer, request: Request | None) -> _Answer:
        """Let the page that asked read the answer, if it may."""
        origin: str = request.header("origin") if request else ""
        return replace(answer, headers=(*answer.headers, *self._origins.sharing(origin)))

    def _route(self, request: Request) -> Route:
        """Find the route, of two at one path the one for such requests."""
        routes = [route for route in self._routes if route.serves(request.path)]
        if not routes:
            raise HttpError(404, "nothing is here")
        return next((route for route in routes if route.websocket == request.upgrades), routes[0])
