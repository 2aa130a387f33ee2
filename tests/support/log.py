"""What the daemon's log says while a test runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from twisted.logger import LogLevel, formatEvent, globalLogPublisher

__all__ = ["Log", "logged"]


class Log:
    """Lines of a part of the daemon.

    Args:
        namespace: How the names of its loggers begin.
    """

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._events: list[dict[str, object]] = []

    def __call__(self, event: dict[str, object]) -> None:
        """Take an event, as ``ILogObserver`` says."""
        if str(event.get("log_namespace", "")).startswith(self._namespace):
            self._events.append(event)

    @property
    def warnings(self) -> list[str]:
        """The texts of warnings and worse."""
        return [formatEvent(event) for event in self._events if event["log_level"] >= LogLevel.warn]

    @property
    def tracebacks(self) -> list[object]:
        """The failures that were logged with a traceback."""
        return [event["log_failure"] for event in self._events if "log_failure" in event]


@contextmanager
def logged(namespace: str) -> Iterator[Log]:
    """Listen while the block runs."""
    log = Log(namespace)
    globalLogPublisher.addObserver(log)
    try:
        yield log
    finally:
        globalLogPublisher.removeObserver(log)
