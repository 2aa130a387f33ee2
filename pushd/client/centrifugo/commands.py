"""From the lines of a frame to commands, each a request with its number or the error it earned.

A frame holds one JSON object or several, one per line; each names its method by its one key
besides ``id``. Fields that are not known are passed over, as newer clients send some.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, ClassVar

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from pushd.client.centrifugo.errors import BAD_REQUEST, METHOD_NOT_FOUND, NOT_AVAILABLE, Error
from pushd.jsontext import compact, depth, last_member, loads
from pushd.message import Position

__all__ = [
    "Command",
    "Connect",
    "History",
    "NotACommandError",
    "Ping",
    "Pong",
    "Presence",
    "PresenceStats",
    "Publish",
    "Refresh",
    "Request",
    "Since",
    "SubRefresh",
    "Subscribe",
    "Unsubscribe",
    "parse",
    "parse_connect",
]


def _encodable(token: str) -> str:
    """Refuse a lone surrogate, which has no form in UTF-8; the checks of signatures would fail on it."""
    token.encode()
    return token


_Token = Annotated[str, AfterValidator(_encodable)]

Offset = Annotated[int, Field(ge=0, lt=2**64)]

_LARGEST_ID = 2**32 - 1

_LEVELS = 254
"""Levels of arrays and objects in what a client publishes. Each parser has a limit of its own above this."""

_NUMBER = re.compile(
    rb'\s*+\{\s*+"id"\s*+:\s*+(\d{1,10}+)\s*+,|.*"id"\s*+:\s*+(\d{1,10}+)\s*+\}\s*+$', re.DOTALL
)
"""The number of a command that is nested too deeply to be read, as first or last member of the object."""


class NotACommandError(ValueError):
    """What arrived is not this protocol; the connection ends."""


def _without_nulls(fields: object) -> object:
    """Take a ``null`` for an absent field, as the protocol's own decoders do."""
    if isinstance(fields, dict):
        return {name: value for name, value in fields.items() if value is not None}
    return fields


class Request(BaseModel):
    """What a command asks for.

    Attributes:
        method: The key that names it, in the command and in its answer.
    """

    method: ClassVar[str] = ""
    model_config = ConfigDict(frozen=True, strict=True)


class Since(Request):
    """A place in a channel's history."""

    offset: Offset = 0
    epoch: str = ""

    @property
    def position(self) -> Position:
        """The same as everybody else calls it."""
        return Position(self.epoch, self.offset)


class Subscribe(Since):
    """Receive a channel, after recovering what was missed if so asked."""

    method: ClassVar[str] = "subscribe"
    channel: str = ""
    token: _Token = ""
    recover: bool = False
    flag: Offset = 0

    @property
    def all_or_error(self) -> bool:
        """Whether an impossible recovery must be an error: bit 2 of the flags."""
        return bool(self.flag & 2)


class Connect(Request):
    """Open the session; always the first command."""

    method: ClassVar[str] = "connect"
    token: _Token = ""
    subs: dict[str, Annotated[Subscribe, BeforeValidator(_without_nulls)]] = Field(default_factory=dict)


class Unsubscribe(Request):
    """Receive a channel no longer."""

    method: ClassVar[str] = "unsubscribe"
    channel: str


class Publish(Request):
    """Send data to a channel.

    Attributes:
        channel: The channel's name.
        body: The data, compact JSON. Numbers and strings are as the client wrote them.
    """

    method: ClassVar[str] = "publish"
    channel: str
    body: bytes = b"null"


class Presence(Request):
    """Who is on a channel?"""

    method: ClassVar[str] = "presence"
    channel: str


class PresenceStats(Request):
    """How many are on a channel?"""

    method: ClassVar[str] = "presence_stats"
    channel: str


class History(Request):
    """What was published on a channel? ``limit`` 0 asks for the position only, below 0 for all."""

    method: ClassVar[str] = "history"
    channel: str
    limit: int = 0
    since: Annotated[Since, BeforeValidator(_without_nulls)] | None = None
    reverse: bool = False


class Refresh(Request):
    """Go on with a newer token."""

    method: ClassVar[str] = "refresh"
    token: _Token


class SubRefresh(Request):
    """Go on with a subscription by a newer token."""

    method: ClassVar[str] = "sub_refresh"
    channel: str
    token: _Token


class Ping(Request):
    """Answer me."""

    method: ClassVar[str] = "ping"


class Pong(Request):
    """The answer to our ping: an empty command without a number."""


_PONG = Pong()
"""All pongs: a frame may have some ten thousand."""


Command = tuple[int, Request | Error]
"""The number to answer under (0: no answer is awaited) and what is asked, or the error to answer."""

_METHODS: Mapping[str, type[Request] | Error] = MappingProxyType(
    {
        "rpc": NOT_AVAILABLE,
        **{
            kind.method: kind
            for kind in (
                Connect,
                Subscribe,
                Unsubscribe,
                Publish,
                Presence,
                PresenceStats,
                History,
                Refresh,
                SubRefresh,
                Ping,
            )
        },
    }
)


def parse(line: bytes) -> Command:
    """Read one command.

    What is JSON by some rule, but cannot be carried out, is a bad request and does not end the connection.

    Raises:
        NotACommandError: It is not JSON, not an object, or has no number or no method.
    """
    try:
        fields = _object(line)
    except RecursionError:
        return _number_of_deep(line), BAD_REQUEST
    if not fields:
        return 0, _PONG
    number = fields.pop("id", 0)
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number <= _LARGEST_ID:
        raise NotACommandError("a command needs a number")
    if len(fields) != 1:
        raise NotACommandError("a command has one method")
    ((method, params),) = fields.items()
    if method == Publish.method and isinstance(params, dict):
        return number, _publish(line, params)
    return number, _request(method, params)


def parse_connect(payload: bytes) -> Connect:
    """Read the bare connect request that opens a unidirectional session; nothing at all is one too.

    Raises:
        NotACommandError: It is not JSON or not a connect request.
    """
    try:
        return Connect.model_validate(_without_nulls(_object(payload or b"{}")))
    except ValidationError as error:
        raise NotACommandError("not a connect request") from error
    except RecursionError as error:
        raise NotACommandError("nested too deeply") from error


def _object(text: bytes) -> dict[str, object]:
    try:
        value = _value(text)
    except ValueError as error:
        raise NotACommandError("not JSON") from error
    if not isinstance(value, dict):
        raise NotACommandError("not an object")
    return value


def _value(text: bytes) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return loads(text)


def _number_of_deep(line: bytes) -> int:
    found = _NUMBER.match(line)
    number = int(found[1] or found[2]) if found else 0
    if not 0 < number <= _LARGEST_ID:
        raise NotACommandError("a command needs a number")
    return number


def _publish(line: bytes, params: dict[str, object]) -> Request | Error:
    try:
        data = last_member(line.decode(), Publish.method, "data")
    except (ValueError, RecursionError):  # NaN or infinity, or nested too deeply
        return BAD_REQUEST
    body = compact(data or "null")
    if body.count("[") + body.count("{") > _LEVELS and depth(body) > _LEVELS:
        return BAD_REQUEST
    return _request(Publish.method, {"channel": params.get("channel"), "body": body.encode()})


def _request(method: str, params: object) -> Request | Error:
    kind = _METHODS.get(method, METHOD_NOT_FOUND)
    if isinstance(kind, Error):
        return kind
    try:
        return kind.model_validate(_without_nulls(params))
    except ValidationError:
        return BAD_REQUEST
