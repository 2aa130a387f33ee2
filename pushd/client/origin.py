"""Whose pages may connect: the ``Origin`` header against a list (RFC 6454, RFC 6455 section 10.2).

A browser tells the origin of the page that connects and cannot be made to lie; without the check any
page could use what its visitor may.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["Origins"]

_DEFAULT_PORTS = {"http": "80", "https": "443"}
_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://(\*|(?:\*\.)?[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")


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

    def sharing(self, origin: str) -> tuple[tuple[str, str], ...]:
        """Give the headers that let a page of ``origin``, which is allowed, read an answer.

        (Fetch Standard, section 3.2; a WebSocket needs none.)
        """
        if not origin:
            return ()
        if self._all:
            return (("Access-Control-Allow-Origin", "*"),)
        return (("Access-Control-Allow-Origin", origin), ("Vary", "Origin"))


def _normal(origin: str) -> str:
    """Give the one form of an origin, in which its port is always told; for what is none, ``null``.

    A browser says ``null`` for a page whose origin it will not tell (a sandboxed frame, a local file).
    """
    parts = _ORIGIN.fullmatch(origin.lower())
    if not parts:
        return "null"
    scheme, host, port = parts.groups()
    return f"{scheme}://{host}:{port or _DEFAULT_PORTS.get(scheme, '')}"
