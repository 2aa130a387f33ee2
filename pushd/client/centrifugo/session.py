"""The bidirectional session: what each command does, and what is pushed, over a WebSocket."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from twisted.logger import Logger
from twisted.python.failure import Failure

from pushd.client.auth import ExpiredTokenError, Identity, InvalidTokenError
from pushd.client.centrifugo import presence, replies
from pushd.client.centrifugo.client import INSUFFICIENT, REVOKED, Client
from pushd.client.centrifugo.commands import (
    Connect,
    History,
    Ping,
    Presence,
    PresenceStats,
    Publish,
    Refresh,
    Request,
    SubRefresh,
    Subscribe,
    Unsubscribe,
)
from pushd.client.centrifugo.conversation import Conversation, GoodbyeError
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
from pushd.disconnect import EXPIRED, INVALID_TOKEN
from pushd.interfaces import Encoding, PublishError
from pushd.message import BROADCAST, Publication
from pushd.older import NOTHING, Older

__all__ = ["CentrifugoSession"]

_log = Logger()

_MEMBERS = 8
"""Members of a channel that are looked at for a unit of work."""

_UNCONFIRMED = 64
"""Most publications of one client that the broker has not confirmed yet."""


class CentrifugoSession(Conversation):
    """One client of ``/connection/websocket``."""

    __slots__ = ("_unconfirmed",)

    dialect = BIDIRECTIONAL

    def __init__(self, desk: Desk, encoding: Encoding) -> None:
        super().__init__(desk, encoding)
        self._unconfirmed = 0

    def missed(self) -> None:
        """Make the client subscribe anew, see :meth:`Session.missed`.

        What the server subscribed it to it cannot ask for: that ends and begins again in the same frame.
        """
        own = list(self.channels)
        for channel in own:
            self._leave(channel)
        ended = [self._push(channel, "unsubscribe", INSUFFICIENT) for channel in own]
        self.tell(ended + self._again(BROADCAST))

    # The commands.

    def _result(self, number: int, request: Request | Error, older: Older | None) -> Fields | None:
        """Do what is asked, see :meth:`Conversation._result`."""
        if self._full:
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
        publication = Publication(request.body, (channel,), content_type="application/json")
        published = self.desk.publish(publication)
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
        try:
            identity = self._identify(request.token)
        except RefusedError as refusal:
            # To error 109 stock clients listen on "connect" alone; here it would end them for good.
            raise GoodbyeError(EXPIRED) from refusal
        if identity.user != self.identity.user:
            raise GoodbyeError(INVALID_TOKEN)
        self.identity = identity
        self._revoke()
        return {**self._greeting(), **self._lease(BROADCAST, identity.expires_at)}

    def _revoke(self) -> None:
        """End the subscriptions that the connection's newer token no longer grants.

        The pushes stand among the answers of the frame: before them may be the answer to a subscribe. A
        subscription whose messages are still read back is refused once they are, because it is judged again.
        """
        for channel in self._not_granted():
            self._leave(channel)
            self._answers.add(self._push(channel, "unsubscribe", REVOKED))
            self._announce(channel, "leave")

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
            raise GoodbyeError(INVALID_TOKEN) from error

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
        self.desk.work.charge(len(members) // _MEMBERS)
        return members

    def _announce(self, channel: str, kind: str) -> int:
        told = super()._announce(channel, kind)
        self._answers.charge(told)
        return told

    def _confirmed(self, answer: bytes) -> None:
        self._unconfirmed -= 1
        self._say(answer)


def _publish_error(failure: Failure) -> Error:
    error = failure.value
    if isinstance(error, PublishError):
        return replace(INTERNAL, message=error.reason, temporary=error.temporary)
    _log.failure("publishing for a client failed", failure=failure)
    return INTERNAL
