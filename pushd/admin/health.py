"""What a supervisor and a load balancer ask: does the reactor turn, and may clients be sent here?"""

from __future__ import annotations

from collections.abc import Callable, Collection

from pushd.admin.exchange import Answer, Ask, answer_json
from pushd.admin.loop import LoopLag
from pushd.status import Status

__all__ = ["Live", "Ready", "StatusPage"]


class Live:
    """``/live``: that it is answered at all is the point; the broker has no part in it.

    Args:
        lag: How late the reactor is.
    """

    methods = ("GET", "HEAD")

    def __init__(self, lag: LoopLag) -> None:
        self._lag = lag

    def answer(self, _: Ask) -> Answer:
        """Say how late the reactor was at worst in the last minute."""
        return answer_json(200, {"live": True, "loop_lag_seconds": round(self._lag.worst, 6)})


class Ready:
    """``/ready``: 200 when new clients are welcome, otherwise 503 with the reasons.

    Args:
        readiness: Gives the reasons why not; none when ready.
    """

    methods = ("GET", "HEAD")

    def __init__(self, readiness: Callable[[], Collection[str]]) -> None:
        self._readiness = readiness

    def answer(self, _: Ask) -> Answer:
        """Say whether, or why not."""
        reasons = list(self._readiness())
        return answer_json(503 if reasons else 200, {"ready": not reasons, "reasons": reasons})


class StatusPage:
    """``/api/status``: the snapshot the control port shows, for programs and the dashboard.

    Args:
        status: Takes the snapshot.
    """

    methods = ("GET", "HEAD")

    def __init__(self, status: Callable[[], Status]) -> None:
        self._status = status

    def answer(self, _: Ask) -> Answer:
        """Give the snapshot."""
        return answer_json(200, self._status().as_json())
