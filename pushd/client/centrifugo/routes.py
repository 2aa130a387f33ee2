"""From requests to sessions of this protocol: what stands in a URL is judged before anything is opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pushd.client.auth import InvalidTokenError
from pushd.client.centrifugo.commands import Connect, NotACommandError, parse_connect
from pushd.client.centrifugo.desk import Desk
from pushd.client.centrifugo.errors import PERMISSION_DENIED, RefusedError
from pushd.client.centrifugo.session import CentrifugoSession
from pushd.client.centrifugo.uni import Ticket, UniSession, UniSseSession, admit, resumed
from pushd.client.gate import unauthorized
from pushd.client.head import Request
from pushd.client.http import HttpError
from pushd.client.sse import HEADERS, retry_after
from pushd.client.stream import Stream
from pushd.interfaces import Encoding
from pushd.message import Position

__all__ = ["CentrifugoRoute", "UniSseRoute", "UniWebSocketRoute"]


@dataclass(frozen=True, slots=True)
class CentrifugoRoute:
    """The bidirectional form.

    Attributes:
        desk: What its sessions share.
        encoding: How messages become frames for them.
    """

    desk: Desk
    encoding: Encoding

    def __call__(self, request: Request) -> CentrifugoSession:
        """Give a session.

        Raises:
            HttpError: The client speaks another form of the protocol.
        """
        if "centrifuge-protobuf" in request.tokens("sec-websocket-protocol"):
            raise HttpError(400, "only the JSON form of the protocol is spoken here")
        return CentrifugoSession(self.desk, self.encoding)


@dataclass(frozen=True, slots=True)
class UniWebSocketRoute:
    """The unidirectional form over a WebSocket, see :class:`CentrifugoRoute`."""

    desk: Desk
    encoding: Encoding

    def __call__(self, request: Request) -> UniSession:
        """Give a session, which begins at once if the URL says what with.

        Raises:
            HttpError: That cannot be granted.
        """
        asked = _asked(request)
        return UniSession(self.desk, self.encoding, _ticket(self.desk, asked) if asked else None)


@dataclass(frozen=True, slots=True)
class UniSseRoute:
    """The unidirectional form as server-sent events, see :class:`CentrifugoRoute`.

    Attributes:
        retry: Seconds after which clients should come back at the earliest.
        share: Draws a number from 0 to 1, to spread them.
    """

    desk: Desk
    encoding: Encoding
    retry: float
    share: Callable[[], float]

    def __call__(self, request: Request) -> Stream:
        """Give a stream.

        Raises:
            HttpError: What the request asks for cannot be granted.
        """
        ticket = _ticket(self.desk, _asked(request) or request.body)
        if last := request.header("last-event-id"):
            ticket = resumed(ticket, _position(last))
        session = UniSseSession(self.desk, self.encoding, ticket, retry_after(self.retry, self.share()))
        return Stream(session, HEADERS)


def _asked(request: Request) -> bytes:
    return next(iter(request.parameters().get("cf_connect", ())), "").encode()


def _ticket(desk: Desk, text: bytes) -> Ticket:
    try:
        return admit(desk, _connect(text))
    except InvalidTokenError as error:
        raise unauthorized(error) from error
    except RefusedError as refusal:
        status = 403 if refusal.error is PERMISSION_DENIED else 400
        raise HttpError(status, refusal.error.message) from refusal


def _connect(text: bytes) -> Connect:
    try:
        return parse_connect(text)
    except NotACommandError as error:
        raise HttpError(400, "not a connect request") from error


def _position(text: str) -> Position:
    try:
        return Position.parse(text)
    except ValueError as error:
        raise HttpError(400, str(error)) from error
