"""pushd.broker.amqp.intake."""

from __future__ import annotations

import gzip
from types import SimpleNamespace
from typing import Any

import pytest

from pushd.broker.amqp.header import ContentHeader
from pushd.broker.amqp.intake import Intake
from pushd.broker.codec import Properties
from pushd.stats import Stats
from tests.support.log import logged


class Broken:
    """Properties that nobody foresaw."""

    def __getattr__(self, name: str) -> Any:
        raise ZeroDivisionError


@pytest.fixture
def stats() -> Stats:
    """What is counted."""
    return Stats()


@pytest.fixture
def intake(stats: Stats) -> Intake:
    """A fresh one."""
    return Intake(stats)


def properties(**values: object) -> Any:
    """Make properties of a message, none set unless said."""
    return SimpleNamespace(**{**dict.fromkeys(Properties.__annotations__), **values})


def test_good(intake: Intake, stats: Stats) -> None:
    """A good message passes, and nothing is counted."""
    [message] = intake.decode(5, "a", properties(), b"x")
    assert (5, "a", b"x") == (message.offset, message.channel, message.body)
    assert not stats.dropped


def test_each_kind_is_told_once(intake: Intake, stats: Stats) -> None:
    """Every bad message is counted by its kind of fault; the log has the first of each, with its advice."""
    java = properties(content_type="application/x-java-serialized-object")
    with logged("pushd.broker") as log:
        for offset in range(3):
            assert not intake.decode(offset, "", java, b"\xac\xed")
            assert not intake.decode(offset, "no channel", properties(), b"")
    assert {"java": 3, "channel": 3} == dict(stats.dropped)
    assert len(log.warnings) == 2
    assert "RabbitTemplate" in log.warnings[0]


def test_unreadable_properties(intake: Intake, stats: Stats) -> None:
    """A message whose properties could not be read is one of them."""
    assert not intake.decode(1, "", None, b"x")
    assert {"headers": 1} == dict(stats.dropped)


def test_our_own_mistake(intake: Intake, stats: Stats) -> None:
    """A failure of ours costs this message and is logged with its traceback."""
    with logged("pushd.broker") as log:
        assert not intake.decode(1, "", Broken(), b"x")
    assert {"internal": 1} == dict(stats.dropped)
    assert len(log.tracebacks) == 1


def test_a_body_that_is_too_large(stats: Stats) -> None:
    """It is one kind of fault, whether it came so or becomes so, and the advice names the key."""
    intake = Intake(stats, 100)
    with logged("pushd.broker") as log:
        assert not intake.decode(1, "", ContentHeader(too_large=True), b"")
        assert not intake.decode(2, "", properties(content_encoding="gzip"), gzip.compress(bytes(101)))
        assert 1 == len(intake.decode(3, "", properties(content_encoding="gzip"), gzip.compress(bytes(100))))
    assert {"size": 2} == dict(stats.dropped)
    [warning] = log.warnings
    assert "max_body_bytes of [broker]" in warning


def test_properties_that_only_our_decoder_reads(intake: Intake, stats: Stats) -> None:
    """They are as good as any."""
    [message] = intake.decode(5, "a", ContentHeader(headers={"channels": ["b"]}, message_id="m"), b"x")
    assert ("b", "m", b"x") == (message.channel, message.message_id, message.body)
    assert not stats.dropped
