"""The raw protocol, ``GET /websocket/<channel>``: a message's body is a frame, and nothing is added.

A text frame from the client is a heartbeat. It is answered in the same turn, behind nothing but what the
socket already holds, by a fixed frame that names the instance. A binary frame is none of this protocol's,
and ends the connection. A frame carries no position: that messages may be missing is said by closing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pushd.client.gate import Gate
from pushd.client.lead import is_ahead
from pushd.client.query import read
from pushd.client.session import Session
from pushd.client.wish import PARAMETERS, Wish, parse
from pushd.disconnect import BEHIND, INSUFFICIENT_STATE, NOT_ALLOWED, Disconnect
from pushd.message import BROADCAST, Position
from pushd.stats import Stats

if TYPE_CHECKING:
    from pushd.client.head import Request
    from pushd.hub import Hub
    from pushd.interfaces import Encoding, Wire

__all__ = ["RawRoute", "RawSession"]


@dataclass(frozen=True, slots=True)
class RawRoute:
    """Makes sessions of requests, and holds what they share.

    Attributes:
        hub: Where they join.
        encoding: How messages become frames.
        gate: Tells who may have which channels.
        reply: The finished frame that answers a heartbeat.
        stats: Counts heartbeats and resumptions.
        path: The prefix; what follows in a request's path is a channel, or nothing.
        longest: Most bytes in the name of a channel.
        most: Most channels of one connection.
    """

    hub: Hub
    encoding: Encoding
    gate: Gate
    reply: bytes
    stats: Stats
    path: str
    longest: int
    most: int

    def __call__(self, request: Request) -> RawSession:
        """Give the session that a request asks for.

        Raises:
            HttpError: It names something that is no channel, position or parameter, too many channels, or
                one that is not open to the client.
        """
        query = dict(read(request, PARAMETERS))
        if channel := request.below(self.path):
            query["channel"] = [channel, *query.get("channel", ())]
        wish = parse(query, "", longest=self.longest, most=self.most)
        session = RawSession(self, wish)
        session.expires_at = self.gate(request, wish.channels)
        return session


class RawSession(Session):
    """One client of the raw protocol.

    Args:
        route: What it shares with all others.
        wish: What it asked for.
    """

    __slots__ = ("_route", "_wish")

    protocol: ClassVar[str] = "raw"

    def __init__(self, route: RawRoute, wish: Wish) -> None:
        super().__init__(route.hub, route.encoding)
        self._route = route
        self._wish: Wish | None = wish

    def opened(self, wire: Wire) -> None:
        """Join where the client was, or end the connection if that cannot be."""
        super().opened(wire)
        wish, self._wish = self._wish, None
        assert wish
        served = wish.channels | {BROADCAST}
        after = wish.after if isinstance(wish.after, Position | None) else self.hub.earliest(served)
        if after and (obstacle := self._obstacle(after, served)):
            self.close(obstacle)
            return
        self.hub.join(self, wish.channels, after=after.offset if after else None)
        # There is nothing to say first; this only tells whether the handshake's answer has left.
        if self.write(b""):
            self.hub.drained(self)

    def received(self, payload: bytes, *, binary: bool) -> None:  # noqa: ARG002  # whatever a heartbeat says
        """Answer a heartbeat."""
        if binary:
            self.close(NOT_ALLOWED)
            return
        self._route.stats.heartbeats += 1
        self.write(self._route.reply)

    def missed(self) -> None:
        """End the connection, see :meth:`Session.missed`."""
        self.close(INSUFFICIENT_STATE)

    def _obstacle(self, after: Position, served: frozenset[str]) -> Disconnect | None:
        """Tell why this client cannot go on from where it was, if that is known now."""
        if is_ahead(after, self.hub.position, abreast=self.hub.abreast):
            return BEHIND
        if not self.hub.knows(after):
            self._route.stats.resumes["lost"] += 1
            return INSUFFICIENT_STATE
        if self.hub.holds(after, served):
            self._route.stats.resumes["memory"] += 1
        return None
