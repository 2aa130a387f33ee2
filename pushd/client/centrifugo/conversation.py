"""From commands to answers: what holds for all commands of the bidirectional form, whatever they ask for.

The answers to the commands of one frame leave in one frame. What the client has not read yet is
bounded: it is refused more, temporarily, until its socket has taken what it asked for before.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable

from pushd.client.centrifugo import replies
from pushd.client.centrifugo.answers import Answers
from pushd.client.centrifugo.client import Client
from pushd.client.centrifugo.commands import Command, Connect, NotACommandError, Pong, Request, parse
from pushd.client.centrifugo.desk import Desk
from pushd.client.centrifugo.errors import Error, RefusedError
from pushd.client.centrifugo.replies import Fields
from pushd.disconnect import BAD_REQUEST, Disconnect
from pushd.interfaces import Encoding
from pushd.message import BROADCAST
from pushd.resume import Older

__all__ = ["Conversation", "GoodbyeError"]


class GoodbyeError(Exception):
    """The client did something that ends the connection."""

    def __init__(self, disconnect: Disconnect) -> None:
        super().__init__(disconnect.name)
        self.disconnect = disconnect


class Conversation(Client):
    """A session that is asked and answers; a subclass knows the commands."""

    __slots__ = ("_answers", "_busy", "_early")

    def __init__(self, desk: Desk, encoding: Encoding) -> None:
        super().__init__(desk, encoding)
        self._answers = Answers(desk.rules.recovery_bytes)
        self._busy = False
        # What came after "connect" while that cannot be answered yet: stock clients do not wait for it.
        self._early: list[Command] = []

    def received(self, payload: bytes, *, binary: bool) -> None:  # noqa: ARG002  # JSON either way
        """Carry out the commands of one frame, see :meth:`Session.received`."""
        if BROADCAST in self._reading:
            self._answers.hold(len(payload))
        self._work(lambda: self._carry_out_all(parse(payload)))

    def drained(self) -> None:
        """Give it room for answers again, see :meth:`Session.drained`."""
        self._answers.make_room()
        super().drained()

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

    def _carry_out_all(self, commands: Iterable[Command]) -> None:
        for number, request in commands:
            if BROADCAST not in self._reading:
                self._carry_out(number, request)
            elif self._answers.full:
                raise GoodbyeError(BAD_REQUEST)
            else:
                self._early.append((number, request))

    def _carry_out(self, number: int, request: Request | Error) -> None:
        if isinstance(request, Connect) == bool(self.client):
            raise GoodbyeError(BAD_REQUEST)
        if not isinstance(request, Pong):
            self._answer(number, request)

    def _answer(self, number: int, request: Request | Error, older: Older | None = None) -> None:
        try:
            result = self._result(number, request, older)
        except RefusedError as refusal:
            self._answers.add(replies.error(number, refusal.error))
        else:
            if result is not None and isinstance(request, Request):
                self._answers.add(replies.reply(number, request.method, result))

    def _answer_late(self, number: int, request: Request, older: Older) -> None:
        """Do what had to wait for ``older``, if it is still possible; then what waited for that."""
        early, self._early = self._early, []
        if early:
            self._answers.make_room()

        def work() -> None:
            self._answer(number, request, older)
            self._carry_out_all(early)

        self._work(work)

    def _flush(self) -> None:
        """Send the answers; when the socket has taken all, the client may be served."""
        answers = self._answers.take()
        if answers and self.tell(answers):
            self._answers.make_room()
            if self.waiting and self.client:
                self.hub.drained(self)
