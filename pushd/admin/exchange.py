"""One request and its answer on the admin port, as plain values: what its pages see of HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from twisted.internet.defer import Deferred

__all__ = ["Answer", "Ask", "Page", "answer_json", "refuse"]


@dataclass(frozen=True, slots=True)
class Ask:
    """A request.

    Attributes:
        content_type: The header's media type in lower case, without parameters; ``""`` when there is none.
        body: All of it.
    """

    content_type: str = ""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response.

    Attributes:
        headers: Every header it needs besides ``Content-Length``.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Page(Protocol):
    """What stands at one path."""

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods it answers, as ``Allow`` lists them (RFC 9110 section 10.2.1)."""

    def answer(self, ask: Ask, /) -> Answer | Deferred[Answer]:
        """Answer a request made with one of ``methods``."""


def answer_json(status: int, value: object, **headers: str) -> Answer:
    """Answer with JSON; it is pure ASCII, so that no reader can take it for anything else.

    Args:
        headers: Further headers, ``_`` for ``-`` in their names.
    """
    names = {name.replace("_", "-").title(): text for name, text in headers.items()}
    body = json.dumps(value, separators=(",", ":"), allow_nan=False).encode() + b"\n"
    return Answer(status, body, {"Content-Type": "application/json", **names})


def refuse(status: int, message: str, field: str | None = None, **headers: str) -> Answer:
    """Answer with an error.

    Args:
        message: What is wrong, in words of ours.
        field: The field of the request it is about, if it is about one.
        headers: Further headers, as for :func:`answer_json`.
    """
    return answer_json(status, {"error": {"field": field, "message": message}}, **headers)
