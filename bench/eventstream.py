"""One plain client of an event stream: just enough to learn a position."""

from __future__ import annotations

import http.client
from typing import Self

__all__ = ["Listener"]


class Listener:
    """An open event stream; a context manager that closes it.

    Args:
        port: Of the server, on loopback.
        path: The request target.
    """

    def __init__(self, port: int, path: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30.0)
        self._connection.request("GET", path, headers={"Accept": "text/event-stream"})
        self._response = self._connection.getresponse()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def next_id(self) -> str:
        """Wait for the next event that carries data, and give its ``id``.

        Raises:
            EOFError: The stream ended.
        """
        event: dict[str, str] = {}
        while line := self._response.readline().decode():
            field, _, value = line.rstrip("\r\n").partition(":")
            if field:
                event[field] = value.strip()
            elif "data" in event and "id" in event:
                return event["id"]
            else:
                event.clear()
        raise EOFError("the event stream ended")
