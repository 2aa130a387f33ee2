"""Publishing over HTTP: ``POST /api/publish`` and ``/api/broadcast``, answered after the broker's confirm.

``data`` that is a JSON string is sent as its text; any other JSON is sent as compact JSON. A text that
looks like JSON gets a content type by which JSON clients receive it as a string all the same.

The content type of the request has to be JSON's: a page of another origin cannot send that without
asking first (a CORS preflight), and this port never agrees.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from pushd import channel as channel_name
from pushd.admin.exchange import Answer, Ask, answer_json, refuse
from pushd.interfaces import PublishError
from pushd.jsontext import Form, form
from pushd.message import STRING, Publication

__all__ = ["BroadcastRequest", "PublishPage", "PublishRequest"]

_log = Logger()

_MOST_CHANNELS = 100
"""Channels of one publication: their names have to fit one AMQP frame of the smallest usual size."""


def _channel(name: str) -> str:
    """Hold a channel's name to the rule, in the form pydantic wants."""
    if fault := channel_name.fault(name):
        raise PydanticCustomError("channel", "{fault}", {"fault": fault})
    return name


def _together(names: list[str]) -> list[str]:
    """Hold several names to what a list separated by commas can carry."""
    if len(set(names)) > 1 and any("," in name for name in names):
        raise PydanticCustomError(
            "together", "a channel with a comma in its name can only be addressed alone"
        )
    return names


def _property(text: str) -> str:
    """Hold a text to what an AMQP short string and a line of SSE can carry."""
    if not text.isprintable() or len(text.encode()) > channel_name.LONGEST:
        fault = f"this must be printable and at most {channel_name.LONGEST} bytes"
        raise PydanticCustomError("property", "{fault}", {"fault": fault})
    return text


_Channel = Annotated[str, AfterValidator(_channel)]
_Channels = Annotated[
    list[_Channel], Field(min_length=1, max_length=_MOST_CHANNELS), AfterValidator(_together)
]
_Property = Annotated[str, AfterValidator(_property)]


class BroadcastRequest(BaseModel):
    """The body of ``/api/broadcast``."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    data: Any
    event: _Property = ""
    message_id: _Property = ""

    def targets(self) -> tuple[str, ...]:
        """Give the channels to reach; none means everybody."""
        return ()


class PublishRequest(BroadcastRequest):
    """The body of ``/api/publish``: the same, and where to."""

    channel: _Channel | None = None
    channels: _Channels | None = None

    def targets(self) -> tuple[str, ...]:
        """Give the channels to reach, each once, in the order they were named."""
        if self.channel is not None:
            return (self.channel,)
        return tuple(dict.fromkeys(self.channels or ()))

    @model_validator(mode="after")
    def _one_way_of_saying_where(self) -> Self:
        if (self.channel is None) == (self.channels is None):
            raise PydanticCustomError("where", "either channel or channels must be given")
        return self


class PublishPage:
    """A path that publishes.

    Args:
        request: What its body has to be.
        publish: Publishes; its Deferred fires once the message is confirmed and in the history.
        message_size: The most bytes of a message's body.
    """

    methods = ("POST",)

    def __init__(
        self,
        request: type[BroadcastRequest],
        publish: Callable[[Publication], Deferred[None]],
        message_size: int,
    ) -> None:
        self._request = request
        self._publish = publish
        self._message_size = message_size

    def answer(self, ask: Ask) -> Answer | Deferred[Answer]:
        """Publish what the request says, or name what is wrong with it."""
        if ask.content_type != "application/json":
            return refuse(415, "the content type must be application/json")
        try:
            value = _parse(ask.body)
        except (ValueError, RecursionError):
            return refuse(400, "the body is not JSON in UTF-8")
        if not isinstance(value, dict):
            return refuse(422, "the body must be a JSON object")
        try:
            publication = _publication(self._request.model_validate(value))
        except ValidationError as error:
            return _invalid(error)
        return self._send(publication)

    def _send(self, publication: Publication) -> Answer | Deferred[Answer]:
        if len(publication.body) > self._message_size:
            return refuse(413, f"this must not exceed {self._message_size} bytes", "data")
        confirmed = maybeDeferred(self._publish, publication)
        return confirmed.addCallbacks(lambda _: answer_json(200, {"published": True}), _refusal)


def _parse(body: bytes) -> object:
    """Read JSON as RFC 8259 has it.

    Raises:
        ValueError: It is none, not in UTF-8, or holds what cannot be written as JSON in UTF-8 again.
        RecursionError: It nests too deeply.
    """
    value: object = json.loads(body.decode())
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    return value


def _publication(request: BroadcastRequest) -> Publication:
    if isinstance(request.data, str):
        body = request.data.encode()
        content_type = "" if form(body) is Form.TEXT else STRING
    else:
        body = json.dumps(request.data, ensure_ascii=False, separators=(",", ":")).encode()
        content_type = "application/json"
    return Publication(
        body=body,
        channels=request.targets(),
        content_type=content_type,
        event=request.event,
        message_id=request.message_id,
    )


def _invalid(error: ValidationError) -> Answer:
    """Name the first field at fault; nothing of its value is repeated."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    return refuse(422, first["msg"], place[:64] or None)


def _refusal(failure: Failure) -> Answer:
    """Say why nothing was confirmed; only our own errors have words fit to be said."""
    error = failure.value
    if not isinstance(error, PublishError):
        _log.failure("publishing failed", failure=failure)
        return refuse(500, "internal error; the log has the details")
    return refuse(503, error.reason, retry_after="1") if error.temporary else refuse(502, error.reason)
