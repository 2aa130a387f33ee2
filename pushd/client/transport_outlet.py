"""The outlet to one client through a transport without a plain socket, above all TLS."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from pushd.client.owner import NOBODY, Owner
from pushd.client.sendqueue import NOTHING, PIECE, SendQueue
from pushd.interfaces import Socket

__all__ = ["TransportOutlet"]


@implementer(IPushProducer)
class TransportOutlet:
    """The outlet of a transport without a plain socket, above all TLS.

    The transport gets a piece at a time, and none while its buffer is full. So TLS encrypts large data bit by
    bit, and never holds the whole ciphertext, which clients cannot share.

    Args:
        transport: Takes bytes, and pauses its producer when it has too many.
        owner: Told when a congestion begins, ends or gets too big.
        limit: Bytes that may wait when something is added to them; a single write may be larger.
    """

    __slots__ = ("_ending", "_full", "_limit", "_owner", "_stuck_since", "_transport", "_waiting")

    def __init__(self, transport: Any, owner: Owner, limit: int) -> None:
        self._transport = transport
        self._owner = owner
        self._limit = limit
        # Bytes that the transport has not got yet; None: the transport takes bytes.
        self._waiting: SendQueue | None = None
        # True while the transport has paused this producer.
        self._full = False
        self._ending = False
        self._stuck_since = 0.0
        transport.registerProducer(self, True)

    @property
    def socket(self) -> Socket:
        """This outlet: a pass must not write past the transport."""
        return self

    def send(self, data: bytes, /) -> int:  # noqa: ARG002  # see above
        """Take nothing: all goes to :meth:`keep`."""
        return 0

    def write(self, data: bytes) -> bool:
        """Hand ``data`` to the transport or queue it. Returns True if the transport takes more."""
        self.keep(data)
        return self._waiting is None

    def keep(self, data: bytes, sent: int = 0) -> None:
        """Hand ``data`` without its first ``sent`` bytes over to the transport, or queue them for it."""
        waiting = self._waiting
        if self._ending:
            return
        if waiting is not None:
            if waiting.size + len(data) - sent > self._limit:
                self._owner.overflowed()
            else:
                waiting.add(data, sent)
        elif len(data) <= PIECE and not sent:
            self._transport.write(data)
        else:
            self._hold(data, sent)
            self._feed()

    def stuck(self, now: float) -> float:
        """Return for how many seconds the transport has taken nothing, counted from the first call."""
        if self._waiting is None:
            return 0.0
        self._stuck_since = self._stuck_since or now
        return now - self._stuck_since

    def pause_reading(self) -> None:
        """Stop reading from the socket. TLS still hands over the bytes that it has decrypted."""
        self._transport.pauseProducing()

    def resume_reading(self) -> None:
        """Read from the socket again."""
        self._transport.resumeProducing()

    def loseConnection(self) -> None:
        """End the connection when all waiting bytes have left, and ignore later writes."""
        if not self._ending:
            self._ending = True
            if not (self._waiting and self._waiting.size):
                self._end()

    loseWriteConnection = loseConnection

    def abortConnection(self) -> None:
        """Drop the connection and all waiting bytes."""
        self.stopProducing()
        self._transport.abortConnection()

    def pauseProducing(self) -> None:
        """The transport's buffer is full."""
        self._full = True
        if self._waiting is None:
            self._hold(b"", 0)

    def resumeProducing(self) -> None:
        """The transport's buffer is empty."""
        self._full, self._stuck_since = False, 0.0
        if self._waiting is not None and self._waiting is not NOTHING:
            self._feed()

    def stopProducing(self) -> None:
        """Forget the waiting bytes and the owner, because the connection is gone."""
        self._ending = True
        self._waiting = NOTHING
        self._owner = NOBODY

    def _hold(self, data: bytes, sent: int) -> None:
        self._waiting = SendQueue(data, sent)
        self._stuck_since = 0.0
        self._owner.congested()

    def _feed(self) -> None:
        """Hand pieces over until the transport is full or the queue is empty."""
        assert self._waiting is not None
        while not self._full and (piece := self._waiting.take()):
            self._transport.write(piece)
        if self._ending:
            if not self._waiting.size:
                self._end()
        elif not self._full:
            self._waiting = None
            self._owner.drained()

    def _end(self) -> None:
        """End the connection. A transport with a registered producer would never end."""
        self._waiting = NOTHING
        self._transport.unregisterProducer()
        self._transport.loseConnection()
