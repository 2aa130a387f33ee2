"""What both forms of a client of this protocol have in common: being let in, subscribed, and told."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from pushd import __version__
from pushd.client.auth import ANYBODY, ExpiredTokenError, Identity, InvalidTokenError
from pushd.client.centrifugo import presence, replies
from pushd.client.centrifugo.commands import Subscribe
from pushd.client.centrifugo.desk import Desk
from pushd.client.centrifugo.dialect import Dialect
from pushd.client.centrifugo.drafts import Draft
from pushd.client.centrifugo.errors import BEHIND, PERMISSION_DENIED, TOKEN_EXPIRED, RefusedError
from pushd.client.centrifugo.leases import Leases
from pushd.client.centrifugo.replies import Fields
from pushd.client.lead import is_ahead
from pushd.client.session import Session
from pushd.disconnect import EXPIRED, INTERNAL_ERROR, Disconnect
from pushd.interfaces import Encoding
from pushd.message import BROADCAST, Position
from pushd.older import NOTHING, Older
from pushd.resume import UnreadError

if TYPE_CHECKING:
    from pushd.client.centrifugo.announcements import Announcement

__all__ = ["GRACE", "INSUFFICIENT", "LAPSED", "REVOKED", "Client", "Unsubscribed"]

_log = Logger()

GRACE = 25.0
"""Seconds that a client has past the end of its token: it asks its application for the next one only then."""

Unsubscribed = Mapping[str, Any]

INSUFFICIENT: Unsubscribed = {"code": 2500, "reason": "insufficient state"}
"""Messages may be missing: the client subscribes anew, and tries to recover."""

LAPSED: Unsubscribed = {"code": 2501, "reason": "expired"}
"""The subscription's token was not refreshed in time: the client subscribes anew, with another one."""

REVOKED: Unsubscribed = {"code": 2000, "reason": "permission denied"}
"""The connection's newer token does not grant the channel: a code below 2500, so the client stays away."""


class Client(Session):
    """A session of this protocol.

    Args:
        desk: What it shares with all others.
        encoding: How messages become bytes for it.

    Attributes:
        client: Its name towards itself and others; ``""`` before it was let in.
        identity: Whom it belongs to.
    """

    __slots__ = ("_drafts", "_leases", "_reading", "client", "desk", "identity")

    protocol: ClassVar[str] = "centrifugo"
    dialect: ClassVar[Dialect]

    def __init__(self, desk: Desk, encoding: Encoding) -> None:
        super().__init__(desk.hub, encoding)
        self.desk = desk
        self.client = ""
        self.identity = ANYBODY
        self._leases = Leases()
        # Answers that are being written, and all that has to leave after them. Until they have left, the hub
        # holds the messages for this client.
        self._drafts: deque[Draft | bytes] = deque()
        # What is being read back, by the channel that waits for it; "connect" waits as broadcasts.
        self._reading: dict[str, Deferred[None]] = {}

    @property
    def info(self) -> Fields:
        """What others are told about it."""
        return {"user": self.identity.user, "client": self.client}

    @property
    def subscribed(self) -> list[str]:
        """Its channels, with the one for broadcasts."""
        return [BROADCAST, *self.channels]

    @property
    def silent(self) -> bool:
        """Whether it has still to ask for something, see :meth:`Session.silent`."""
        return super().silent and not self._reading

    # What happens to it.

    def ping(self) -> None:
        """Ask for a sign of life, and give one; while its socket is full there are enough on their way."""
        if self.client and not self.waiting:
            self.tell([replies.PING])

    def close_code(self, disconnect: Disconnect) -> int:
        """Give Centrifugo's code, which tells its clients whether to come back."""
        return disconnect.centrifugo

    def expired(self) -> None:
        """Act on tokens whose time is over: end those subscriptions, or all of it."""
        for channel in self._leases.take_ended(self.desk.clock.seconds()):
            if channel == BROADCAST:
                self.close(EXPIRED)
                return
            self._leave(channel)
            self.announce(channel, "unsubscribe", LAPSED)
            self._announce(channel, "leave")
        self.expires_at = self._leases.first

    def drained(self) -> None:
        """Go on with messages, unless answers have to leave first, see :meth:`Session.drained`."""
        if not self._drafts:
            super().drained()

    def close(self, disconnect: Disconnect) -> None:
        """Finish no more answers, see :meth:`Session.close`."""
        self._drafts.clear()
        super().close(disconnect)

    def lost(self) -> None:
        """Leave, see :meth:`Session.lost`."""
        channels = self.subscribed
        self._drafts.clear()
        super().lost()
        reading, self._reading = self._reading, {}
        for each in reading.values():
            each.cancel()
        if self.client:
            for channel in channels:
                self._announce(channel, "leave")

    def announce(self, channel: str, kind: str, content: Fields) -> None:
        """Tell it what happened on ``channel``."""
        self.tell([self._push(channel, kind, content)])

    def tell(self, objects: Sequence[bytes]) -> bool:
        """Send JSON objects, after the answers that are being written.

        Returns:
            True if the socket took them all.
        """
        if self._drafts:
            self._drafts.extend(objects)
            return False
        return self._send(objects)

    def hear(self, announcement: Announcement) -> None:
        """Tell a client that does not wait who came or left."""
        self.write(announcement.frame(self.dialect))

    def others(self, channel: str) -> list[Client]:
        """Return the other clients of this protocol on ``channel``; none if they are too many to be told."""
        try:
            audience = presence.audience(self.hub, channel, Client)
        except RefusedError:
            return []
        return [client for client in audience if client is not self]

    def _send(self, objects: Sequence[bytes]) -> bool:
        return self.write(self.dialect.frame(objects))

    def _advance(self, end: int) -> list[bytes]:
        """Go on writing answers until the workload has done ``end`` units.

        Returns:
            What is finished, in order.
        """
        drafts, finished = self._drafts, list[bytes]()
        while drafts:
            draft = drafts[0]
            if isinstance(draft, Draft):
                if not draft.advance(self.desk.work, end):
                    break
                finished.append(draft.finished())
            else:
                finished.append(draft)
            drafts.popleft()
        return finished

    # Being let in.

    def _enter(self, identity: Identity, wishes: Mapping[str, Subscribe], older: Older) -> Fields:
        """Join the hub, and give the answer that says so.

        Args:
            identity: Whom it belongs to.
            wishes: What it wants of each channel that the server subscribes it to, broadcasts included.
            older: What was read back for it.

        Raises:
            RefusedError: It is ahead of this instance, and has not joined.
        """
        for wish in wishes.values():
            self._keep_up(wish)
        self.identity = identity
        self.client = self.desk.new_client()
        self.hub.join(self, wishes.keys() - {BROADCAST})
        room, subs = self.desk.rules.recovery_bytes, dict[str, Fields]()
        for channel, wish in wishes.items():
            subs[self._name(channel)] = standing = self._standing(channel, wish, older, room)
            room -= standing["publications"].size if "publications" in standing else 0
        return {
            **self._greeting(),
            **self._lease(BROADCAST, identity.expires_at),
            "subs": subs,
            "ping": max(1, round(self.desk.rules.ping_interval)),
        }

    def _greeting(self) -> Fields:
        return {"client": self.client, "version": f"pushd {__version__}"}

    def _lease(self, channel: str, expires_at: float) -> Fields:
        """Hold ``channel`` until ``expires_at`` and a little longer; give the fields that say so."""
        left = expires_at - self.desk.now()
        self._leases.grant(channel, self.desk.clock.seconds() + left + GRACE if left < inf else inf)
        self.expires_at = self._leases.first
        return {"expires": True, "ttl": max(1, int(left))} if left < inf else {}

    # Subscriptions.

    def _permit(self, channel: str, token: str) -> float:
        """Tell until when this client may have ``channel``, in seconds since the Unix epoch.

        Raises:
            RefusedError: It may not.
        """
        if token:
            return self._token_end(channel, token)
        if not self.identity.may_use(channel):
            raise RefusedError(PERMISSION_DENIED)
        return inf

    def _not_granted(self) -> list[str]:
        """Give the channels that neither the connection's token grants nor a token of their own."""
        may_use, leases = self.identity.may_use, self._leases
        return [channel for channel in self.channels if not may_use(channel) and channel not in leases]

    def _token_end(self, channel: str, token: str) -> float:
        try:
            return self.desk.auth.subscription(token, channel, self.identity.user)
        except ExpiredTokenError as error:
            raise RefusedError(TOKEN_EXPIRED) from error
        except InvalidTokenError as error:
            raise RefusedError(PERMISSION_DENIED) from error

    def _keep_up(self, wish: Subscribe) -> None:
        """Refuse, for now, to recover from where this instance, or a lagging connection, has not come yet."""
        here = Position(self.hub.position.epoch, self._level())
        lags = self.waiting and bool(self.client)
        if wish.recover and is_ahead(wish.position, here, abreast=self.hub.abreast and not lags):
            raise RefusedError(BEHIND)

    def _read_back(
        self, channel: str, wishes: Mapping[str, Subscribe], resume: Callable[[Older], None]
    ) -> bool:
        """Have read back what ``wishes`` recover and memory does not hold, if there is any.

        Args:
            channel: Waits for it.
            wishes: By channel.
            resume: Called once that is done, in a later turn, with :data:`NOTHING` if it was in vain; never
                after the client is lost.

        Returns:
            Whether it will be called.
        """
        # All of them, or memory might forget meanwhile what it holds now of the others.
        asked = {n: w.position for n, w in wishes.items() if w.recover and self.hub.knows(w.position)}
        if not any(self.desk.backlog.goes_further(name, position) for name, position in asked.items()):
            return False
        first = min(asked.values(), key=lambda position: position.offset)

        def read(older: Older) -> None:
            if self._reading.pop(channel, None) is not None:
                resume(older)

        reading = self.hub.fetch(first, frozenset(asked), self).addErrback(_nothing).addCallback(read)
        self._reading[channel] = reading.addErrback(self._failed)
        return True

    def _failed(self, failure: Failure) -> None:
        _log.failure("a client could not go on where it was", failure=failure)
        self.close(INTERNAL_ERROR)

    def _standing(
        self, channel: str, wish: Subscribe, older: Older = NOTHING, room: int | None = None
    ) -> dict[str, Any]:
        """Tell where a subscription stands, with what was missed up to there if that is asked for.

        Args:
            older: What was read back for it.
            room: Most bytes that it may be given, see :meth:`Backlog.recover`.
        """
        epoch, level = self.hub.position.epoch, self._level()
        standing = {"recoverable": True, "positioned": True, **replies.position(Position(epoch, level))}
        if not wish.recover:
            return standing
        backlog = self.desk.backlog
        source = "stream" if backlog.goes_further(channel, wish.position) else "memory"
        missed = backlog.recover(channel, wish.position, level, older, room)
        self.desk.stats.resumes["lost" if missed is None else source] += 1
        standing["was_recovering"] = True
        if missed is not None:
            standing["recovered"] = True
        if missed:
            # The client moves on from there with each publication that its application has taken.
            standing.update(offset=wish.offset, publications=replies.publications(missed))
        return standing

    def _level(self) -> int:
        """Up to where this connection has been served: the rest is still to come as it comes to everybody."""
        return (self.hub.reached(self) or self.hub.position).offset

    def _leave(self, channel: str) -> None:
        self.hub.unsubscribe(self, channel)
        self._leases.drop(channel)

    # Telling.

    def _name(self, channel: str) -> str:
        return self.desk.rules.name(channel)

    def _push(self, channel: str, kind: str, content: Fields) -> bytes:
        return self.dialect.push(self._name(channel), kind, content)

    def _again(self, channel: str) -> list[bytes]:
        """Say that the server's subscription to ``channel`` ended, and begins again here."""
        standing = {**self._standing(channel, Subscribe()), "was_recovering": True}
        return [self._push(channel, "unsubscribe", INSUFFICIENT), self._push(channel, "subscribe", standing)]

    def _announce(self, channel: str, kind: str) -> int:
        """Have others on ``channel`` told that this client came or went, see :meth:`Announcements.add`."""
        return self.desk.announcements.add(channel, kind, self)


def _nothing(failure: Failure) -> Older:
    failure.trap(UnreadError, CancelledError)
    return NOTHING
