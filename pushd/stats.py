"""Counters and gauges of one instance: plain integers, read by whoever exports them.

Incrementing must cost nothing worth measuring, so there is no lock, no label lookup and
no callback here; names and help texts for Prometheus are the admin port's business.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

__all__ = ["Stats"]


@dataclass(slots=True)
class Stats:
    """What this instance has done since it started.

    Counts keyed by a short fixed name (never by text from a peer) are ``Counter`` objects.
    """

    messages: int = 0
    """Messages received from the broker."""
    message_bytes: int = 0
    """Bytes of their bodies."""
    deliveries: int = 0
    """Messages handed to a client's socket, counted per client."""
    passes: int = 0
    """Flushes of the hub."""
    slow: int = 0
    """Times a connection's socket was full."""
    lost: int = 0
    """Times the log was reset under live connections: messages may have been missed."""
    accepted: int = 0
    """TCP connections accepted on the public port."""
    opened: Counter[str] = field(default_factory=Counter)
    """Client connections that completed their handshake, by protocol."""
    closed: Counter[str] = field(default_factory=Counter)
    """Connections we ended, by the name of the :mod:`pushd.disconnect` reason."""
    refused: Counter[str] = field(default_factory=Counter)
    """Requests answered with an HTTP error, by status code."""
    forwarded: Counter[str] = field(default_factory=Counter)
    """Requests of trusted proxies without a client's address: ``absent``, ``hidden`` or ``malformed``."""
    heartbeats: int = 0
    """Heartbeats answered on the raw route."""
    resumes: Counter[str] = field(default_factory=Counter)
    """Resumptions: from ``memory``, from the ``stream``, or ``lost``."""
    unread: Counter[str] = field(default_factory=Counter)
    """Requests for what memory no longer holds that failed, by reason, see :mod:`pushd.resume`."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Messages from the broker that could not be used, by kind of fault."""
    published: int = 0
    """Publications the broker confirmed."""
    publish_failed: int = 0
    """Publications it did not."""
    attaches: int = 0
    """Times the broker's consumer became live."""
    detaches: int = 0
    """Times it was lost."""
    longest_turn: float = 0.0
    """Seconds the longest slice of a fan-out took."""
