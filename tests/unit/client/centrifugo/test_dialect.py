from __future__ import annotations

from pushd.client.centrifugo.dialect import BIDIRECTIONAL, UNI_SSE, UNI_WEBSOCKET

OBJECTS = [b'{"a":1}', b"{}"]


def test_bidirectional_objects_share_a_frame() -> None:
    """One text frame, one object per line."""
    assert b'\x81\x0a{"a":1}\n{}' == BIDIRECTIONAL.frame(OBJECTS)
    assert b'{"push":{"channel":"x","join":{}}}' == BIDIRECTIONAL.push("x", "join", {})


def test_unidirectional_objects_have_a_frame_each() -> None:
    """A frame is one object."""
    assert b'\x81\x07{"a":1}\x81\x02{}' == UNI_WEBSOCKET.frame(OBJECTS)
    assert b'{"channel":"x","join":{}}' == UNI_WEBSOCKET.push("x", "join", {})


def test_events_carry_an_object_each() -> None:
    """The data of a server-sent event is one object."""
    assert b'data: {"a":1}\n\ndata: {}\n\n' == UNI_SSE.frame(OBJECTS)
    assert b'{"channel":"x","join":{}}' == UNI_SSE.push("x", "join", {})
