"""Whose pages may connect: the ``Origin`` header against a list (RFC 6454, RFC 6455 section 10.2).

A browser tells the origin of the page that connects and cannot be made to lie; without the check any
page could use what its visitor may. What a page of another origin may send and read, its browser learns
from the CORS protocol (Fetch Standard).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pushd.client.http import Header, Response
from pushd.config.origins import ANY, read_pattern, spelling

__all__ = ["Origins"]

_PREFLIGHT: tuple[Header, ...] = (
    ("Access-Control-Allow-Headers", "Authorization, Cache-Control, Content-Type, Last-Event-ID"),
    # Seconds; no browser remembers it for longer than a day.
    ("Access-Control-Max-Age", "86400"),
)

_VARY: Header = ("Vary", "Origin")


class Origins:
    """A list of origins and patterns of them.

    Args:
        allowed: Patterns, as :func:`pushd.config.origins.read_pattern` reads them.

    Raises:
        ValueError: A pattern is none.
    """

    def __init__(self, allowed: Sequence[str]) -> None:
        patterns = [read_pattern(text) for text in allowed]
        self._all = ANY in {pattern.text for pattern in patterns}
        self._whole = frozenset(pattern.text for pattern in patterns if not pattern.regex)
        regexes = [pattern.regex for pattern in patterns if pattern.regex]
        self._patterns = re.compile("|".join(regexes) or "(?!)")

    def allow(self, origin: str) -> bool:
        """Return True if pages of ``origin`` may connect. ``""`` stands for a client that is no browser."""
        if self._all or not origin:
            return True
        spelled = spelling(origin)
        return spelled is not None and (
            spelled in self._whole or self._patterns.fullmatch(spelled) is not None
        )

    def sharing(self, origin: str) -> tuple[Header, ...]:
        """Return the headers that let a page of ``origin`` read an answer, if it may.

        A page whose origin is listed may send its visitor's cookies, too. With a list, each answer depends on
        the origin, which caches have to know even of an answer without one.
        """
        if self._all:
            return (("Access-Control-Allow-Origin", "*"),) if origin else ()
        if not origin or not self.allow(origin):
            return (_VARY,)
        return (
            ("Access-Control-Allow-Origin", origin),
            _VARY,
            ("Access-Control-Allow-Credentials", "true"),
        )

    @staticmethod
    def preflight(methods: Sequence[str]) -> Response:
        """Tell a browser what a page may send: it asks first, unless that is what any link could send."""
        return Response(200, (("Access-Control-Allow-Methods", ", ".join(methods)), *_PREFLIGHT))
