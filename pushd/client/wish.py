"""What a request asks for, where its URL says it all: raw and server-sent events."""

from __future__ import annotations

from dataclasses import dataclass

from pushd import channel as channels
from pushd.client.http import HttpError
from pushd.client.query import LAST_EVENT_ID, Query, last_event_id
from pushd.message import Position

__all__ = ["EARLIEST", "PARAMETERS", "Wish", "parse"]

PARAMETERS = ("channel", "token", *LAST_EVENT_ID)
"""Parameters of a query that say what a request asks for, and with which right."""

EARLIEST = "earliest"
"""In place of a position: everything that is held."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request asks for.

    Attributes:
        channels: Names, without broadcasts: those come anyway.
        after: Where the client was, :data:`EARLIEST`, or ``None`` for a client that only wants what comes.
    """

    channels: frozenset[str]
    after: Position | str | None = None


def parse(query: Query, header: str, *, longest: int, most: int) -> Wish:
    """Read a request.

    Args:
        query: The decoded query of its URL: ``channel`` as often as wanted, and a position.
        header: Its ``Last-Event-ID``, or ``""``. It wins over the query.
        longest: Most bytes in the name of a channel.
        most: Most channels.

    Raises:
        HttpError: It names something that is no channel or position, or too many channels.
    """
    names = frozenset(query.get("channel", ()))
    if len(names) > most:
        raise HttpError(400, f"at most {most} channels on one connection")
    for name in names:
        if fault := channels.fault(name, longest):
            raise HttpError(400, fault)
    text = last_event_id(query, header)
    if text in {"", EARLIEST}:
        return Wish(names, text or None)
    try:
        return Wish(names, Position.parse(text))
    except ValueError as error:
        raise HttpError(400, str(error)) from error
