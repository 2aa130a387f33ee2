"""The query of a request: a parameter that the route does not know is an error, and so is a misspelled one.

A few parameters are ignored on all routes: libraries add them to get around caches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pushd.client.head import Request
from pushd.client.http import HttpError

__all__ = ["IGNORED", "LAST_EVENT_ID", "Query", "flag", "last_event_id", "read"]

Query = Mapping[str, Sequence[str]]
"""Decoded values by name."""

IGNORED = ("_", "r", "t", "padding", "evs_preamble")
"""Parameters that stand-ins for ``EventSource`` add of their own accord."""

LAST_EVENT_ID = ("lastEventId", "evs_last_event_id", "last_event_id")
"""Names of a position, the winner first: a stand-in adds its own name to a URL that may have an older one."""


def read(request: Request, known: Sequence[str]) -> Query:
    """Return the parameters of a request.

    Args:
        known: Names that mean something to the route.

    Raises:
        HttpError: The query cannot be read, or names a parameter that is not known.
    """
    query = request.parameters()
    if query and not query.keys() <= {*known, *IGNORED}:
        names = ", ".join(sorted(known)) or "none"
        raise HttpError(400, f"the query has a parameter that is not known here; known are: {names}")
    return query


def last_event_id(query: Query, header: str) -> str:
    """Return the position that a client shows, or ``""``.

    Args:
        header: ``Last-Event-ID``. It wins: a browser sends it when it comes back, with the URL it first came
            with.
    """
    if header or not query:
        return header
    shown = (query[name][-1] for name in LAST_EVENT_ID if name in query)
    return next(filter(None, shown), "")


def flag(query: Query, name: str) -> bool:
    """Return True if a parameter says ``true`` or ``1``.

    Raises:
        HttpError: It says something else than yes or no.
    """
    value = query.get(name, ("false",))[-1]
    if value not in {"true", "1", "false", "0"}:
        raise HttpError(400, f"{name} must be true or false")
    return value in {"true", "1"}
