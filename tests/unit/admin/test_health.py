"""What supervisors and load balancers hear."""

from __future__ import annotations

import json

from twisted.internet.task import Clock

from pushd.admin.exchange import Ask
from pushd.admin.health import Live, Ready, StatusPage
from pushd.admin.loop import LoopLag
from tests.unit.admin.port import STATUS


def test_live() -> None:
    """An answer, and how late the reactor was."""
    clock = Clock()
    lag = LoopLag(clock)
    lag.start()
    clock.advance(1.5)
    answer = Live(lag).answer(Ask())
    assert (200, {"live": True, "loop_lag_seconds": 0.5}) == (answer.status, json.loads(answer.body))


def test_ready() -> None:
    """Without a reason against it, new clients are welcome."""
    answer = Ready(list).answer(Ask())
    assert (200, {"ready": True, "reasons": []}) == (answer.status, json.loads(answer.body))


def test_not_ready() -> None:
    """With reasons the answer is 503 and names them."""
    answer = Ready(lambda: ["draining", "broker away"]).answer(Ask())
    assert (503, {"ready": False, "reasons": ["draining", "broker away"]}) == (
        answer.status,
        json.loads(answer.body),
    )


def test_status() -> None:
    """The snapshot as JSON."""
    answer = StatusPage(lambda: STATUS).answer(Ask())
    assert (200, STATUS.as_json()) == (answer.status, json.loads(answer.body))
