"""The queue of a socket: order, sharing, copies."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pushd.client.sendqueue import PIECE, SendQueue

CHUNKS = st.tuples(
    st.binary(min_size=1, max_size=7), st.sampled_from([0, 1, 600, 5000, 10_000]), st.booleans()
)
"""A pattern, how often it is repeated, and whether its first byte has been sent."""


@given(st.lists(st.lists(CHUNKS, max_size=5), max_size=5))
def test_order(rounds: list[list[tuple[bytes, int, bool]]]) -> None:
    """All bytes leave once and in order, however they were added and whatever left in between."""
    queue, expected, taken = SendQueue(), b"", b""
    for chunks in rounds:
        for pattern, times, sent in chunks:
            data = pattern * times
            queue.add(data, int(sent and bool(data)))
            expected += data[int(sent and bool(data)) :]
        taken += queue.take()
        assert len(expected) - len(taken) == queue.size
    while piece := queue.take():
        assert len(piece) <= PIECE
        taken += piece
    assert (expected, 0) == (taken, queue.size)


def test_the_first_bytes() -> None:
    """A queue begins with what the socket did not take."""
    assert b"lo" == SendQueue(b"hello", 3).take()
    assert b"" == SendQueue(b"hello", 5).take()


def test_shared_bytes_are_not_copied() -> None:
    """Queues that hold the same object look at that object, wherever each of them is in it."""
    data = bytes(10 * PIECE)
    queues = [SendQueue(data, sent) for sent in range(60)]
    later = SendQueue(b"x" * PIECE)
    later.add(data, 5)
    for queue in queues:
        queue.take()
    views = [queue._buffers[-1] for queue in (*queues, later)]
    assert all(isinstance(view, memoryview) and view.obj is data for view in views)


def test_shared_bytes_are_let_go() -> None:
    """The last piece is a copy: a client that stops reading there does not keep a large message alive."""
    queue = SendQueue(bytes(2 * PIECE))
    queue.take()
    assert queue._buffers
    queue.take()
    assert not queue._buffers


def test_each_byte_is_copied_once() -> None:
    """Bytes leave in pieces of the same size, and none is copied with the rest."""
    queue = SendQueue(bytes(1000 * PIECE + 1))
    sizes = []
    while piece := queue.take():
        sizes.append(len(piece))
    assert [PIECE] * 1000 + [1] == sizes


def test_small_additions_share_a_buffer() -> None:
    """Thousands of short answers cost little more than their bytes; a large addition stays where it is."""
    queue = SendQueue(bytes(PIECE))
    for _ in range(10_000):
        queue.add(b"12")
    large = bytes(5000)
    queue.add(large)
    queue.add(b"3")
    assert [PIECE, 20_000, 5000, 1] == [len(buffer) for buffer in queue._buffers]


def test_a_buffer_that_never_empties_does_not_grow() -> None:
    """A client that reads as fast as it is answered: what has left is freed."""
    queue = SendQueue(b"12")
    sizes = []
    for _ in range(100):
        for _ in range(PIECE // 2):
            queue.add(b"12")
        queue.take()
        sizes.append(max(buffer.__sizeof__() for buffer in queue._buffers))
    assert max(sizes) < 4 * PIECE
