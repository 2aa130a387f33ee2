"""Log lines for journald, a terminal or a collector, from :mod:`twisted.logger`'s events.

Whatever an event carries, a line is one line: what a peer sent can neither start a new one nor
move a terminal's cursor. The lines of a traceback follow theirs, indented, as no event ever is.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import BinaryIO, Literal

from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
)
from zope.interface import implementer

__all__ = ["is_journal", "observer", "quieten_libraries"]

_PRIORITIES = {"debug": 7, "info": 6, "warn": 4, "error": 3, "critical": 2}
"""The priorities of syslog(3), which journald reads as ``<N>`` from the start of a line."""

_ORDER = list(LogLevel.iterconstants())
"""From the least level to the gravest."""

Format = Callable[[LogEvent], str]


@implementer(ILogObserver)
class _Lines:
    """Writes each event through ``form`` to ``out``, in UTF-8 whatever the locale says."""

    def __init__(self, out: BinaryIO, form: Format) -> None:
        self._out = out
        self._form = form

    def __call__(self, event: LogEvent) -> None:
        self._out.write(self._form(event).encode("utf-8", "backslashreplace"))
        self._out.flush()


def observer(out: BinaryIO, level: str, form: Literal["text", "json"], *, journal: bool) -> ILogObserver:
    """Give the observer for the whole process.

    Twisted's own notes of factories and ports are left out below warnings: they come per connection.

    Args:
        level: The least level that is written.
        journal: Whether ``out`` leads to journald, which has its own clock and wants priorities.
    """
    least = LogLevel.levelWithName(level)
    levels = LogLevelFilterPredicate(defaultLogLevel=least)
    for namespace in ("twisted", "log_legacy"):
        levels.setLogLevelForNamespace(namespace, max(least, LogLevel.warn, key=_ORDER.index))
    text = _journal_text if journal else _text
    return FilteringLogObserver(_Lines(out, _json if form == "json" else text), [levels])


def is_journal(environ: Mapping[str, str], out: BinaryIO) -> bool:
    """Tell whether ``out`` is connected to journald (systemd.exec(5), ``JOURNAL_STREAM``)."""
    status = os.fstat(out.fileno())
    return environ.get("JOURNAL_STREAM", "") == f"{status.st_dev}:{status.st_ino}"


def quieten_libraries() -> None:
    """Keep the standard library's loggers silent: pika reports there what our broker code says itself."""
    logging.getLogger().addHandler(logging.NullHandler())


def _text(event: LogEvent) -> str:
    time = datetime.fromtimestamp(event["log_time"], UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return f"{time} {_level(event):<8} " + "\n".join(_lines(event)) + "\n"


def _journal_text(event: LogEvent) -> str:
    prefix = f"<{_PRIORITIES[_level(event)]}>"
    return "".join(f"{prefix}{line}\n" for line in _lines(event))


def _json(event: LogEvent) -> str:
    entry = {
        "time": datetime.fromtimestamp(event["log_time"], UTC).isoformat(),
        "level": _level(event),
        "namespace": event.get("log_namespace", ""),
        "message": formatEvent(event),
    }
    if "log_failure" in event:
        entry["traceback"] = event["log_failure"].getTraceback()
    line = json.dumps(entry, ensure_ascii=False)
    # JSON must escape what is below a space, but no other line ends, nor what a terminal obeys.
    return (line if line.isprintable() else json.dumps(entry)) + "\n"


def _lines(event: LogEvent) -> list[str]:
    """Give the message, then the traceback's lines."""
    message = f"[{event.get('log_namespace', '-')}] {formatEvent(event)}"
    traceback = event["log_failure"].getTraceback().splitlines() if "log_failure" in event else []
    return [_escaped(message)] + [f"    {_escaped(line)}" for line in traceback]


def _level(event: LogEvent) -> str:
    return str(event["log_level"].name)


def _escaped(text: str) -> str:
    """Show what cannot be printed (controls, line separators, directional marks) as Python writes it."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
