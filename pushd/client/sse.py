"""Plain server-sent events, ``GET /events``: what a browser's ``EventSource`` reads and resumes by itself.

One position, ``epoch:offset``, stands for all channels of a stream, because offsets are those of the one log
behind them. Every stream begins with an event that carries it: ``position``, or ``reset`` when messages may
have been missed. (HTML Living Standard, section 9.2, has the format and the rules of reconnection.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pushd.client.gate import Gate
from pushd.client.lead import is_ahead
from pushd.client.query import read
from pushd.client.session import Session
from pushd.client.stream import Stream
from pushd.client.wish import PARAMETERS, Wish, parse
from pushd.disconnect import BEHIND
from pushd.message import BROADCAST, Position
from pushd.stats import Stats

if TYPE_CHECKING:
    from pushd.client.head import Request
    from pushd.hub import Hub
    from pushd.interfaces import Encoding, Wire

__all__ = ["HEADERS", "SseRoute", "SseSession", "retry_after"]

HEADERS = (
    ("Content-Type", "text/event-stream"),
    # Neither cached nor compressed: a proxy that compresses holds small events back.
    ("Cache-Control", "no-cache, no-transform"),
    # nginx passes each event on at once, whatever proxy_buffering says.
    ("X-Accel-Buffering", "no"),
)
"""What an answer that is a stream of events carries, besides what the transport adds."""


def retry_after(least: float, share: float) -> int:
    """Spread reconnections: ``EventSource`` always waits as long as it was told, all of them alike.

    Args:
        least: Seconds to wait at least.
        share: From 0 to 1, drawn anew for each connection.

    Returns:
        Milliseconds, at most twice as long.
    """
    return round(least * (1 + share) * 1000)


@dataclass(frozen=True, slots=True)
class SseRoute:
    """Makes streams of requests, and holds what they share.

    Attributes:
        hub: Where they join.
        encoding: How messages become events.
        gate: Tells who may have which channels.
        stats: Counts resumptions.
        longest: Most bytes in the name of a channel.
        most: Most channels of one connection.
        retry: Seconds after which clients should come back at the earliest.
        share: Draws a number from 0 to 1, to spread them.
        heartbeat: Name of the event that a quiet stream repeats.
    """

    hub: Hub
    encoding: Encoding
    gate: Gate
    stats: Stats
    longest: int
    most: int
    retry: float
    share: Callable[[], float]
    heartbeat: str = "heartbeat"

    def __call__(self, request: Request) -> Stream:
        """Give the stream that a request asks for.

        Raises:
            HttpError: It names something that is no channel, position or parameter, too many channels, or
                one that is not open to the client.
        """
        last = request.header("last-event-id")
        wish = parse(read(request, PARAMETERS), last, longest=self.longest, most=self.most)
        session = SseSession(self, wish)
        session.expires_at = self.gate(request, wish.channels)
        return Stream(session, HEADERS)


class SseSession(Session):
    """One client of ``/events``.

    Args:
        route: What it shares with all others.
        wish: What it asked for.
    """

    __slots__ = ("_route", "_wish")

    protocol: ClassVar[str] = "sse"

    def __init__(self, route: SseRoute, wish: Wish) -> None:
        super().__init__(route.hub, route.encoding)
        self._route = route
        self._wish = wish

    def opened(self, wire: Wire) -> None:
        """Begin the stream where the client was, or tell it that this cannot be."""
        super().opened(wire)
        retry = b"retry: %d\n" % retry_after(self._route.retry, self._route.share())
        after = self._wish.after
        if self._is_ahead():
            self.write(retry + b"\n")
            self.close(BEHIND)
            return
        start, reason = self._start()
        if reason:
            self._route.stats.resumes["lost"] += 1
        elif isinstance(after, Position) and self.hub.holds(after, self._wish.channels | {BROADCAST}):
            self._route.stats.resumes["memory"] += 1
        self.hub.join(self, self._wish.channels, after=start.offset)
        if self.write(retry + (_reset(start, reason) if reason else _position(start))):
            self.hub.drained(self)

    def ping(self) -> None:
        """Send a heartbeat, which keeps proxies from closing the stream and the client's position fresh.

        It is an event with a name and data. A script cannot see a comment, so it could not tell a quiet
        stream from a dead one. Some libraries make an empty message of an ``id`` without data.
        """
        if not self.waiting:
            reached = self.hub.reached(self)
            place = b"id: %b\n" % str(reached).encode() if reached else b""
            self.write(b"event: %b\n%bdata: {}\n\n" % (self._route.heartbeat.encode(), place))

    def missed(self) -> None:
        """Tell the client to load its state anew, see :meth:`Session.missed`."""
        self.write(_reset(self.hub.position, "missed"))

    def _is_ahead(self) -> bool:
        after, hub = self._wish.after, self.hub
        return isinstance(after, Position) and is_ahead(after, hub.position, abreast=hub.abreast)

    def _start(self) -> tuple[Position, str]:
        """Find where to begin, and why that is not where the client was; ``""``: it is."""
        here, after = self.hub.position, self._wish.after
        if after is None:
            return here, ""
        if not isinstance(after, Position):
            return self.hub.earliest(self._wish.channels | {BROADCAST}), ""
        if self.hub.knows(after):
            return after, ""
        return here, "future" if after.epoch == here.epoch and after.offset > here.offset else "epoch"


def _position(at: Position) -> bytes:
    text = str(at).encode()
    return b'event: position\nid: %b\ndata: {"position":"%b"}\n\n' % (text, text)


def _reset(at: Position, reason: str) -> bytes:
    return b'event: reset\nid: %b\ndata: {"reason":"%b"}\n\n' % (str(at).encode(), reason.encode())
