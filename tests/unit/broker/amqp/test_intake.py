"""pushd.broker.amqp.intake."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

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
