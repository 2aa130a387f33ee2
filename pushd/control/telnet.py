"""The control port: sessions for people with telnet and for scripts, bounded in number and idle time."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from pushd.control.commands import Commands
from pushd.control.replies import Publish, Reply
from pushd.control.session import Session
from pushd.interfaces import PublishError
from pushd.message import Publication

__all__ = ["ControlFactory"]

_log = Logger()

_SWEEP_EVERY = 5.0
"""Seconds between two looks for idle sessions."""

_STOPPING = Reply(421, ("this instance is stopping",), closes=True)
_TOO_MANY = Reply(421, ("too many sessions, try again later",), closes=True)


class ControlFactory(Factory):
    """Makes sessions, holds their number and idle time within bounds.

    Args:
        commands: What can be asked.
        publish: Publishes; its Deferred fires once the message is confirmed and in the history.
        clock: Paces the sessions and the look for idle ones.
        sessions: The most sessions at a time.
        idle: Seconds a session may be silent, to within one sweep.
    """

    noisy = False

    def __init__(
        self,
        commands: Commands,
        publish: Callable[[Publication], Deferred[None]],
        clock: IReactorTime,
        *,
        sessions: int,
        idle: float,
    ) -> None:
        self.commands = commands
        self.clock = clock
        self._publish = publish
        self._limit = sessions
        self._idle = idle
        self._sessions: set[Session] = set()
        self._sweep = LoopingCall(self._look)
        self._sweep.clock = clock

    def startFactory(self) -> None:
        """The port is open: begin to look for idle sessions."""
        self._sweep.start(_SWEEP_EVERY, now=False)

    def stopFactory(self) -> None:
        """The port is closed: end what is left."""
        self._sweep.stop()
        for session in list(self._sessions):
            session.say(_STOPPING)

    def buildProtocol(self, addr: IAddress | None) -> Session:  # noqa: ARG002  # Twisted's signature
        """Give every peer a session, if only to be told that there are too many."""
        return Session(self)

    def admit(self, session: Session) -> Reply:
        """Greet a new session, or turn it away."""
        full = len(self._sessions) >= self._limit
        self._sessions.add(session)
        return _TOO_MANY if full else self.commands.greeting

    def forget(self, session: Session) -> None:
        """A session is gone."""
        self._sessions.discard(session)

    def published(self, request: Publish) -> Deferred[Reply]:
        """Publish, and give the reply: it never fails, and says 250 only after the broker's confirm."""
        confirmed = maybeDeferred(self._publish, request.publication)
        return confirmed.addCallbacks(lambda _: Reply(250, (request.done,)), _refusal)

    def _look(self) -> None:
        """End the sessions that have been silent for too long, drop those that would not end."""
        for session in list(self._sessions):
            session.look(self.clock.seconds() - self._idle)


def _refusal(failure: Failure) -> Reply:
    """Say why nothing was confirmed; only our own errors have words fit to be said."""
    error = failure.value
    if isinstance(error, PublishError):
        return Reply(451 if error.temporary else 554, (f"not sent: {' '.join(error.reason.split())}",))
    _log.failure("publishing failed", failure=failure)
    return Reply(451, ("not sent: internal error; the log has the details",))
