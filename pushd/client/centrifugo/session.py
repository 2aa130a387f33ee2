"""The bidirectional session: commands in, answers and pushes out, over a WebSocket.

The answers to the commands of one frame leave in one frame. What the client has not read yet is
bounded: it is refused more, temporarily, until its socket has taken what it asked for before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import orjson
from twisted.logger import Logger
from twisted.python.failure import Failure

from pushd.client.auth import ExpiredTokenError, Identity, InvalidTokenError
from pushd.client.centrifugo import presence, replies
from pushd.client.centrifugo.answers import Answers
from pushd.client.centrifugo.client import INSUFFICIENT, Client
from pushd.client.centrifugo.commands import (
    Command,
    Connect,
    History,
    NotACommandError,
    Ping,
    Pong,
    Presence,
    PresenceStats,
    Publish,
    Refresh,
    Request,
    SubRefresh,
    Subscribe,
    Unsubscribe,
    parse,
)
from pushd.client.centrifugo.desk import Desk
from pushd.client.centrifugo.dialect import BIDIRECTIONAL
from pushd.client.centrifugo.errors import (
    ALREADY_SUBSCRIBED,
    INTERNAL,
    LIMIT_EXCEEDED,
    NOT_AVAILABLE,
    PERMISSION_DENIED,
    TOKEN_EXPIRED,
    TOO_MANY_REQUESTS,
    UNRECOVERABLE,
    Error,
    RefusedError,
)
from pushd.client.centrifugo.replies import Fields
from pushd.disconnect import BAD_REQUEST, INVALID_TOKEN, Disconnect
from pushd.interfaces import Encoding, PublishError
from pushd.message import BROADCAST, Publication
from pushd.resume import NOTHING, Older

__all__ = ["CentrifugoSession"]

_log = Logger()

_UNCONFIRMED = 64
"""Most publications of one client that the broker has not confirmed yet."""


class _GoodbyeError(Exception):
    """The client did something that ends the connection."""

    def __init__(self, disconnect: Disconnect) -> None:
        super().__init__(disconnect.name)
        self.disconnect = disconnect


class CentrifugoSession(Client):
    """One client of ``/connection/websocket``."""

    __slots__ = ("_answers", "_busy", "_early", "_unconfirmed")

    dialect = BIDIRECTIONAL

    def __init__(self, desk: Desk, encoding: Encoding) -> None:
        super().__init__(desk, encoding)
        self._answers = Answers(desk.rules.recovery_bytes)
        self._unconfirmed = 0
        self._busy = False
        # What came after "connect" while that cannot be answered yet: stock clients do not wait for it.
        self._early: list[Command] = []

    def received(self, payload: bytes, *, binary: bool) -> None:  # noqa: ARG002  # JSON either way
        """Carry out the commands of one frame, see :meth:`Session.received`."""
        if BROADCAST in self._reading:
            self._answers.hold(len(payload))
        self._work(lambda: self._carry_out_all(parse(payload)))

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
        except _GoodbyeError as end:
            goodbye = end.disconnect
        finally:
            self._busy = False
        self._flush()
        if goodbye:
            self.close(goodbye)

    def missed(self) -> None:
        """Make the client subscribe anew, see :meth:`Session.missed`.

        What the server subscribed it to it cannot ask for: that ends and begins again in the same frame.
        """
        own = list(self.channels)
        for channel in own:
            self._leave(channel)
        ended = [self._push(channel, "unsubscribe", INSUFFICIENT) for channel in own]
        self.tell(ended + self._again(BROADCAST))

    # From a command to its answer.

    def _carry_out_all(self, commands: Iterable[Command]) -> None:
        for number, request in commands:
            if BROADCAST not in self._reading:
                self._carry_out(number, request)
            elif self._answers.full:
                raise _GoodbyeError(BAD_REQUEST)
            else:
                self._early.append((number, request))

    def _carry_out(self, number: int, request: Request | Error) -> None:
        if isinstance(request, Connect) == bool(self.client):
            raise _GoodbyeError(BAD_REQUEST)
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

    def _result(self, number: int, request: Request | Error, older: Older | None) -> Fields | None:
        """Do what is asked.

        Args:
            older: What was read back for it, once that is done.

        Returns:
            The answer, or ``None`` when it will come later.

        Raises:
            RefusedError: The answer is an error.
            _GoodbyeError: There is no answer, the connection ends.
        """
        if self._answers.full:
            raise RefusedError(TOO_MANY_REQUESTS)
        match request:
            case Error():
                raise RefusedError(request)
            case Connect():
                return self._connect(number, request, older)
            case Subscribe():
                return self._subscribe(number, request, older)
            case Unsubscribe():
                return self._unsubscribe(request)
            case Publish():
                self._publish(number, request)
                return None
            case Presence():
                return presence.listing(self._members(request.channel))
            case PresenceStats():
                return presence.statistics(self._members(request.channel))
            case History():
                return self._history(request)
            case Refresh():
                return self._refresh(request)
            case SubRefresh():
                return self._sub_refresh(request)
            case _:
                assert isinstance(request, Ping)
                return {}

    def _flush(self) -> None:
        """Send the answers; when the socket has taken all, the client may be served."""
        answers = self._answers.take()
        if answers and self.tell(answers):
            self._answers.make_room()
            if self.waiting and self.client:
                self.hub.drained(self)

    # The commands.

    def _connect(self, number: int, request: Connect, older: Older | None) -> Fields | None:
        identity = self._identify(request.token)
        wishes = {BROADCAST: request.subs.get(self.desk.rules.broadcast, Subscribe())}
        late = partial(self._answer_late, number, request)
        if older is None and self._read_back(BROADCAST, wishes, late):
            return None
        result = self._enter(identity, wishes, older or NOTHING)
        self._announce(BROADCAST, "join")
        return {**result, "pong": True}

    def _subscribe(self, number: int, request: Subscribe, older: Older | None) -> Fields | None:
        channel = self.desk.rules.channel(request.channel)
        if channel in self.subscribed or channel in self._reading:
            raise RefusedError(ALREADY_SUBSCRIBED)
        if len(self.channels) + len(self._reading) >= self.desk.rules.subscriptions:
            raise RefusedError(LIMIT_EXCEEDED)
        expires_at = self._permit(channel, request.token)
        self._keep_up(request)
        late = partial(self._answer_late, number, request)
        if older is None and self._read_back(channel, {channel: request}, late):
            return None
        standing = self._standing(channel, request, older or NOTHING)
        if request.recover and request.all_or_error and "recovered" not in standing:
            raise RefusedError(UNRECOVERABLE)
        self.hub.subscribe(self, channel)
        self._announce(channel, "join")
        return {**standing, **self._lease(channel, expires_at)}

    def _unsubscribe(self, request: Unsubscribe) -> Fields:
        channel = self.desk.rules.channel(request.channel)
        if channel == BROADCAST:
            raise RefusedError(PERMISSION_DENIED)
        if channel in self._reading:
            self._reading[channel].cancel()  # which has the subscription answered, before this
        if channel in self.channels:
            self._leave(channel)
            self._announce(channel, "leave")
        return {}

    def _publish(self, number: int, request: Publish) -> None:
        if not self.desk.rules.publish:
            raise RefusedError(NOT_AVAILABLE)
        channel = self._chosen(request.channel)
        if self._unconfirmed >= _UNCONFIRMED:
            raise RefusedError(TOO_MANY_REQUESTS)
        self._unconfirmed += 1
        body = orjson.dumps(request.data)
        published = self.desk.publish(Publication(body, (channel,), content_type="application/json"))
        answer = published.addCallbacks(
            lambda _: replies.reply(number, request.method, {}),
            lambda failure: replies.error(number, _publish_error(failure)),
        )
        answer.addCallback(self._confirmed)
        answer.addErrback(lambda failure: _log.failure("answering a publication failed", failure=failure))

    def _history(self, request: History) -> Fields:
        messages = self.desk.backlog.page(self._own(request.channel), request)
        return {**replies.position(self.hub.position), "publications": replies.publications(messages)}

    def _refresh(self, request: Refresh) -> Fields:
        identity = self._identify(request.token)
        if identity.user != self.identity.user:
            raise _GoodbyeError(INVALID_TOKEN)
        self.identity = identity
        return {**self._greeting(), **self._lease(BROADCAST, identity.expires_at)}

    def _sub_refresh(self, request: SubRefresh) -> Fields:
        channel = self._chosen(request.channel)
        return self._lease(channel, self._token_end(channel, request.token))

    # What they rest on.

    def _identify(self, token: str) -> Identity:
        """Tell whom ``token`` names; an invalid one ends the connection, an expired one is refused."""
        try:
            return self.desk.auth.connection(token)
        except ExpiredTokenError as error:
            raise RefusedError(TOKEN_EXPIRED) from error
        except InvalidTokenError as error:
            raise _GoodbyeError(INVALID_TOKEN) from error

    def _own(self, name: str) -> str:
        """Give a channel that this client is subscribed to, or refuse."""
        channel = self.desk.rules.channel(name)
        if channel not in self.subscribed:
            raise RefusedError(PERMISSION_DENIED)
        return channel

    def _chosen(self, name: str) -> str:
        """Give a channel that this client itself subscribed to, or refuse."""
        channel = self._own(name)
        if channel == BROADCAST:
            raise RefusedError(PERMISSION_DENIED)
        return channel

    def _members(self, name: str) -> list[Client]:
        if not self.desk.rules.presence:
            raise RefusedError(NOT_AVAILABLE)
        members = presence.audience(self.hub, self._own(name), Client)
        self._answers.charge(len(members))
        return members

    def _announce(self, channel: str, kind: str) -> int:
        told = super()._announce(channel, kind)
        self._answers.charge(told)
        return told

    def _confirmed(self, answer: bytes) -> None:
        self._unconfirmed -= 1
        if self in self.hub.connections:
            self._answers.add(answer)
            if not self._busy:
                self._flush()


def _publish_error(failure: Failure) -> Error:
    error = failure.value
    if isinstance(error, PublishError):
        return replace(INTERNAL, message=error.reason, temporary=error.temporary)
    _log.failure("publishing for a client failed", failure=failure)
    return INTERNAL
