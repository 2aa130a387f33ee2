"""One pass: a batch of messages, and who gets which of them, with the bytes made once for all alike.

Which messages of the batch concern a connection is a number with a bit for each. Connections that speak alike
and have the same number get the same bytes; for a broadcast that is everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain

from pushd.crowd import Audience, Crowd
from pushd.interfaces import Connection, Encoding
from pushd.message import BROADCAST, Message
from pushd.stats import Stats

__all__ = ["Pass"]

_STEP = 100
"""Connections served in one step, at most."""

_STEP_MESSAGES = 20_000
"""Messages of a batch times connections, at most, in one step: each connection may get others of them."""

_STEP_BYTES = 1024 * 1024
"""Bytes of bodies after which a step ends: the kernel copies them in half a millisecond."""


class Pass:
    """A batch on its way to those of the crowd whom it concerns.

    Args:
        batch: Messages in offset order, at least one.
        channels: The subscribers of each channel.
        crowd: Those who have everything up to the batch.
        stats: Counts deliveries.
        failed: Told, while the exception is handled, of a connection that could not be written to.

    Attributes:
        size: For how many it is.
        tip: The offset up to which those who have been served have everything.
    """

    __slots__ = (
        "_audience", "_batch", "_everybody", "_failed", "_joined", "_next", "_of_channel", "_out", "_places",
        "_stats", "_step", "size", "tip",
    )  # fmt: skip

    def __init__(
        self,
        batch: Sequence[Message],
        channels: Mapping[str, Mapping[Connection, None]],
        crowd: Crowd,
        stats: Stats,
        failed: Callable[[Connection], None],
    ) -> None:
        stats.passes += 1
        self.tip = batch[-1].offset
        self._batch = batch
        self._stats = stats
        self._failed = failed
        self._everybody = 0
        self._of_channel: dict[str, int] = {}
        self._joined: dict[tuple[Encoding, int], bytes] = {}
        for index, message in enumerate(batch):
            if message.channel == BROADCAST:
                self._everybody |= 1 << index
            else:
                self._of_channel[message.channel] = self._of_channel.get(message.channel, 0) | 1 << index
        self._audience = self._choose(channels, crowd)
        self.size = len(self._audience.connections)
        self._step = _step(batch) if self.size > 1 else 1
        # The place of who is served next, the places of those who are no longer to be served, and, once it is
        # needed, everybody's place.
        self._next = 0
        self._out: set[int] = set()
        self._places: dict[Connection, int] | None = None

    def serve(self) -> Iterator[None]:
        """Write to each what concerns it, a few in each step."""
        while self._next < self.size:
            self._serve(range(self._next, min(self._next + self._step, self.size)))
            yield

    def release(self, connection: Connection) -> bool:
        """Serve one no more; whether it would have been."""
        if self._next and connection is self._audience.connections[self._next - 1]:
            return False
        if self._places is None:
            places = range(self._next, self.size)
            self._places = dict(zip(self._audience.connections[self._next :], places, strict=True))
        place = self._places.get(connection, -1)
        if place < self._next or place in self._out:
            return False
        self._out.add(place)
        return True

    def advance(self, connection: Connection) -> None:
        """Serve one at once, if it still is to be served."""
        if not self.release(connection):
            return
        bits = self._everybody | self._own(connection)
        if bits:
            self._stats.deliveries += bits.bit_count()
            try:
                connection.write(self._bytes(connection.encoding, bits))
            except Exception:  # noqa: BLE001  # whatever it is, it ends this connection only
                self._failed(connection)

    def _choose(self, channels: Mapping[str, Mapping[Connection, None]], crowd: Crowd) -> Audience:
        """Give everybody, or the subscribers among them; never more than all."""
        held = [channels[name] for name in self._of_channel if name in channels]
        if self._everybody or sum(map(len, held)) > len(crowd):
            return crowd.everybody()
        return Audience(connection for connection in dict.fromkeys(chain(*held)) if connection in crowd)

    def _serve(self, places: range) -> None:
        """Serve those at these places.

        This loop is the daemon's hottest: it runs once for each connection and batch, and all that is not for
        one connection alone stands outside of it. What is left is mostly a call of the kernel.
        """
        audience, out = self._audience, self._out
        sockets, encodings = audience.sockets, audience.encodings
        everybody, named = self._everybody, self._of_channel
        encoding: Encoding | None = None
        last = count = size = deliveries = 0
        data = b""
        bits = everybody
        for place in places:
            if out and place in out:
                continue
            try:
                if named:
                    bits = everybody | self._own(audience.connections[place])
                if bits != last or encodings[place] is not encoding:
                    if not bits:
                        continue
                    data = self._bytes(encodings[place], bits)
                    encoding, last, count, size = encodings[place], bits, bits.bit_count(), len(data)
                deliveries += count
                try:
                    sent = sockets[place].send(data)
                except OSError:
                    # Full; or broken, which the reactor will find out by itself.
                    sent = 0
                if sent != size:
                    self._next = place + 1
                    audience.connections[place].keep(data, sent)
            except Exception:  # noqa: BLE001  # whatever it is, it ends this connection only
                self._next = place + 1
                self._failed(audience.connections[place])
        self._next = places.stop
        self._stats.deliveries += deliveries

    def _own(self, connection: Connection) -> int:
        """Find the bits of the channels that it is subscribed to."""
        of_channel, channels, bits = self._of_channel, connection.channels, 0
        if len(channels) < len(of_channel):
            for name in channels:
                bits |= of_channel.get(name, 0)
        else:
            for name, own in of_channel.items():
                if name in channels:
                    bits |= own
        return bits

    def _bytes(self, encoding: Encoding, bits: int) -> bytes:
        key = (encoding, bits)
        data = self._joined.get(key)
        if data is None:
            chosen = [message for index, message in enumerate(self._batch) if bits >> index & 1]
            data = self._joined[key] = encoding.join(chosen)
        return data


def _step(batch: Sequence[Message]) -> int:
    """Return the number of connections that a step serves: fewer the more bytes and messages each may get."""
    size = sum([len(message.body) for message in batch])
    most = min(_STEP, max(1, _STEP_MESSAGES // len(batch)))
    return most if size * most < _STEP_BYTES else max(1, _STEP_BYTES // size)
