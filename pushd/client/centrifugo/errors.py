"""The errors that answer a command, by Centrifugo's codes. The connection goes on.

A client tries again after a temporary one, and gives the command up after any other;
109 makes it ask its application for a new token first.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "ALREADY_SUBSCRIBED",
    "BAD_REQUEST",
    "BEHIND",
    "INTERNAL",
    "LIMIT_EXCEEDED",
    "METHOD_NOT_FOUND",
    "NOT_AVAILABLE",
    "PERMISSION_DENIED",
    "TOKEN_EXPIRED",
    "TOO_MANY_REQUESTS",
    "UNRECOVERABLE",
    "Error",
    "RefusedError",
]


@dataclass(frozen=True, slots=True)
class Error:
    """One answer that means no. The message never holds anything a peer sent."""

    code: int
    message: str
    temporary: bool = False


class RefusedError(Exception):
    """A command was understood and is answered with ``error``."""

    def __init__(self, error: Error) -> None:
        super().__init__(error.message)
        self.error = error


INTERNAL = Error(100, "internal server error", temporary=True)
"""We failed; the log says how."""

BEHIND = Error(100, "this instance has not come as far as the position yet", temporary=True)
"""See :mod:`pushd.client.lead`; the protocol has no code of its own for it."""

PERMISSION_DENIED = Error(103, "permission denied")
"""The client may not do this, or not on this channel."""

METHOD_NOT_FOUND = Error(104, "method not found")
"""No version of the protocol known here has such a command."""

ALREADY_SUBSCRIBED = Error(105, "already subscribed")
"""One connection has one subscription per channel; the broadcast channel is always taken."""

LIMIT_EXCEEDED = Error(106, "limit exceeded")
"""More subscriptions, or a longer answer, than this server allows."""

BAD_REQUEST = Error(107, "bad request")
"""The command's fields are not what the protocol says, or a name is no channel."""

NOT_AVAILABLE = Error(108, "not available")
"""The protocol has it, this server does not, or it is switched off."""

TOKEN_EXPIRED = Error(109, "token expired")
"""The token's time was over when it was shown."""

TOO_MANY_REQUESTS = Error(111, "too many requests", temporary=True)
"""The client has not read the answers to what it asked before."""

UNRECOVERABLE = Error(112, "unrecoverable position")
"""What came after the position is no longer held as a whole, or the position is not of this log."""
