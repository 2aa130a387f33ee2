"""From sampled stacks to shares of the time."""

from __future__ import annotations

from bench.profile import shares


def test_shares() -> None:
    """A function's share is that of the samples it is innermost in; waiting is left out."""
    stacks = [
        "main (a.py:1);send (b.py:7) 2",
        "main (a.py:2);loop (a.py:9);send (b.py:8) 1",
        "main (a.py:1) 1",
        "main (a.py:1);doPoll (twisted/internet/epollreactor.py:227) 90",
    ]
    assert [("send (b.py)", 0.75), ("main (a.py)", 0.25)] == shares(stacks)


def test_nothing() -> None:
    """A server that only waited has no shares."""
    assert [] == shares([])
