"""Lines that speak HTTP or TLS, not this port's protocol.

A page in a browser may reach a port on loopback, also under a name of its own (DNS rebinding). It chooses the
method and the path of a request, so its request line may begin with any command. It cannot choose the end.
"""

from __future__ import annotations

import re

__all__ = ["is_header", "is_request", "is_tls"]

_REQUEST = re.compile(rb"(?:.*[ \t])?HTTP/\d+(?:\.\d+)?\s*", re.IGNORECASE | re.DOTALL)
"""A request line of any method (RFC 9112 section 3), and the preface of HTTP/2 (RFC 9113 section 3.4)."""

_HEADER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:|HTTP/\d")
"""The start of a field line (RFC 9112 section 5) or of a status line (section 4)."""

_HANDSHAKE = 0x16
"""The first byte of a TLS record that begins a connection (RFC 8446 section 5.1)."""


def is_request(line: bytes) -> bool:
    """Return True if a line without its end is a request line, whatever its method."""
    return _REQUEST.fullmatch(line) is not None


def is_header(line: bytes) -> bool:
    """Return True if a line begins like a field line or a status line."""
    return _HEADER.match(line) is not None


def is_tls(beginning: bytes) -> bool:
    """Return True if a connection begins with TLS, whose bytes need not have the end of a line."""
    return beginning[:1] == bytes([_HANDSHAKE])
