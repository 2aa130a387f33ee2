"""Sending all clients away, in paced batches, so that they do not come back elsewhere all at once."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pushd.disconnect import INTERNAL_ERROR, SHUTDOWN
from pushd.hub import Hub
from pushd.interfaces import Connection
from pushd.pacing import TICK, paced

__all__ = ["Drain"]

_log = Logger()

_SHARE = 0.6
"""The share of the time in which closing begins; the rest is for those who answer late."""


class Drain:
    """The end of an instance's clients.

    Args:
        clock: Paces it.
        hub: Whose connections are closed.
        longest: Seconds until the process has to be over.

    Attributes:
        draining: Whether it has begun: nobody is let in any more.
    """

    def __init__(self, clock: IReactorTime, hub: Hub, longest: float) -> None:
        self._clock = clock
        self._hub = hub
        self._deadline = 0.0
        self.longest = longest
        self.draining = False

    async def run(self) -> None:
        """Close everybody; done when the last one has been told."""
        self.draining = True
        self._deadline = self._clock.seconds() + self.longest
        share = self.longest * _SHARE
        while self._hub.connections:
            await paced(self._clock, list(self._hub.connections), self._close, seconds=share)

    async def within(self, ending: Deferred[None]) -> None:
        """Wait for something that ends, for as long as there is time."""

        def late(*_: object) -> None:
            # Whatever became of it when it was cancelled: a broker takes that for an end like any other.
            _log.warn("the broker did not let go in time")

        left = max(TICK, self._deadline - self._clock.seconds())
        await ending.addTimeout(left, self._clock, late)

    def _close(self, connection: Connection) -> None:
        """Close one, if it is still there; what goes wrong is its own end and nobody else's."""
        if connection not in self._hub.connections:
            return
        try:
            connection.close(SHUTDOWN)
        except Exception:  # noqa: BLE001  # whatever it is, it ends this connection only
            _log.failure("a connection could not be closed")
            self._hub.leave(connection, INTERNAL_ERROR)
