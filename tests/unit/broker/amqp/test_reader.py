"""pushd.broker.amqp.reader over channels that a test feeds; real streams are in tests/contracts."""

from __future__ import annotations

import gzip
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock

from pushd.broker.amqp.faults import Lost
from pushd.broker.amqp.header import ContentHeader
from pushd.broker.amqp.probe import PROBE
from pushd.broker.amqp.reader import WHOLE, End, find_end, read_page, scan_marks
from pushd.broker.mark import Mark
from pushd.broker.marks import Life
from pushd.interfaces import ReadError
from tests.unit.broker.amqp.fakes import NOTHING, FakeChannel, FakeLink


class Reading:
    """A stream being read."""

    def __init__(self) -> None:
        self.clock: Any = Clock()
        self.channel = FakeChannel()
        self.link: Any = FakeLink()
        self.link.channel = lambda: succeed(self.channel)
        self.results: list[Any] = []

    def begin(self, reading: Coroutine[Any, Any, Any]) -> None:
        """Begin; what comes of it is kept."""
        Deferred.fromCoroutine(reading).addBoth(self.results.append)

    def back(self, after: int, until: int, most: int = 100_000) -> None:
        """Begin to read back."""
        self.begin(read_page(self.clock, self.link, "s", after, until, most))

    @property
    def page(self) -> tuple[int, list[int], int]:
        """Give what was read: where it begins, offsets, where it ends; no channel and no timer is left."""
        (page,) = self.results
        assert (True, []) == (self.channel.closed, self.clock.getDelayedCalls())
        return page.after, [message.offset for message in page.messages], page.reached

    @property
    def error(self) -> str:
        """Why a read back failed; the channel is closed and no timer is left then."""
        (failure,) = self.results
        assert (True, []) == (self.channel.closed, self.clock.getDelayedCalls())
        assert failure.check(ReadError)
        return str(failure.value)


@pytest.fixture
def reading() -> Reading:
    """Give a stream."""
    return Reading()


def test_a_part_is_read_back(reading: Reading) -> None:
    """From just after one offset to another, without marks, what cannot be read, and what comes too late."""
    reading.back(4, 7)
    assert {"x-stream-offset": 4} == reading.channel.arguments
    reading.channel.record(4)
    reading.channel.record(5)
    reading.channel.deliver(5, "x", "", None, b"no properties")
    reading.channel.record(6, **Mark("ab").headers())
    java = {
        **NOTHING,
        "headers": {"x-stream-offset": 6},
        "content_type": "application/x-java-serialized-object",
    }
    reading.channel.deliver(6, "x", "", SimpleNamespace(**java), b"refused when it came")
    reading.channel.record(7, b"y")
    reading.channel.record(8)
    assert (4, [5, 7], 7) == reading.page
    assert [b"x", b"y"] == [message.body for message in reading.results[0].messages]


def test_the_last_offset_may_be_nobodys(reading: Reading) -> None:
    """What comes above ends the page where it was asked to end."""
    reading.back(4, 7)
    reading.channel.record(4)
    reading.channel.record(9)
    assert (4, [], 7) == reading.page


def test_a_page_says_where_it_begins(reading: Reading) -> None:
    """RabbitMQ starts at the oldest record left; what was right before it need not have been a record."""
    reading.back(4, 7)
    reading.channel.record(6)
    reading.channel.record(7)
    assert (5, [6, 7], 7) == reading.page


def test_everything_asked_for_may_be_gone(reading: Reading) -> None:
    """Then the page is empty and begins where it ends."""
    reading.back(4, 7)
    reading.channel.record(20)
    assert (7, [], 7) == reading.page


def test_a_page_ends_when_it_is_full(reading: Reading) -> None:
    """Bodies count, and so does each record; there is always one, or nobody could go on from there."""
    reading.back(4, 9, most=0)
    reading.channel.record(4)
    reading.channel.record(5)
    assert (4, [5], 5) == reading.page


def test_bodies_and_records_fill_a_page(reading: Reading) -> None:
    """As many as fit, give or take one."""
    reading.back(0, 9, most=450)
    reading.channel.record(1, b"x" * 100)
    reading.channel.record(2)
    assert (0, [1, 2], 2) == reading.page


def test_what_a_record_becomes_fills_a_page(reading: Reading) -> None:
    """A small record may decompress to a large message: a page bounds what it holds."""
    reading.back(0, 9, most=1000)
    for offset in (1, 2):
        headers = {"x-stream-offset": offset}
        properties = SimpleNamespace(**{**NOTHING, "headers": headers, "content_encoding": "gzip"})
        reading.channel.deliver(offset, "x", "", properties, gzip.compress(bytes(1000)))
    assert (0, [1], 1) == reading.page


def test_a_body_that_is_too_large_is_left_out(reading: Reading) -> None:
    """It was counted and said when it came for the first time."""
    reading.back(0, 2)
    reading.channel.deliver(1, "x", "", ContentHeader(headers={"x-stream-offset": 1}, too_large=True), b"")
    reading.channel.record(2)
    assert (0, [2], 2) == reading.page


def test_a_reading_may_be_cancelled(reading: Reading) -> None:
    """Nothing is left of it."""
    asked = Deferred.fromCoroutine(read_page(reading.clock, reading.link, "s", 0, 9, 100))
    asked.addErrback(lambda failure: reading.results.append(failure.type))
    asked.cancel()
    reading.channel.record(1)
    assert [CancelledError] == reading.results
    assert (True, []) == (reading.channel.closed, reading.clock.getDelayedCalls())


def test_a_record_without_an_offset(reading: Reading) -> None:
    """Nobody can be sure of what is read then: it fails, and leaves nothing behind."""
    reading.back(0, 9)
    reading.channel.deliver(1, "x", "", SimpleNamespace(**NOTHING), b"x")
    assert reading.results[0].check(TypeError)
    assert (True, []) == (reading.channel.closed, reading.clock.getDelayedCalls())


def test_silence_ends_a_reading(reading: Reading) -> None:
    """Counted from the last record."""
    reading.back(0, 9)
    reading.clock.advance(9)
    reading.channel.record(1)
    reading.clock.advance(9)
    assert [] == reading.results
    reading.clock.advance(1)
    assert "the stream sends nothing" == reading.error


def test_a_deleted_stream_ends_a_reading(reading: Reading) -> None:
    """The first reason counts: that the channel goes too changes nothing."""
    reading.back(0, 9)
    reading.channel.cancelled()
    reading.channel.lose("closed")
    assert "the stream was deleted" == reading.error


def test_records_are_acknowledged_in_bulk(reading: Reading) -> None:
    """A quarter of what is on its way at a time."""
    reading.back(0, 200)
    for offset in range(1, 201):
        reading.channel.record(offset)
    assert [50, 100, 150, 200] == reading.channel.acks
    assert 200 == len(reading.results[0].messages)


def test_a_slow_reading_leaves_nothing_unacknowledged(reading: Reading) -> None:
    """Each record is acknowledged within a second, or the broker closes the channel of a long reading."""
    reading.back(0, 200)
    for offset in (1, 2, 3):
        reading.channel.record(offset)
        reading.clock.advance(1)
    reading.clock.advance(5)
    assert [1, 2, 3] == reading.channel.acks


def test_the_end_is_where_a_new_mark_stands(reading: Reading) -> None:
    """It is published once reading has begun, and others' records before it do not count."""
    published: list[object] = []

    async def publish() -> bool:
        published.append(reading.channel.arguments)
        return False

    reading.begin(find_end(reading.clock, reading.link, "s", "ab", publish))
    assert [{"x-stream-offset": "next"}] == published
    reading.channel.record(20)
    reading.channel.record(21, **Mark("cd").headers())
    reading.channel.record(22, **Mark("ab").headers())
    assert [End(22, "22:ab", bound=None)] == reading.results


@pytest.mark.parametrize(
    ("probed", "exchange", "bound"),
    [(True, "x", True), (True, "", False), (True, None, False), (False, None, None)],
)
def test_the_end_tells_whether_the_stream_is_bound(
    reading: Reading, probed: bool, exchange: str | None, bound: bool | None
) -> None:
    """A probe before the mark proves it if it came through an exchange; without a probe nothing is known."""

    async def publish() -> bool:
        return probed

    reading.begin(find_end(reading.clock, reading.link, "s", "ab", publish))
    if exchange is not None:
        properties = SimpleNamespace(**{**NOTHING, "headers": {"x-stream-offset": 5, PROBE: 1}})
        reading.channel.deliver(5, exchange, "", properties, b"")
    reading.channel.record(6, b"", **Mark("ab").headers())
    assert [End(6, "6:ab", bound)] == reading.results


def test_neither_probes_nor_marks_are_read_back(reading: Reading) -> None:
    """But what looks like a mark and came through the exchange is a publication."""
    reading.back(4, 7)
    reading.channel.record(5, b"", **{PROBE: 1})
    properties = SimpleNamespace(**{**NOTHING, "headers": {"x-stream-offset": 6, **Mark("ab").headers()}})
    reading.channel.deliver(6, "x", "", properties, b"forged")
    reading.channel.record(7, b"", **Mark("ab").headers())
    assert (4, [6], 7) == reading.page


def test_a_mark_that_cannot_be_published_ends_the_reading(reading: Reading) -> None:
    """And leaves nothing behind."""

    async def publish() -> bool:
        raise Lost("no publisher")

    reading.begin(find_end(reading.clock, reading.link, "s", "ab", publish))
    assert "no publisher" == reading.results[0].value.reason
    assert (True, []) == (reading.channel.closed, reading.clock.getDelayedCalls())


def test_marks_are_scanned_until_the_epoch_is_known(reading: Reading) -> None:
    """Other records are passed over; without a claim the first mark's nonce is the epoch."""
    life = Life()
    life.begin("ab")
    reading.begin(scan_marks(reading.clock, reading.link, "s", life, WHOLE))
    assert {"x-stream-offset": "first"} == reading.channel.arguments
    reading.channel.record(1)
    reading.channel.record(2, **Mark("cd").headers())
    assert [] == reading.results
    reading.channel.record(3, **Mark("ab").headers())
    assert ([None], "cd") == (reading.results, life.epoch)
