"""Every reason for ending a client's connection, by name.

Each reason carries what every protocol needs to say it: a close code for plain
WebSockets (RFC 6455 section 7.4), Centrifugo's code (whose ranges tell stock clients
whether to come back), a fixed text, and whether the client should reconnect.
The text never contains anything a peer sent.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "BAD_REQUEST",
    "BEHIND",
    "EXPIRED",
    "INSUFFICIENT_STATE",
    "INTERNAL_ERROR",
    "INVALID_TEXT",
    "INVALID_TOKEN",
    "KICKED",
    "NOT_ALLOWED",
    "NO_PONG",
    "SHUTDOWN",
    "SILENT",
    "SLOW",
    "STALE",
    "STALLED",
    "TOO_BIG",
    "Disconnect",
]


@dataclass(frozen=True, slots=True)
class Disconnect:
    """One named reason for closing.

    Attributes:
        name: The identifier used as a metric label and in logs.
        code: The close code on plain WebSockets (1000-1015 by RFC 6455, 4000-4999 private use).
        centrifugo: The code on Centrifugo's protocol: 3000-3499 and 4000-4499 make its clients
            reconnect with back-off, 3500-3999 and 4500-4999 are final.
        text: What the client reads; at most 123 bytes (RFC 6455 section 5.5).
        reconnect: Whether the client should come back.
    """

    name: str
    code: int
    centrifugo: int
    text: str
    reconnect: bool


SHUTDOWN = Disconnect("shutdown", 1012, 3001, "shutdown", reconnect=True)
"""This instance is stopping; another one has everything."""

EXPIRED = Disconnect("expired", 4005, 3005, "connection expired", reconnect=True)
"""The client's token has expired and was not refreshed."""

STALE = Disconnect("stale", 1012, 3011, "connection age reached, reconnect", reconnect=True)
"""The connection reached its maximum age; closing it lets load and nginx workers move on."""

SLOW = Disconnect("slow", 4008, 3008, "slow: what comes next is no longer held", reconnect=True)
"""The connection's cursor fell off the history."""

STALLED = Disconnect("stalled", 4009, 3008, "slow: nothing was read for too long", reconnect=True)
"""The socket took no byte for the whole stall deadline."""

INSUFFICIENT_STATE = Disconnect(
    "insufficient_state", 4010, 3010, "messages may have been missed", reconnect=True
)
"""The log was reset under the connection: offsets before and after cannot be compared."""

NO_PONG = Disconnect("no_pong", 4012, 3012, "no answer to ping", reconnect=True)
"""The peer is dead: a ping went unanswered."""

SILENT = Disconnect("silent", 4014, 3012, "nothing was asked for in time", reconnect=True)
"""The peer opened a connection and then never said what for, as its protocol demands."""

KICKED = Disconnect("kicked", 4503, 3503, "disconnected by an operator", reconnect=False)
"""An operator ended the connection for good."""

BEHIND = Disconnect("behind", 4013, 3011, "this instance is behind your position", reconnect=True)
"""The client saw on another instance what has not arrived here yet: in a moment it will have."""

INVALID_TOKEN = Disconnect("invalid_token", 4500, 3500, "invalid token", reconnect=False)
"""The token is malformed, wrongly signed or not for this service."""

BAD_REQUEST = Disconnect("bad_request", 1002, 3501, "bad request", reconnect=False)
"""The client broke the protocol it chose."""

INVALID_TEXT = Disconnect("invalid_text", 1007, 3501, "text must be UTF-8", reconnect=False)
"""The client sent a text message that is no UTF-8."""

NOT_ALLOWED = Disconnect("not_allowed", 1008, 3507, "not allowed", reconnect=False)
"""The client did what this server does not permit."""

TOO_BIG = Disconnect("too_big", 1009, 3501, "message too big", reconnect=False)
"""The client sent a message above the size limit."""

INTERNAL_ERROR = Disconnect("internal_error", 1011, 3004, "internal server error", reconnect=True)
"""Our mistake; the log has the traceback."""
