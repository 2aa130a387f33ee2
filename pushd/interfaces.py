"""The seams, each as two short interfaces: what we ask of the other side, and what it tells us.

Nothing here does anything. Adapters (``broker``, ``client``) implement these; the hub
uses them and never learns which adapter it talks to.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from twisted.internet.defer import Deferred

from pushd.disconnect import Disconnect
from pushd.message import Message, Position, Publication

__all__ = [
    "Broker",
    "BrokerEvents",
    "BrokerStatus",
    "Connection",
    "Encoding",
    "Page",
    "PublishError",
    "ReadError",
    "Roster",
    "Socket",
    "Wire",
]


class PublishError(Exception):
    """A publication was not confirmed.

    Attributes:
        temporary: Whether the same publication may succeed later.
        reason: Why, in words fit for a caller to read.
    """

    def __init__(self, reason: str, *, temporary: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.temporary = temporary


class ReadError(Exception):
    """The broker cannot give the messages asked for, now or ever."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the log, read back: every message with ``after < offset <= reached``, on whatever channel.

    Attributes:
        messages: In offset order.
        after: Where it begins: as asked for, or above when the broker no longer holds what followed there.
        reached: Where it ends, between two offsets; above where it was asked to begin.
    """

    messages: Sequence[Message]
    after: int
    reached: int


@dataclass(frozen=True, slots=True)
class BrokerStatus:
    """What an operator wants to know about the broker.

    Attributes:
        attached: Consuming and caught up: what is published arrives.
        text: One line: ``stream x.history at offset 80123`` or why it is not attached.
    """

    attached: bool
    text: str


class BrokerEvents(Protocol):
    """What a broker tells us. Called in the reactor thread, in log order.

    Attaching for the first time: ``reset``, ``message`` for everything read back, ``attached``.
    Coming back after a loss: ``message`` from where it stopped, then ``attached`` with the same epoch;
    or, when that is impossible, the sequence of the first time again.
    """

    def reset(self, offset: int) -> None:
        """Forget everything: what follows is whole only after ``offset``."""

    def message(self, message: Message) -> None:
        """Take one message; its offset is not below the last one's (equal only for several channels)."""

    def attached(self, epoch: str) -> None:
        """Live from here on: all that was there has been handed over, and offsets count in ``epoch``."""

    def detached(self, reason: str) -> None:
        """Nothing arrives until the next ``attached``; ``reason`` is one line for an operator."""


class Broker(Protocol):
    """Where messages come from and are published to."""

    def start(self, events: BrokerEvents) -> None:
        """Begin to attach, and keep at it until :meth:`stop`."""

    def stop(self) -> Deferred[None]:
        """Detach in good order; fires when nothing is left open. No event comes after this call."""

    def publish(self, publication: Publication) -> Deferred[int]:
        """Publish.

        Returns:
            Fires once the broker has confirmed the publication and its messages have been told as events.
            The number is their offset. It is 0 if they were not told: this instance is not attached, or the
            delivery did not come within some seconds after the confirm. The Deferred fails with
            :class:`PublishError` when the publication is not confirmed.
        """

    def ack(self, offset: int) -> None:
        """Everything up to ``offset`` has been fanned out: the broker may send more."""

    def read(self, after: int, until: int, max_bytes: int) -> Deferred[Page]:
        """Read back the messages with ``after < offset <= until`` of the current epoch, or the first of them.

        Args:
            after: An offset.
            until: An offset above it, of a message or below that of one.
            max_bytes: Where the page ends, give or take a message: a bound for bodies and what they cost.

        The Deferred fails with :class:`ReadError`, and may be cancelled.
        """

    def status(self) -> BrokerStatus:
        """Tell how things stand."""


class Encoding(Protocol):
    """How messages become bytes for all clients of one protocol. Stateless towards clients."""

    name: str

    def join(self, messages: Sequence[Message]) -> bytes:
        """Give the bytes that bring ``messages`` (in offset order) to one client, ready for its socket."""


class Socket(Protocol):
    """What bytes leave by; as a rule the operating system's."""

    def send(self, data: bytes, /) -> int:
        """Take as many bytes as can be taken at once, and give their number; or raise :exc:`OSError`."""


class Connection(Protocol):
    """One client of any protocol, as the hub sees it.

    ``cursor``, ``channels`` and ``waiting`` belong to the hub: an adapter initialises them
    (``0``, an empty set, ``True``) and then only reads them. When its socket does not take everything,
    whoever wrote, the adapter calls ``hub.congested``; once all has left, ``hub.drained``.

    Attributes:
        protocol: The name used in counts and metrics: ``raw``, ``sse``, ``centrifugo``.
        encoding: How its messages become bytes; shared by all connections that speak alike.
        cursor: While it waits, the offset up to which everything on its channels has been written to it.
            (Who does not wait is at the hub's tip, or gets there by the pass under way.)
        channels: What it is subscribed to besides broadcasts.
        waiting: Its socket is full (or still busy with the handshake): no message may be written
            until the adapter calls ``hub.drained``.
        socket: The short way out, for messages to one that does not wait; the rest goes to :meth:`keep`.
        number: Names it towards an operator; no other connection of this instance ever had it.
        peer: The client's address, for an operator to read.
        opened_at: When its handshake was done, in reactor seconds.
    """

    number: int
    peer: str
    opened_at: float
    encoding: Encoding
    cursor: int
    channels: set[str]
    waiting: bool
    socket: Socket

    @property
    def protocol(self) -> str:
        """See above."""

    def keep(self, data: bytes, sent: int = 0) -> None:
        """Queue what the socket did not take; it leaves before all that is written later.

        Args:
            data: The whole of what was to be sent. Connections that wait for the same object share it.
            sent: Bytes of ``data`` that the socket took.
        """

    def write(self, data: bytes) -> bool:
        """Send; ``True`` when the kernel took it all, ``False`` when ``hub.drained`` will be called later.

        Never raises: a broken connection answers ``False`` and is reported lost by its adapter.
        """

    def close(self, disconnect: Disconnect) -> None:
        """Say goodbye and end the connection; leaves the hub at once, aborts if the peer will not end."""

    def missed(self) -> None:
        """Tell the client that messages may be missing and where it stands now (``hub.position``)."""


class Roster(Protocol):
    """Who is connected, as the ports for operators and machines see it; the hub is one."""

    @property
    def connections(self) -> Collection[Connection]:
        """Every client of this instance."""

    @property
    def channels(self) -> Mapping[str, Collection[Connection]]:
        """The subscribers of each channel that has any; broadcasts are not among the channels."""

    @property
    def counts(self) -> Mapping[str, int]:
        """How many clients there are, by protocol."""

    @property
    def position(self) -> Position:
        """Up to where everything has been fanned out."""


class Wire(Protocol):
    """What a protocol's session, and the sweep, ask of the connection that carries it.

    Attributes:
        answers: Whether a peer that lives answers a ping.
        socket: See :class:`Connection`.
    """

    @property
    def answers(self) -> bool:
        """See above."""

    @property
    def socket(self) -> Socket:
        """See above."""

    def keep(self, data: bytes, sent: int = 0) -> None:
        """Queue what the socket did not take, see :meth:`Connection.keep`."""

    def write(self, data: bytes) -> bool:
        """Send finished bytes, see :meth:`Connection.write`."""

    def ping(self) -> None:
        """Send whatever this transport uses to keep a connection alive."""

    def close(self, disconnect: Disconnect) -> None:
        """End in good order: close frame or end of stream, and abort when that is not answered in time."""

    def abort(self) -> None:
        """Drop the connection now."""

    def pause(self) -> None:
        """Hand no message over and read nothing until :meth:`resume`.

        A session calls this while it has enough to do. Messages that were read before the pause wait, in
        order. The peer's silence counts from :meth:`resume` on. Repeated calls have no further effect.
        """

    def resume(self) -> None:
        """Hand messages over again.

        The first one comes in a later turn of the reactor, never within this call.
        """

    def stuck(self, now: float) -> float:
        """Tell for how many seconds the socket has taken nothing of what waits for it."""
