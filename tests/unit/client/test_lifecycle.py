from __future__ import annotations

from collections.abc import Iterator

import pytest

from pushd.client.stream import HttpStreams, Stream
from pushd.disconnect import INTERNAL_ERROR, KICKED, SLOW
from tests.support.line import Line
from tests.support.log import logged
from tests.support.public import Talk


@pytest.fixture
def talk() -> Iterator[Talk]:
    """Make a talk."""
    talk = Talk()
    yield talk
    talk.line.close()


def test_sessions_are_numbered(talk: Talk) -> None:
    """No two have the same number, so that an operator can name one."""
    line, second = Line(), talk.shop.probe()
    HttpStreams(talk.shop.life).accept(line.transport, Stream(second, ()), 0.0)
    line.close()
    assert (1, 2) == (talk.session.number, second.number)


def test_the_write_of_a_session_is_the_outlets_own(talk: Talk) -> None:
    """A delivery goes through no other function."""
    assert talk.carrier.transport.write == talk.session.write


def test_what_comes_too_late_does_nothing(talk: Talk) -> None:
    """The outlet may speak of a session that is over."""
    talk.session.close(KICKED)
    talk.carrier.drained()
    talk.carrier.overflowed()
    assert ([KICKED], 1) == (talk.shop.hub.left, talk.session.losses)


def test_a_carrier_tells_how_long_it_is_stuck(talk: Talk) -> None:
    """As its outlet sees it."""
    talk.line.stuff()
    talk.session.write(b"x" * 90_000)
    assert [0.0, 4.0] == [talk.carrier.stuck(now) for now in (1.0, 5.0)]


def test_a_session_that_does_not_begin_is_closed() -> None:
    """If its protocol has a first word of its own, and this does not come in time."""
    talk = Talk(joins=False)
    talk.shop.wait(5.0)
    assert [] == talk.shop.hub.left
    assert 1 == talk.session.losses
    talk.line.close()


def test_a_session_that_has_begun_is_left_alone() -> None:
    """The deadline looks again before it acts."""
    talk = Talk(joins=False)
    talk.shop.hub.join(talk.session, ())
    talk.shop.wait(5.0)
    assert 0 == talk.session.losses
    talk.line.close()


def test_an_end_that_is_not_reached_is_forced(talk: Talk) -> None:
    """When the peer takes nothing."""
    talk.session.write(b"x" * 90_000)
    talk.session.close(KICKED)
    talk.shop.wait(3.0)
    talk.line.turn()
    assert not talk.line.open


def test_what_waits_and_overflows_is_the_sessions_business(talk: Talk) -> None:
    """It hears that all has left, and is ended when too much waits."""
    talk.session.write(b"x" * 90_000)
    talk.session.waiting = True
    talk.line.hear_all()
    assert not talk.session.waiting
    talk.session.write(b"x" * 300_000)
    talk.session.write(b"x")
    assert ([SLOW], 1) == (talk.shop.hub.left, talk.session.losses)


@pytest.mark.parametrize("fails", ["drained", "drained close", "drained close lost"])
def test_a_session_that_fails_is_ended(fails: str) -> None:
    """In good order if it still can, or else by an abort; the log has the traceback."""
    talk = Talk(fails=fails)
    talk.session.write(b"x" * 90_000)
    with logged("pushd.client.lifecycle") as log:
        talk.line.hear_all()
    talk.line.turn()
    assert log.tracebacks
    assert ([INTERNAL_ERROR] if fails == "drained" else [None]) == talk.shop.hub.left
    assert not talk.line.open
    talk.line.close()


def test_a_session_that_closes_as_it_opens_is_not_waited_for(talk: Talk) -> None:
    """It will never begin."""
    closing = Talk(joins=False, fails="opened")
    closing.line.turn()
    assert 0 == len(closing.shop.life.greetings)
    assert not closing.line.open
    closing.line.close()


def test_deadlines_are_all_there_for_the_sweep(talk: Talk) -> None:
    """Requests, greetings, closings."""
    life = talk.shop.life
    assert (life.requests, life.greetings, life.closings) == life.deadlines
