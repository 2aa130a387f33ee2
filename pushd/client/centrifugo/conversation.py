"""From commands to answers: what holds for all commands of the bidirectional form, whatever they ask for.

The commands of a frame are carried out one by one, as far as the budget of the turn reaches. The rest
follows in later turns, and the client is not read meanwhile. Answers keep the order of their commands. The
answers of one slice leave in one frame. What the client has not read yet is bounded: it is refused more,
temporarily, until its socket has taken what it asked for before.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from functools import partial

from twisted.python.failure import Failure

from pushd.client.centrifugo import replies
from pushd.client.centrifugo.answers import Answers
from pushd.client.centrifugo.client import Client
from pushd.client.centrifugo.commands import Connect, NotACommandError, Pong, Request
from pushd.client.centrifugo.desk import Desk
from pushd.client.centrifugo.drafts import Draft
from pushd.client.centrifugo.errors import Error, RefusedError
from pushd.client.centrifugo.inbox import Inbox
from pushd.client.centrifugo.replies import Fields
from pushd.client.centrifugo.workload import COMMAND, SLICE, of_bytes
from pushd.disconnect import BAD_REQUEST, Disconnect
from pushd.interfaces import Encoding
from pushd.message import BROADCAST
from pushd.older import Older

__all__ = ["Conversation", "GoodbyeError"]


class GoodbyeError(Exception):
    """The client did something that ends the connection."""

    def __init__(self, disconnect: Disconnect) -> None:
        super().__init__(disconnect.name)
        self.disconnect = disconnect


class Conversation(Client):
    """A session that is asked and answers; a subclass knows the commands."""

    __slots__ = ("_answers", "_busy", "_inbox", "_scheduled")

    def __init__(self, desk: Desk, encoding: Encoding) -> None:
        super().__init__(desk, encoding)
        self._answers = Answers(desk.rules.recovery_bytes)
        self._inbox = Inbox()
        # True while commands are carried out: what is said then leaves with their answers.
        self._busy = False
        # True while the rest of the work waits for later turns.
        self._scheduled = False

    @property
    def _full(self) -> bool:
        """True if the client should read before it asks for more."""
        held = sum(draft.size for draft in self._drafts if isinstance(draft, Draft))
        return self._answers.room <= held

    @property
    def silent(self) -> bool:
        """Whether it has still to ask for something, see :meth:`Session.silent`."""
        return super().silent and not self._inbox

    def received(self, payload: bytes, *, binary: bool) -> None:  # noqa: ARG002  # JSON either way
        """Carry out the commands of one frame, see :meth:`Session.received`."""
        self._inbox.add(payload)
        if not self._scheduled:
            self._proceed()
        # Stock clients do not wait for the answer to "connect". What they say meanwhile waits, within bounds.
        if BROADCAST in self._reading and self._inbox.size > self.desk.rules.recovery_bytes:
            self.close(BAD_REQUEST)

    def drained(self) -> None:
        """Give it room for answers again, see :meth:`Session.drained`."""
        self._answers.make_room()
        super().drained()

    def close(self, disconnect: Disconnect) -> None:
        """Carry out no more commands, see :meth:`Session.close`."""
        self._inbox.clear()
        super().close(disconnect)

    def lost(self) -> None:
        """Carry out no more commands, see :meth:`Session.lost`."""
        self._inbox.clear()
        super().lost()

    # Work, slice by slice.

    def _proceed(self) -> None:
        """Do what there is to do: a slice now if the turn has room for it, and the rest later."""
        units = self.desk.work.at_once()
        if units:
            self._slice(units)
        if self._ready() and not self._scheduled:
            self._scheduled = True
            self.wire.pause()
            self.desk.work.add(self._slices())

    def _slices(self) -> Iterator[None]:
        try:
            while self._ready():
                self._slice(SLICE)
                yield
        except Exception:  # noqa: BLE001  # whatever it is, it ends this client only
            self._failed(Failure())
        self._scheduled = False
        self.wire.resume()

    def _ready(self) -> bool:
        """Return True if there is something to do that waits for nothing."""
        return bool(self._drafts) or (bool(self._inbox) and BROADCAST not in self._reading)

    def _slice(self, units: int) -> None:
        """Write answers and carry out commands, in their order, to about so many units of work."""
        work = self.desk.work
        end = work.done + units

        def carry_out() -> None:
            while work.done < end and self._ready():
                if self._drafts:
                    self._finish(end)
                else:
                    self._carry_out_next()

        self._work(carry_out)

    def _work(self, work: Callable[[], None]) -> None:
        """Do what leads to answers, send them together, and end the connection if that came of it."""
        if self._busy:
            work()
            return
        goodbye = None
        self._busy = True
        try:
            work()
        except NotACommandError:
            goodbye = BAD_REQUEST
        except GoodbyeError as end:
            goodbye = end.disconnect
        finally:
            self._busy = False
        self._flush()
        if goodbye:
            self.close(goodbye)

    @abstractmethod
    def _result(self, number: int, request: Request | Error, older: Older | None) -> Fields | None:
        """Do what is asked.

        Args:
            number: The command's, for an answer that comes later.
            request: What is asked, or the error it earned.
            older: What was read back for it, once that is done.

        Returns:
            The answer, or ``None`` when it will come later.

        Raises:
            RefusedError: The answer is an error.
            GoodbyeError: There is no answer, the connection ends.
        """

    def _say(self, answer: bytes) -> None:
        """Send an answer that comes later, with others if there are any."""
        if self in self.hub.connections:
            self._answers.add(answer)
            if not self._busy:
                self._flush()

    def _carry_out_next(self) -> None:
        command, size = self._inbox.next()
        self.desk.work.charge(1 + of_bytes(size))
        if command is None:
            return
        number, request = command
        self.desk.work.charge(COMMAND)
        if isinstance(request, Connect) == bool(self.client):
            raise GoodbyeError(BAD_REQUEST)
        if not isinstance(request, Pong):
            self._answer(number, request)

    def _answer(self, number: int, request: Request | Error, older: Older | None = None) -> None:
        try:
            result = self._result(number, request, older)
        except RefusedError as refusal:
            self._reply(replies.error(number, refusal.error))
        else:
            if result is not None and isinstance(request, Request):
                self._reply(Draft(result, partial(replies.reply, number, request.method)))

    def _reply(self, draft: Draft | bytes) -> None:
        """Give an answer: at once if it is short, otherwise the client waits until it is written."""
        first = not self._drafts
        self._drafts.append(draft)
        if first:
            self._finish(self.desk.work.done + SLICE)
        if first and self._drafts:
            self.hub.hold(self)

    def _finish(self, end: int) -> None:
        """Go on writing answers, and add those that are finished."""
        for answer in self._advance(end):
            self._answers.add(answer)

    def _answer_late(self, number: int, request: Request, older: Older) -> None:
        """Do what had to wait for ``older``, if it is still possible; then what waited for that."""
        self._work(lambda: self._answer(number, request, older))
        if not (self._busy or self._scheduled):
            self._proceed()

    def _flush(self) -> None:
        """Send the answers; when the socket has taken all, the client may be served."""
        answers = self._answers.take()
        if answers and self._send(answers):
            self._answers.make_room()
            if self.waiting and self.client and not self._drafts:
                self.hub.drained(self)
