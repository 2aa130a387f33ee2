"""Why a connection or a channel was lost, in one line that tells an operator what to do. Pure."""

from __future__ import annotations

import os
import re

from service_identity import VerificationError
from twisted.internet.error import ConnectError, ConnectionDone

from pushd.broker.amqp.mismatch import advice, parse

__all__ = ["Lost", "explain"]

# What RabbitMQ says (reply codes: AMQP 0-9-1 section 1.3 "constants"), and what an operator can do about it.
_ADVICE = (
    (403, "Login was refused", "check user and password in [broker] url"),
    (403, "amq.default", "reading a stream needs write permission on amq.default, for the marks in it"),
    (403, "access to ", "grant the permission, or declare what is missing beforehand"),
    (404, "home node .* is down", "a node of the stream is still starting, or lost"),
    (406, "x-queue-type|rabbit_stream_queue", "streams need RabbitMQ 3.9; else use queue = exclusive"),
    (406, "running replica on the local node", "connect to a node that holds a replica of the stream"),
    (530, "vhost", "check the virtual host in [broker] url, and that the user may use it"),
    (541, "rabbit_stream_queue", "enable RabbitMQ's feature flag stream_queue, or use queue = exclusive"),
    (540, "stream", "streams need RabbitMQ 3.9; else use queue = exclusive"),
)

_LONGEST = 300


class Lost(Exception):  # noqa: N818  # what happened, rarely an error
    """A connection, a channel or a consumer is gone, or never came to be.

    Attributes:
        code: AMQP's reply code, or 0 when the broker did not give one.
        reason: Why, in one printable line.
        text: What the broker said, without our advice; ``reason`` when the broker did not say anything.
        at_once: True if the broker is well: the next attempt need not wait.
    """

    def __init__(self, reason: str, code: int = 0, *, text: str = "", at_once: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        self.text = text or reason
        self.at_once = at_once


def explain(error: BaseException) -> Lost:
    """Translate an error of pika, Twisted or OpenSSL.

    Args:
        error: What ended it. A close by the broker carries ``reply_code`` and ``reply_text``.
    """
    if isinstance(error, Lost):
        return error
    code = getattr(error, "reply_code", 0)
    if isinstance(error, VerificationError):
        return Lost(_line(f"the broker's certificate does not name this host: {error.errors}"))
    if isinstance(error, ConnectionDone):
        return Lost("the broker closed the connection without a reason")
    if isinstance(error, ConnectError) and error.osError:
        # Twisted would say it thrice, with the name of its class.
        return Lost(os.strerror(error.osError))
    if not code:
        return Lost(_line(f"{type(error).__name__}: {error}"))
    text = _line(error.reply_text)  # type: ignore[attr-defined]
    todo = _advice(code, text)
    return Lost(f"{code} {text} ({todo})" if todo else f"{code} {text}", code, text=text)


def _advice(code: int, text: str) -> str:
    """Say what an operator can do about it, or ``""``."""
    found = parse(text)
    if found is not None:
        return advice(found)
    return next((todo for known, said, todo in _ADVICE if known == code and re.search(said, text)), "")


def _line(text: object) -> str:
    """Make one printable line of what somebody else wrote."""
    joined = " ".join(str(text).split())
    return "".join(c if c.isprintable() else "?" for c in joined)[:_LONGEST]
