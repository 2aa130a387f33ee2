"""Whose pages may connect: the ``Origin`` header against a list (RFC 6454, RFC 6455 section 10.2).

A browser tells the origin of the page that connects and cannot be made to lie; without the check any
page could use what its visitor may. What a page of another origin may send and read, its browser learns
from the CORS protocol (Fetch Standard).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pushd.client.http import Header, Response

__all__ = ["Origins"]

_DEFAULT_PORTS = {"http": "80", "https": "443"}
_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://(\*|(?:\*\.)?[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")

_PREFLIGHT: tuple[Header, ...] = (
    ("Access-Control-Allow-Headers", "Authorization, Cache-Control, Content-Type, Last-Event-ID"),
    # Seconds; no browser remembers it for longer than a day.
    ("Access-Control-Max-Age", "86400"),
)


class Origins:
    """A list of origins, exact or with ``*.`` for any number of labels in front; ``*`` means all.

    Args:
        allowed: ``scheme://host[:port]``, ``*``, or ``null`` for pages without an origin.
    """

    def __init__(self, allowed: Sequence[str]) -> None:
        self._all = "*" in allowed
        self._exact = frozenset(_normal(origin) for origin in allowed if "*" not in origin)
        self._below = tuple(
            _normal(origin).split("*", 1) for origin in allowed if "*" in origin and origin != "*"
        )

    def allow(self, origin: str) -> bool:
        """Whether pages of ``origin`` may connect; without one (``""``) it is no browser that asks."""
        if self._all or not origin:
            return True
        normal = _normal(origin)
        return normal in self._exact or any(
            normal.startswith(scheme) and normal.endswith(domain) for scheme, domain in self._below
        )

    def sharing(self, origin: str) -> tuple[Header, ...]:
        """Give the headers that let a page of ``origin``, if it is allowed, read an answer."""
        if not origin or not self.allow(origin):
            return ()
        if self._all:
            return (("Access-Control-Allow-Origin", "*"),)
        return (("Access-Control-Allow-Origin", origin), ("Vary", "Origin"))

    @staticmethod
    def preflight(methods: Sequence[str]) -> Response:
        """Tell a browser what a page may send: it asks first, unless that is what any link could send."""
        return Response(200, (("Access-Control-Allow-Methods", ", ".join(methods)), *_PREFLIGHT))


def _normal(origin: str) -> str:
    """Give the one form of an origin, in which its port is always told; for what is none, ``null``.

    A browser says ``null`` for a page whose origin it will not tell (a sandboxed frame, a local file).
    """
    parts = _ORIGIN.fullmatch(origin.lower())
    if not parts:
        return "null"
    scheme, host, port = parts.groups()
    return f"{scheme}://{host}:{port or _DEFAULT_PORTS.get(scheme, '')}"
