"""A response that never ends by itself: the wire of sessions that only speak, over plain HTTP.

Nothing is asked of the client after its request; what it sends is read only to see it leave. There is no
pong either: a client that is gone shows when its socket takes nothing any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twisted.internet.interfaces import ITransport
from twisted.internet.protocol import Protocol

from pushd.client.http import Header, head
from pushd.client.lifecycle import Carrier, Lifecycle
from pushd.client.session import Session
from pushd.client.transport import outlet_for
from pushd.disconnect import Disconnect

__all__ = ["HttpStream", "HttpStreams", "Stream"]


@dataclass(frozen=True, slots=True)
class Stream:
    """What a route gives for a request that is answered by a stream.

    Attributes:
        headers: Of the response, besides ``Date`` and ``Connection``.
    """

    session: Session
    headers: Sequence[Header]


class HttpStreams:
    """What all streams of the port share.

    Args:
        life: What they share with all other connections.
    """

    def __init__(self, life: Lifecycle) -> None:
        self.life = life

    def accept(self, transport: ITransport, stream: Stream, now: float) -> HttpStream:
        """Take a connection over and begin the response.

        Args:
            now: See :func:`pushd.client.http.head`.

        Returns:
            The protocol to which ``transport`` has to give what comes from now on.
        """
        carrier = HttpStream(self, stream.session)
        outlet = outlet_for(transport, carrier, self.life.buffered_bytes)
        carrier.makeConnection(outlet)
        outlet.write(head(200, (*stream.headers, ("Connection", "close")), now))
        carrier.guarded(self.life.open, carrier, stream.session)
        return carrier


class HttpStream(Carrier, Protocol):  # type: ignore[misc]  # its transport is an outlet
    """One stream."""

    answers = False

    def __init__(self, factory: HttpStreams, session: Session) -> None:
        self.factory = factory
        self.session: Session | None = session

    def dataReceived(self, data: bytes) -> None:  # nothing more was asked
        """Drop what a client says that was to listen."""

    def pause(self) -> None:
        """Do nothing: no message is ever handed over."""

    resume = pause

    def ping(self) -> None:
        """Send a comment (HTML Living Standard, section 9.2.6)."""
        self.transport.write(b":\n\n")

    def close(self, disconnect: Disconnect) -> None:  # noqa: ARG002  # there is no code for it here
        """End the stream; a session that has a last word has said it."""
        self.over()
        self.transport.loseConnection()
