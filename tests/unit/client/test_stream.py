from __future__ import annotations

from collections.abc import Iterator

import pytest

from pushd.disconnect import KICKED, SLOW
from tests.support.public import Talk

HEAD = (
    b"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: text/event-stream\r\n"
    b"Connection: close\r\n\r\n"
)


@pytest.fixture
def talk() -> Iterator[Talk]:
    """Make a talk."""
    talk = Talk(("Content-Type", "text/event-stream"), buffered_bytes=1000)
    yield talk
    talk.line.close()


def test_a_stream_begins_with_its_head(talk: Talk) -> None:
    """What the session says follows, and it is served at once."""
    talk.session.write(b"data: hi\n\n")
    assert HEAD + b"data: hi\n\n" == talk.line.hear()
    assert not talk.session.waiting


def test_a_ping_is_a_comment_that_nobody_answers(talk: Talk) -> None:
    """It keeps proxies from giving up."""
    talk.line.hear()
    talk.session.ping()
    assert (b":\n\n", False) == (talk.line.hear(), talk.carrier.answers)


def test_what_the_client_says_is_dropped(talk: Talk) -> None:
    """It asked once, and that was all."""
    talk.line.say(b"GET / HTTP/1.1\r\n" * 1000)
    assert (True, []) == (talk.line.open, talk.session.messages)


def test_a_close_ends_the_stream_after_what_was_said(talk: Talk) -> None:
    """Then the connection; the session is over at once."""
    talk.session.write(b"x" * 50_000)
    talk.session.close(KICKED)
    assert ([KICKED], 1) == (talk.shop.hub.left, talk.session.losses)
    assert len(HEAD) + 50_000 == len(talk.line.hear_all())
    assert not talk.line.open


def test_a_client_that_does_not_take_the_end_is_dropped(talk: Talk) -> None:
    """By a deadline."""
    talk.session.write(b"x" * 50_000)
    talk.session.close(KICKED)
    talk.shop.wait(3.0)
    talk.line.turn()
    assert not talk.line.open


def test_a_client_that_leaves(talk: Talk) -> None:
    """Is seen to."""
    talk.line.far.close()
    talk.line.turn()
    assert ([None], 1, 0) == (talk.shop.hub.left, talk.session.losses, talk.shop.admission.count)


def test_a_client_that_does_not_read_is_bounded(talk: Talk) -> None:
    """What is said beyond the limit ends it."""
    talk.session.write(b"x" * 90_000)
    talk.session.write(b"x" * 1000)
    assert [SLOW] == talk.shop.hub.left
