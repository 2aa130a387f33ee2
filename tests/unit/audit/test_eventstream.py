"""The text/event-stream format, by the HTML standard's rules."""

from __future__ import annotations

import pytest

from pushd.audit.eventstream import Event, EventStream


def test_an_event_ends_with_an_empty_line() -> None:
    """Nothing is dispatched before the block is whole."""
    stream = EventStream()
    assert stream.feed(b"data: hello\n") == []
    assert stream.feed(b"\n") == [Event("message", "hello")]


def test_the_id_counts_from_the_end_of_its_block() -> None:
    """A connection lost in the middle of a block must ask for that block again."""
    stream = EventStream(last_id="e:1")
    stream.feed(b"id: e:2\ndata: x\n")
    assert stream.last_id == "e:1"
    stream.feed(b"\n")
    assert stream.last_id == "e:2"


def test_an_id_without_data_moves_the_position_silently() -> None:
    """A block without data is no event, but its id stands."""
    stream = EventStream()
    assert stream.feed(b"id: e:5\n\n") == []
    assert stream.last_id == "e:5"


def test_fields_of_one_block() -> None:
    """Several data lines are joined; the name is the event's; comments are nothing."""
    stream = EventStream()
    assert stream.feed(b": hi\nevent: reset\ndata: a\ndata:b\nunknown\n\n") == [Event("reset", "a\nb")]
    assert stream.feed(b"data: c\n\n") == [Event("message", "c")]


@pytest.mark.parametrize(("line", "seconds"), [(b"retry: 1500", 1.5), (b"retry: soon", None)])
def test_retry_is_milliseconds(line: bytes, seconds: float | None) -> None:
    """Digits only, as the standard has it."""
    stream = EventStream()
    stream.feed(line + b"\n")
    assert stream.retry == seconds


def test_an_id_with_nul_is_ignored() -> None:
    """It could not be sent back in a header."""
    stream = EventStream()
    stream.feed(b"id: a\0b\ndata: x\n\n")
    assert stream.last_id == ""


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_bytes_may_be_cut_anywhere(ending: bytes) -> None:
    """One byte at a time gives the same events as all at once, characters of several bytes included."""
    text = ending.join([b"id: 1", "data: 测试".encode(), b"", b"data: b", b"", b""])
    one_by_one = EventStream()
    events = [event for i in range(len(text)) for event in one_by_one.feed(text[i : i + 1])]
    assert events == EventStream().feed(text) == [Event("message", "测试"), Event("message", "b")]
