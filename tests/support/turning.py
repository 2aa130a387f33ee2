"""A clock whose turns a test takes one by one."""

from __future__ import annotations

from twisted.internet.task import Clock

__all__ = ["TurningClock"]


class TurningClock(Clock):
    """Twisted's ``advance`` also runs what is scheduled meanwhile; a reactor leaves that to its next turn."""

    def turn(self) -> None:
        """Run what is due now, and nothing that it schedules."""
        now = self.seconds()
        due = [call for call in self.calls if call.getTime() <= now]
        for call in due:
            if call.cancelled:  # by one that ran before it
                continue
            self.calls.remove(call)
            call.called = 1
            call.func(*call.args, **call.kw)
