"""From a delivery to messages, where nothing that a publisher can do goes any further."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.logger import Logger

from pushd.broker.codec import Properties, Refused, decode
from pushd.message import Message
from pushd.stats import Stats

__all__ = ["Intake"]

_log = Logger()


class Intake:
    """Decodes; counts what cannot be used, and says it once for each kind.

    Args:
        stats: Where dropped messages are counted.
    """

    def __init__(self, stats: Stats) -> None:
        self._stats = stats
        self._told: set[str] = set()

    def decode(
        self, offset: int, routing_key: object, properties: Properties | None, body: bytes
    ) -> Sequence[Message]:
        """Give the messages, none if it cannot be used. Never raises."""
        if properties is None:
            self._drop(offset, "headers", "a header cannot be read; is there a date beyond the year 9999?")
            return ()
        try:
            return decode(offset, routing_key, properties, body)
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
