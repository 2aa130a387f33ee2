"""One pass: a batch of messages, and who gets which of them, with the bytes made once for all alike.

Which messages of the batch concern a connection is a number with a bit for each. Connections that speak alike
and have the same number get the same bytes; for a broadcast that is everybody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pushd.interfaces import Connection, Encoding
from pushd.message import BROADCAST, Message
from pushd.stats import Stats

__all__ = ["Pass"]


class Pass:
    """A batch on its way.

    Args:
        stats: Counts deliveries.
    """

    __slots__ = ("_batch", "_everybody", "_joined", "_some", "_stats", "_tip")

    def __init__(self, stats: Stats) -> None:
        self._stats = stats
        self._batch: Sequence[Message] = ()
        self._everybody = 0
        self._some: dict[Connection, int] = {}
        self._joined: dict[tuple[Encoding, int], bytes] = {}
        self._tip = -1

    def begin(
        self,
        batch: Sequence[Message],
        channels: Mapping[str, Mapping[Connection, None]],
        live: Mapping[Connection, None],
    ) -> list[Connection]:
        """Find out who gets what of ``batch``.

        Args:
            batch: Messages in offset order, at least one.
            channels: The subscribers of each channel.
            live: All who are served.

        Returns:
            Those to be served: everybody, or the subscribers.
        """
        self._stats.passes += 1
        self._batch = batch
        self._tip = batch[-1].offset
        for index, message in enumerate(batch):
            bit = 1 << index
            if message.channel == BROADCAST:
                self._everybody |= bit
                continue
            for connection in channels.get(message.channel, ()):
                self._some[connection] = self._some.get(connection, 0) | bit
        return list(live if self._everybody else self._some)

    def serve(self, connection: Connection) -> bool:
        """Write what concerns a connection, unless it has it already; whether its socket took everything."""
        if connection.cursor >= self._tip:
            return True
        connection.cursor = self._tip
        bits = self._everybody
        if self._some:
            bits |= self._some.get(connection, 0)
        if not bits:
            return True
        key = (connection.encoding, bits)
        data = self._joined.get(key)
        if data is None:
            data = self._joined[key] = connection.encoding.join(self._chosen(bits))
        self._stats.deliveries += bits.bit_count()
        return connection.write(data)

    def _chosen(self, bits: int) -> list[Message]:
        return [message for index, message in enumerate(self._batch) if bits >> index & 1]
