"""pushd.broker.amqp.session."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from pushd.broker.amqp.faults import Lost
from pushd.broker.amqp.session import Session
from tests.support.log import logged
from tests.unit.broker.amqp.fakes import FakeLink


@pytest.fixture
def link() -> FakeLink:
    """A connection."""
    return FakeLink()


@pytest.fixture
def session(link: FakeLink) -> Session:
    """A session on it."""
    return Session(link)  # type: ignore[arg-type]


def test_ends_with_its_connection(session: Session, link: FakeLink) -> None:
    """The connection's end is the session's."""
    seen: list[Lost] = []
    session.watch(seen.append)
    link.lose("why")
    assert [link.lost] == seen == [session.lost]


def test_first_reason_counts(session: Session, link: FakeLink) -> None:
    """It is over once, for the first reason; who asks later hears that."""
    seen: list[str] = []
    session.watch(lambda lost: seen.append(lost.reason))
    session.end(Lost("first"))
    session.end(Lost("second"))
    link.lose("third")
    session.watch(lambda lost: seen.append(lost.reason))
    assert ["first", "first"] == seen


def test_over(session: Session) -> None:
    """A coroutine can wait for the end."""
    seen: list[object] = []
    session.over().addErrback(lambda failure: seen.append(failure.value))
    assert not seen
    session.end(Lost("why"))
    session.over().addErrback(lambda failure: seen.append(failure.value))
    assert [session.lost, session.lost] == seen


async def waits(for_it: Deferred[None], ends: list[str]) -> None:
    """Work that lasts as long as something else, and notes its end."""
    try:
        await for_it
    finally:
        ends.append("end")


def test_work_ends_with_it(session: Session) -> None:
    """Work on the side is cancelled at the end, and finished work is forgotten."""
    ends: list[str] = []
    done: Deferred[None] = Deferred()
    session.spawn(waits(done, ends))
    session.spawn(waits(Deferred(), ends))
    done.callback(None)
    assert ["end"] == ends
    session.end(Lost("why"))
    assert ["end", "end"] == ends


def test_work_that_comes_too_late(session: Session) -> None:
    """What is begun after the end does not outlive it."""
    ends: list[str] = []
    session.end(Lost("why"))
    session.spawn(waits(Deferred(), ends))
    assert ["end"] == ends


async def fails(error: Exception) -> None:
    """Work that fails."""
    raise error


def test_it_ends_with_its_work(session: Session) -> None:
    """Work that is lost ends the session."""
    session.spawn(fails(Lost("why")))
    assert session.lost is not None
    assert session.lost.reason == "why"


def test_failing_work(session: Session) -> None:
    """Work that fails for no foreseen reason does too, and is logged."""
    work: Coroutine[Any, Any, None] = fails(ZeroDivisionError())
    with logged("pushd.broker") as log:
        session.spawn(work)
    assert session.lost is not None
    assert len(log.tracebacks) == 1
