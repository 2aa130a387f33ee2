"""The snapshot that every port for operators is made from."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest
from twisted.internet.task import Clock

from pushd.interfaces import Broker
from pushd.stats import Stats
from pushd.status import Reporter, Status, duration
from tests.support.roster import FakeClient, FakeRoster, StillBroker


def snapshot(*clients: FakeClient, attached: bool = True, reasons: tuple[str, ...] = ()) -> Status:
    """Take a snapshot of an instance that has run for 3 h 12 min."""
    clock = Clock()
    clock.advance(1000 + 3 * 3600 + 12 * 60 + 5)
    reporter = Reporter(
        instance="1",
        roster=FakeRoster(*clients),
        broker=cast("Broker", StillBroker(attached=attached)),
        stats=Stats(messages=7, deliveries=21, slow=2),
        readiness=lambda: reasons,
        clock=clock,
        started_at=1000.0,
    )
    return reporter()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1.0, "0s"),
        (0.4, "0s"),
        (59.9, "59s"),
        (60, "1m0s"),
        (3 * 3600 + 12 * 60 + 5, "3h12m"),
        (90000, "1d1h"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    """A span is written in its two largest units."""
    assert text == duration(seconds)


def test_lines() -> None:
    """An operator reads three lines; the largest protocol comes first, equals by name."""
    clients = [
        FakeClient(1),
        FakeClient(2),
        FakeClient(3, "sse"),
        FakeClient(4, "centrifugo", channels={"a"}),
    ]
    assert (
        "instance 1, up 3h12m, broker connected, stream x.history at offset 100",
        "clients 4 (raw 2, centrifugo 1, sse 1), channels 1",
        "messages 7, deliveries 21, slow 2",
    ) == snapshot(*clients).lines()


def test_the_last_one_has_left() -> None:
    """A protocol without clients is a number for programs, and no word for people."""
    status = replace(snapshot(), clients={"raw": 0, "sse": 1})
    assert "clients 1 (sse 1), channels 0" == status.lines()[1]
    assert {"sse": 1, "raw": 0} == status.as_json()["clients"]


def test_nobody() -> None:
    """Without clients nothing stands in parentheses."""
    assert "clients 0, channels 0" == snapshot().lines()[1]


def test_line() -> None:
    """A service manager shows whether the instance is ready, and why not."""
    assert "ready, clients 1, broker connected, stream x.history at offset 100" == (
        snapshot(FakeClient(1)).line()
    )
    assert "not ready (draining; broker away), clients 0" == (
        snapshot(attached=False, reasons=("draining", "broker away")).line()
    )


def test_json() -> None:
    """A program reads plain values."""
    assert {
        "instance": "1",
        "uptime_seconds": 11525.0,
        "ready": False,
        "reasons": ["draining"],
        "broker": {"attached": True, "text": "stream x.history at offset 100"},
        "position": {"epoch": "e1", "offset": 100},
        "clients": {"raw": 1},
        "channels": 0,
        "messages": 7,
        "deliveries": 21,
        "slow": 2,
    } == snapshot(FakeClient(1), reasons=("draining",)).as_json()
