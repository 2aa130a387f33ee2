"""The ``text/event-stream`` format, by the rules of the HTML standard (section 9.2.6); no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Event", "EventStream"]


@dataclass(frozen=True, slots=True)
class Event:
    """One dispatched event."""

    name: str
    data: str


@dataclass(slots=True)
class EventStream:
    """The parser of one connection. Lines end with LF or CR LF.

    Attributes:
        last_id: The last event id; what a new connection sends as ``Last-Event-ID``.
        retry: Seconds to wait before a new connection, or ``None`` if the server never said.
    """

    last_id: str = ""
    retry: float | None = None
    _rest: bytes = b""
    _id: str = ""
    _name: str = ""
    _data: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._id = self.last_id

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes, cut anywhere, and give the events they complete."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        events = (self._line(line.removesuffix(b"\r").decode()) for line in lines)
        return [event for event in events if event is not None]

    def _line(self, line: str) -> Event | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._name = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry = int(value) / 1000.0
        return None

    def _dispatch(self) -> Event | None:
        # The id counts from the end of its block on, even when there is no data to dispatch.
        self.last_id = self._id
        name, data = self._name or "message", self._data
        self._name, self._data = "", []
        return Event(name, "\n".join(data)) if data else None
