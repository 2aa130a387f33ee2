"""Asks pushd's event stream where it stands."""

from __future__ import annotations

import http.client

__all__ = ["position"]


def position(port: int, path: str) -> str:
    """Give the ``id`` of the first event of a new client: it has everything up to there.

    Raises:
        EOFError: The stream ended without one.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30.0)
    try:
        connection.request("GET", path, headers={"Accept": "text/event-stream"})
        for line in connection.getresponse():
            field, _, value = line.decode().rstrip("\r\n").partition(":")
            if field == "id":
                return value.strip()
    finally:
        connection.close()
    raise EOFError("the event stream ended")
