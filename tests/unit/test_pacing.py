"""Doing something to very many connections, a few at a time."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock

from pushd.interfaces import Connection
from pushd.pacing import TICK, paced
from tests.support.roster import FakeClient


def begin(count: int, seconds: float) -> tuple[Any, list[Connection], list[None]]:
    """Begin with so many connections; give the clock, those who have had their turn, and the end."""
    clock: Any = Clock()
    done: list[Connection] = []
    ended: list[None] = []
    clients = [FakeClient(number) for number in range(count)]
    paced(clock, clients, done.append, seconds=seconds).addCallback(ended.append)
    return clock, done, ended


def test_few() -> None:
    """A few have their turn at once, and it is over a tick later."""
    clock, done, ended = begin(10, seconds=5.0)
    assert (10, []) == (len(done), ended)
    clock.advance(TICK)
    assert [None] == ended


def test_many() -> None:
    """Many have their turn evenly, in their order, all within the time."""
    clock, done, ended = begin(1000, seconds=1.0)
    assert 50 == len(done)
    clock.pump([TICK] * 10)
    assert 550 == len(done)
    assert list(range(550)) == [client.number for client in done]
    clock.pump([TICK] * 10)
    assert (1000, [None]) == (len(done), ended)


def test_nobody() -> None:
    """With nobody there it is over at once."""
    assert [None] == begin(0, seconds=1.0)[2]
