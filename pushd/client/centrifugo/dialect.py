"""How the forms of this protocol differ on their way out: what wraps a push, and how objects are framed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pushd.client.centrifugo.replies import Fields, bare_push, push
from pushd.encoding import TEXT, frame

__all__ = ["BIDIRECTIONAL", "UNI_SSE", "UNI_WEBSOCKET", "Dialect"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One form.

    Attributes:
        push: Makes a JSON object of what happened on a channel: its name, the kind, the content.
        frame: Makes what the transport carries of JSON objects.
    """

    push: Callable[[str, str, Fields], bytes]
    frame: Callable[[Sequence[bytes]], bytes]


def _one_frame(objects: Sequence[bytes]) -> bytes:
    return frame(TEXT, b"\n".join(objects))


def _frame_each(objects: Sequence[bytes]) -> bytes:
    return b"".join(frame(TEXT, item) for item in objects)


def _event_each(objects: Sequence[bytes]) -> bytes:
    return b"".join(b"data: %b\n\n" % item for item in objects)


BIDIRECTIONAL = Dialect(push, _one_frame)
"""Objects that belong together share a text frame, one per line."""

UNI_WEBSOCKET = Dialect(bare_push, _frame_each)
"""Clients take a frame for one object."""

UNI_SSE = Dialect(bare_push, _event_each)
"""Each object is the data of a server-sent event."""
