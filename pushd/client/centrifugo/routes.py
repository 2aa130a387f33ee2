"""From requests to sessions of this protocol: what stands in a URL is judged before anything is opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pushd.client.auth import InvalidTokenError
from pushd.client.centrifugo.commands import Connect, NotACommandError, parse_connect
from pushd.client.centrifugo.desk import Desk
from pushd.client.centrifugo.errors import PERMISSION_DENIED, RefusedError
from pushd.client.centrifugo.frame_pings import FramePingSession, FramePingUniSession
from pushd.client.centrifugo.session import CentrifugoSession
from pushd.client.centrifugo.uni import Ticket, UniSession, UniSseSession, admit, resumed
from pushd.client.gate import unauthorized
from pushd.client.head import Request
from pushd.client.http import HttpError
from pushd.client.query import LAST_EVENT_ID, Query, flag, last_event_id, read
from pushd.client.sse import HEADERS, retry_after
from pushd.client.stream import Stream
from pushd.interfaces import Encoding
from pushd.message import Position

__all__ = ["JSON", "CentrifugoRoute", "UniSseRoute", "UniWebSocketRoute"]

JSON = "centrifuge-json"
"""The subprotocol of the form that is spoken here."""

_CONNECT = "cf_connect"
_FRAME_PINGS = "cf_ws_frame_ping_pong"
_VERSIONS = ("cf_protocol_version",)
"""A parameter of older clients: the version, of which there is only one left."""

_WEBSOCKET = (_FRAME_PINGS, "cf_protocol", "format", *_VERSIONS)


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
        query = read(request, _WEBSOCKET)
        _require_json(request, query)
        make = FramePingSession if flag(query, _FRAME_PINGS) else CentrifugoSession
        return make(self.desk, self.encoding)


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
        query = read(request, (*_WEBSOCKET, _CONNECT))
        _require_json(request, query)
        make = FramePingUniSession if flag(query, _FRAME_PINGS) else UniSession
        asked = _asked(query)
        return make(self.desk, self.encoding, _ticket(self.desk, asked) if asked else None)


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
        query = read(request, (_CONNECT, *_VERSIONS, *LAST_EVENT_ID))
        ticket = _ticket(self.desk, _asked(query) or request.body)
        if last := last_event_id(query, request.header("last-event-id")):
            ticket = resumed(ticket, _position(last))
        session = UniSseSession(self.desk, self.encoding, ticket, retry_after(self.retry, self.share()))
        return Stream(session, HEADERS)


def _require_json(request: Request, query: Query) -> None:
    """Refuse a client that can only speak Protobuf, in its subprotocol or in its URL.

    Raises:
        HttpError: JSON is nothing that it could read.
    """
    offers = request.subprotocols
    formats = {value for name in ("cf_protocol", "format") for value in query.get(name, ())}
    if ("centrifuge-protobuf" in offers and JSON not in offers) or formats - {"json"}:
        raise HttpError(400, f"only the JSON form of the protocol is spoken here: offer {JSON}")


def _asked(query: Query) -> bytes:
    return next(iter(query.get(_CONNECT, ())), "").encode()


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
