"""From a delivery to messages, where nothing that a publisher can do goes any further."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.logger import Logger

from pushd.broker.amqp.header import ContentHeader
from pushd.broker.codec import MAX_BODY_BYTES, TOO_LARGE, Properties, Refused, decode
from pushd.message import Message
from pushd.stats import Stats

__all__ = ["Intake", "messages"]

_log = Logger()


def messages(
    offset: int, routing_key: object, properties: Properties | None, body: bytes, max_bytes: int
) -> Sequence[Message]:
    """Make messages of a delivery.

    Args:
        offset: Its offset.
        routing_key: As it came.
        properties: ``None`` when they cannot be read.
        body: Empty for one that was too large to be kept.
        max_bytes: The largest body, also once it is decompressed.

    Raises:
        Refused: It cannot be used.
    """
    if properties is None:
        raise Refused("headers", "the properties of a message cannot be read")
    if isinstance(properties, ContentHeader) and properties.too_large:
        raise Refused("size", TOO_LARGE)
    return decode(offset, routing_key, properties, body, max_bytes)


class Intake:
    """Decodes; counts what cannot be used, and says it once for each kind.

    Args:
        stats: Where dropped messages are counted.
        max_bytes: The largest body, also once it is decompressed.
    """

    def __init__(self, stats: Stats, max_bytes: int = MAX_BODY_BYTES) -> None:
        self._stats = stats
        self._max_bytes = max_bytes
        self._told: set[str] = set()

    def decode(
        self, offset: int, routing_key: object, properties: Properties | None, body: bytes
    ) -> Sequence[Message]:
        """Give the messages, none if it cannot be used. Never raises."""
        try:
            return messages(offset, routing_key, properties, body, self._max_bytes)
        except Refused as refused:
            self._drop(offset, refused.kind, refused.advice)
        except Exception:  # noqa: BLE001  # whatever a publisher found
            _log.failure("the message at {offset} could not be decoded", offset=offset)
            self._drop(offset, "internal", "the daemon itself failed; please report the traceback above")
        return ()

    def _drop(self, offset: int, kind: str, advice: str) -> None:
        self._stats.dropped[kind] += 1
        if kind not in self._told:
            self._told.add(kind)
            _log.warn(
                "dropped the message at {offset}: {advice} (further ones of this kind are only counted)",
                offset=offset,
                advice=advice,
            )
