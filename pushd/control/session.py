"""One session at the control port: lines from a socket through the commands and back.

One command at a time and one per reactor turn: the next line waits until the last one is answered,
and reading from the socket waits with it. So answers keep the order of the lines, and a session holds
at most one segment of what was sent ahead, whatever its peer does.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, cast
from typing import Protocol as Seam

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from pushd.control.body import Body
from pushd.control.commands import Outcome
from pushd.control.http import is_tls
from pushd.control.lines import LineReader, LineTooLongError
from pushd.control.replies import HANG_UP, Publish, Reply
from pushd.control.search import in_turns

if TYPE_CHECKING:
    from pushd.control.telnet import ControlFactory

__all__ = ["Session"]

_log = Logger()

_LONGEST_LINE = 16 * 1024

_FAILED = Reply(421, ("this session failed; the log has the details",), closes=True)
_IDLE = Reply(421, ("idle for too long",), closes=True)
_TOO_LONG = Reply(500, ("the line is too long",), closes=True)

_P = ParamSpec("_P")


class _Socket(Seam):
    """What a session asks of its transport, be it TCP or Unix."""

    def write(self, data: bytes) -> None: ...
    def loseConnection(self) -> None: ...
    def abortConnection(self) -> None: ...
    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None: ...  # noqa: FBT001
    def unregisterProducer(self) -> None: ...
    def pauseProducing(self) -> None: ...
    def resumeProducing(self) -> None: ...


def _guarded(
    callback: Callable[Concatenate[Session, _P], None],
) -> Callable[Concatenate[Session, _P], None]:
    """Keep a fault of ours inside its session: it is logged, and the session ends."""

    @wraps(callback)
    def guard(self: Session, /, *args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            callback(self, *args, **kwargs)
        except LineTooLongError:
            self.say(_TOO_LONG)
        except Exception:  # noqa: BLE001  # whatever it is, it ends this session only
            self.fail(Failure())

    return guard


@implementer(IHalfCloseableProtocol, IPushProducer)
class Session(Protocol):
    """One person, or one script, at the control port.

    Attributes:
        heard_at: When something last arrived, in reactor seconds.
        busy: A line has been taken and its turn is not over.
        closing: The last reply has been said.
    """

    def __init__(self, owner: ControlFactory) -> None:
        self._owner = owner
        self._reader = LineReader(_LONGEST_LINE)
        self._body: Body | None = None
        self._first = True
        self._untouched = True
        self._choked = False
        self._ended = False
        self.heard_at = owner.clock.seconds()
        self.busy = False
        self.closing = False

    # The socket.

    @_guarded
    def connectionMade(self) -> None:
        """Somebody is there: the owner greets or turns away."""
        self._socket = cast("_Socket", self.transport)
        self._socket.registerProducer(self, True)
        self.say(self._owner.admit(self))

    @_guarded
    def dataReceived(self, data: bytes) -> None:
        """Take what arrived, and do what whole lines ask."""
        self.heard_at = self._owner.clock.seconds()
        untouched, self._untouched = self._untouched, False
        if untouched and is_tls(data):
            self.say(HANG_UP)
            return
        if refusals := self._reader.feed(data):
            self._socket.write(refusals)
        self._advance()

    def connectionLost(self, reason: Failure | None = None) -> None:  # noqa: ARG002  # Twisted's signature
        """The session is over, whoever ended it."""
        self.closing = True
        self._owner.forget(self)

    @_guarded
    def readConnectionLost(self) -> None:
        """The peer has said all it had to say; what it sent is still answered."""
        self._ended = True
        self._advance()

    def writeConnectionLost(self) -> None:
        """The peer reads no more."""
        self._socket.loseConnection()

    def pauseProducing(self) -> None:
        """The peer reads its replies too slowly: no more of them for now."""
        self._choked = True
        self._socket.pauseProducing()

    @_guarded
    def resumeProducing(self) -> None:
        """The peer has taken its replies."""
        self._choked = False
        self._advance()

    def stopProducing(self) -> None:
        """Part of the interface; the end comes as ``connectionLost``."""

    # The lines.

    def _advance(self) -> None:
        """Take lines until one needs its turn; read on only when none is left."""
        while not (self.busy or self._choked or self.closing):
            line = self._reader.next()
            if line is not None:
                self._take(line)
            elif self._ended:
                self.say(HANG_UP)
            else:
                self._socket.resumeProducing()
                return
        self._socket.pauseProducing()

    def _take(self, line: bytes) -> None:
        """Handle one line; blank ones between commands mean nothing."""
        if self._body is not None:
            outcome: Outcome | None = self._body.add(line)
            if outcome is None:
                return
            self._body = None
        elif line.strip():
            outcome = self._owner.commands.run(line, first=self._first)
            self._first = False
        else:
            return
        self.busy = True
        self._perform(outcome)

    def _perform(self, outcome: Outcome) -> None:
        """See one outcome through to its reply, and let the next line wait for that."""
        if isinstance(outcome, Publish):
            said = self._owner.published(outcome)
        elif isinstance(outcome, Generator):
            said = Deferred.fromCoroutine(in_turns(outcome, self._owner.clock))
        else:
            if isinstance(outcome, Body):
                self._body, outcome = outcome, Body.PROMPT
            said = Deferred()
            self._owner.clock.callLater(0, said.callback, outcome)
        said.addCallbacks(self._finish, self.fail)

    @_guarded
    def _finish(self, reply: Reply) -> None:
        self.busy = False
        self.say(reply)
        self._advance()

    def fail(self, failure: Failure) -> None:
        """Say that something went wrong, and log what."""
        _log.failure("a control session failed", failure=failure)
        self.say(_FAILED)

    def say(self, reply: Reply) -> None:
        """Write a reply, and end the session with it when it says so; nothing follows the last one."""
        if self.closing:
            return
        self._socket.write(reply.encode())
        if reply.closes:
            self.closing = True
            self._socket.unregisterProducer()
            self._socket.loseConnection()

    @_guarded
    def look(self, oldest: float) -> None:
        """End a session that was last heard before ``oldest``; drop one that did not end when told to."""
        if self.closing:
            self._socket.abortConnection()
        elif self.heard_at < oldest and not self.busy:
            self.say(_IDLE)
