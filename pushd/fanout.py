"""One pass: a batch of messages, and who gets which of them, with the bytes made once for all alike.

Which messages of the batch concern a connection is a number with a bit for each. Connections that speak alike
and have the same number get the same bytes; for a broadcast that is everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain

from pushd.interfaces import Connection, Encoding
from pushd.message import BROADCAST, Message
from pushd.stats import Stats

__all__ = ["Pass"]

_Told = Callable[[Connection], None]


class Pass:
    """A batch on its way.

    Args:
        batch: Messages in offset order, at least one.
        stats: Counts deliveries.
        congested: Told of a connection whose socket did not take everything.
        failed: Told, while the exception is handled, of a connection that could not be written to.

    Attributes:
        tip: The offset up to which those who have been served have everything.
    """

    __slots__ = ("_batch", "_congested", "_everybody", "_failed", "_joined", "_of_channel", "_stats", "tip")

    def __init__(self, batch: Sequence[Message], stats: Stats, congested: _Told, failed: _Told) -> None:
        stats.passes += 1
        self.tip = batch[-1].offset
        self._batch = batch
        self._stats = stats
        self._congested = congested
        self._failed = failed
        self._everybody = 0
        self._of_channel: dict[str, int] = {}
        self._joined: dict[tuple[Encoding, int], bytes] = {}
        for index, message in enumerate(batch):
            if message.channel == BROADCAST:
                self._everybody |= 1 << index
            else:
                self._of_channel[message.channel] = self._of_channel.get(message.channel, 0) | 1 << index

    def audience(
        self, channels: Mapping[str, Mapping[Connection, None]], live: Mapping[Connection, None]
    ) -> list[Connection]:
        """Give those to be served: everybody who is live, or the subscribers among them.

        Args:
            channels: The subscribers of each channel.
            live: All who are served.
        """
        held = [channels[name] for name in self._of_channel if name in channels]
        if self._everybody or sum(map(len, held)) > len(live):
            return list(live)
        return [connection for connection in dict.fromkeys(chain(*held)) if connection in live]

    def serve(self, connections: Iterable[Connection]) -> None:
        """Write to each what concerns it, unless it waits or has it already.

        This loop is the daemon's hottest: it runs once for each connection and batch, and all that is not
        for one connection alone stands outside of it.
        """
        tip, everybody, named = self.tip, self._everybody, self._of_channel
        encoding: Encoding | None = None
        last = count = deliveries = 0
        data = b""
        for connection in connections:
            if connection.waiting or connection.cursor >= tip:
                continue
            connection.cursor = tip
            try:
                bits = everybody | self._own(connection) if named else everybody
                if bits != last or connection.encoding is not encoding:
                    if not bits:
                        continue
                    data = self._bytes(connection.encoding, bits)
                    encoding, last, count = connection.encoding, bits, bits.bit_count()
                deliveries += count
                if not connection.write(data):
                    self._congested(connection)
            except Exception:  # noqa: BLE001  # whatever it is, it ends this connection only
                self._failed(connection)
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
