"""The log: order, bounds, and an honest ``None``."""

from __future__ import annotations

import pytest

from pushd import history as module
from pushd.history import History, cut
from pushd.message import BROADCAST, Message

SIZE = module._OVERHEAD + 1
"""What a message with a body of one byte counts."""


def log(*, max_messages: int = 1000, max_bytes: int = 10**9, max_age: float = 1e9) -> History:
    """Make a log that starts after offset 0."""
    history = History(max_messages=max_messages, max_bytes=max_bytes, max_age=max_age)
    history.reset(0)
    return history


def fill(history: History, *entries: tuple[int, str], now: float = 0.0) -> None:
    """Append a message with a body of one byte for each offset and channel."""
    for offset, channel in entries:
        history.append(Message(offset, channel, b"x"), now)


def offsets(messages: list[Message] | None) -> list[int] | None:
    """Give the offsets, or ``None``."""
    return None if messages is None else [message.offset for message in messages]


def test_append() -> None:
    """The head is the newest offset, and bytes are counted with what a message costs besides."""
    history = log()
    fill(history, (3, "a"), (3, "b"), (9, "a"))
    assert (3, 9, 3 * SIZE) == (len(history), history.head, history.size)


def test_append_below_the_head() -> None:
    """Offsets never fall."""
    history = log()
    fill(history, (3, "a"))
    with pytest.raises(ValueError, match=r"^offset 2 is below the head 3$"):
        fill(history, (2, "a"))


def test_since() -> None:
    """A channel's messages come in offset order, after and up to what was asked."""
    history = log()
    fill(history, (1, "a"), (2, "b"), (4, "a"), (7, "a"))
    assert [1, 4, 7] == offsets(history.since(0, 7, ["a"]))
    assert [4] == offsets(history.since(1, 6, ["a"]))
    assert [] == offsets(history.since(7, 7, ["a"]))
    assert [] == offsets(history.since(0, 7, ["nobody"]))


def test_since_merges() -> None:
    """Several channels are merged by offset; broadcasts only when asked for."""
    history = log()
    fill(history, (1, "a"), (2, BROADCAST), (3, "b"), (3, "a"), (4, "c"), (5, "b"))
    assert [1, 3, 3, 5] == offsets(history.since(0, 5, ["b", "a"]))
    assert [1, 2, 3] == offsets(history.since(0, 5, ["a", BROADCAST]))


def test_since_limit() -> None:
    """A limit cuts after the message that exceeds it, but never between two of one offset."""
    history = log()
    fill(history, (1, "a"), (2, "a"), (2, "b"), (3, "a"))
    assert [1, 2, 2] == offsets(history.since(0, 3, ["a", "b"], 1))
    assert [3] == offsets(history.since(2, 3, ["a", "b"], 1))
    assert [1, 2, 2, 3] == offsets(history.since(0, 3, ["a", "b"], 100))


def test_after() -> None:
    """The newest of all channels, as far as a limit allows."""
    history = log()
    fill(history, (1, "a"), (2, "b"), (2, "c"), (5, BROADCAST))
    assert [2, 2, 5] == offsets(history.after(1, 100))
    assert [1, 2, 2] == offsets(history.after(0, 1))
    assert [1, 2, 2, 5] == offsets(history.after(-1, 100))
    assert [] == offsets(history.after(5, 100))


def test_newest() -> None:
    """Only the newest message of each channel, in offset order."""
    history = log()
    fill(history, (1, "a"), (2, "b"), (3, "a"), (4, "b"), (5, "a"))
    assert [4, 5] == offsets(history.newest(0, 5, ["a", "b", "nobody"]))
    assert [3, 4] == offsets(history.newest(0, 4, ["a", "b"]))
    assert [5] == offsets(history.newest(4, 5, ["a", "b"]))


def test_newest_evicted() -> None:
    """A channel whose newest message is gone is not passed over in silence; older ones are nobody's loss."""
    history = log(max_messages=2)
    fill(history, (1, "a"), (2, "quiet"), (3, "a"), (4, "a"))
    history.evict(0.0, keep_above=4)
    assert [4] == offsets(history.newest(0, 4, ["a"]))
    assert None is history.newest(1, 4, ["a", "quiet"])
    assert [4] == offsets(history.newest(2, 4, ["a", "quiet"]))


def test_bounded_in_messages() -> None:
    """No more messages than allowed are held, the oldest go."""
    history = log(max_messages=2)
    fill(history, (1, "a"), (2, "a"), (3, "a"))
    history.evict(0.0, keep_above=3)
    assert (2, 2 * SIZE) == (len(history), history.size)
    assert None is history.since(0, 3, ["a"])
    assert [2, 3] == offsets(history.since(1, 3, ["a"]))


def test_bounded_in_bytes() -> None:
    """No more bytes than allowed are held."""
    history = log(max_bytes=2 * SIZE)
    fill(history, (1, "a"), (2, "b"), (3, "a"))
    history.evict(0.0, keep_above=3)
    assert 2 * SIZE == history.size


def test_bounded_in_age() -> None:
    """What is older than allowed goes."""
    history = log(max_age=10.0)
    fill(history, (1, "a"), now=0.0)
    fill(history, (2, "a"), now=5.0)
    history.evict(10.0, keep_above=2)
    assert 2 == len(history)
    history.evict(10.1, keep_above=2)
    assert 1 == len(history)
    history.evict(100.0, keep_above=2)
    assert (0, 0) == (len(history), history.size)


def test_a_burst_that_grew_old_goes_bit_by_bit() -> None:
    """All of it at once would be a long turn; count and bytes are bounds at any time."""
    history = History(max_messages=5000, max_bytes=10**9, max_age=10.0)
    for offset in range(5500):
        history.append(Message(offset, "a", b""), 0.0)
    held = []
    for _ in range(6):
        history.evict(11.0, keep_above=5500)
        held.append(len(history))
    assert [4500, 3500, 2500, 1500, 500, 0] == held


def test_keeps_what_is_not_fanned_out() -> None:
    """Bounds wait for what nobody has got yet."""
    history = log(max_messages=1)
    fill(history, (1, "a"), (2, "a"), (3, "a"))
    history.evict(0.0, keep_above=1)
    assert [2, 3] == offsets(history.since(1, 3, ["a"]))


def test_quiet_channel_stays_whole() -> None:
    """A channel loses nothing when others roll the log over."""
    history = log(max_messages=2)
    fill(history, (1, "busy"), (2, "quiet"), (3, "busy"))
    history.evict(0.0, keep_above=3)
    assert history.holds(0, ["quiet"])
    assert not history.holds(0, ["quiet", "busy"])
    assert [2, 3] == offsets(history.since(1, 3, ["quiet", "busy"]))
    assert (0, 1) == (history.floor(["quiet"]), history.floor(["quiet", "busy"]))


def test_no_channels() -> None:
    """Of no channel everything is held since the log starts."""
    assert 0 == log().floor([])


def test_half_of_an_offset_evicted() -> None:
    """When one channel's copy of an offset has gone, the other's is still whole."""
    history = log(max_messages=1)
    fill(history, (1, "a"), (1, "b"))
    history.evict(0.0, keep_above=1)
    assert None is history.since(0, 1, ["a", "b"])
    assert [1] == offsets(history.since(0, 1, ["b"]))


def test_floors_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past a number of channels, those evicted longest ago share the highest of their floors."""
    monkeypatch.setattr(module, "_FLOORS", 2)
    history = log(max_messages=0)
    fill(history, (1, "a"), (2, "b"), (3, "a"), (4, "c"))
    history.evict(0.0, keep_above=4)
    assert 2 == len(history._floors)
    assert (2, 3, 4, 2) == tuple(history.floor([name]) for name in ("b", "a", "c", "other"))


def test_long_run() -> None:
    """A channel that keeps rolling over holds exactly the newest messages, and memory is given back."""
    history = log(max_messages=10)
    for offset in range(1, 501):
        fill(history, (offset, "a"))
        history.evict(0.0, keep_above=offset)
        assert min(offset, 10) == len(history)
    assert list(range(491, 501)) == offsets(history.since(490, 500, ["a"]))
    assert None is history.since(489, 500, ["a"])
    assert len(history._runs["a"].items) < 150


def test_reset() -> None:
    """Everything is forgotten, and the log is whole from the given offset on."""
    history = log(max_messages=1)
    fill(history, (1, "a"), (2, "a"))
    history.evict(0.0, keep_above=2)
    history.reset(1)
    assert (0, 0, 1) == (len(history), history.size, history.head)
    assert not history.holds(0, ["a"])
    assert history.holds(1, ["a"])
    fill(history, (2, "b"))
    assert [2] == offsets(history.since(1, 2, ["a", "b"]))


@pytest.mark.parametrize("waiting", [module.MAX_CHUNK, module.MAX_CHUNK + 1, 5 * module.MAX_CHUNK])
def test_a_chunk_is_bounded_in_messages(waiting: int) -> None:
    """Thousands of tiny messages are taken by parts, from the oldest on, in any way of asking."""
    history = log(max_messages=10_000)
    fill(history, *((offset, "ab"[offset % 2]) for offset in range(1, waiting + 11)))
    expected = list(range(11, module.MAX_CHUNK + 11))
    assert expected == offsets(history.after(10, 10**6))
    assert expected == offsets(history.since(10, 10**5, ["a", "b"], 10**6, module.MAX_CHUNK))
    assert expected == offsets(cut(history.since(10, 10**5, ["a", "b"]) or [], 10**6))
    only = [offset for offset in range(1, waiting + 11) if offset % 2]
    assert only[: module.MAX_CHUNK] == offsets(history.since(0, 10**5, ["b"], 10**6, module.MAX_CHUNK))
    assert only == offsets(history.since(0, 10**5, ["b"], 10**6))


def test_a_chunk_has_whole_offsets() -> None:
    """More messages than a chunk may have stay together if they share an offset."""
    history = log(max_messages=10_000)
    fill(
        history, (1, "x"), *[(2, f"c{number}") for number in range(module.MAX_CHUNK + 50)], (3, "x"), (4, "x")
    )
    assert [1] + [2] * (module.MAX_CHUNK + 50) == offsets(history.after(0, 10**6))
    assert [2] * (module.MAX_CHUNK + 50) == offsets(history.after(1, 10**6))
    assert [3, 4] == offsets(history.after(2, 10**6))
