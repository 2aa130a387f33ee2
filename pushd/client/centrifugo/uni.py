"""The unidirectional session: one request in, then pushes out, over a WebSocket or server-sent events.

The request names the channels; all of them are subscribed by the server, so that a session that may
have missed something is told and goes on: the client could not ask.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from twisted.python.failure import Failure

from pushd.client.auth import ExpiredTokenError, Identity, InvalidTokenError
from pushd.client.centrifugo import replies
from pushd.client.centrifugo.announcements import Announcement
from pushd.client.centrifugo.client import Client
from pushd.client.centrifugo.commands import Connect, NotACommandError, Subscribe, parse_connect
from pushd.client.centrifugo.desk import Desk
from pushd.client.centrifugo.dialect import UNI_SSE, UNI_WEBSOCKET
from pushd.client.centrifugo.drafts import Draft
from pushd.client.centrifugo.errors import LIMIT_EXCEEDED, PERMISSION_DENIED, RefusedError
from pushd.client.centrifugo.workload import SLICE
from pushd.disconnect import BAD_REQUEST, BEHIND, EXPIRED, INVALID_TOKEN, NOT_ALLOWED, Disconnect
from pushd.interfaces import Encoding, Wire
from pushd.message import BROADCAST, Position
from pushd.older import NOTHING, Older

__all__ = ["Ticket", "UniSession", "UniSseSession", "admit", "resumed"]


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a client was let in for.

    Attributes:
        identity: Whom it belongs to.
        wishes: What it wants of each channel, broadcasts included.
    """

    identity: Identity
    wishes: Mapping[str, Subscribe]


def admit(desk: Desk, request: Connect) -> Ticket:
    """Judge a request.

    Raises:
        InvalidTokenError: The token is not acceptable, or (:class:`ExpiredTokenError`) not any longer.
        RefusedError: It may not have a channel, or not so many, or a name is no channel.
    """
    identity = desk.auth.connection(request.token)
    wishes = {BROADCAST: Subscribe()}
    for name, wish in request.subs.items():
        channel = desk.rules.channel(name)
        if channel != BROADCAST and not identity.may_use(channel):
            raise RefusedError(PERMISSION_DENIED)
        wishes[channel] = wish
    if len(wishes) - 1 > desk.rules.subscriptions:
        raise RefusedError(LIMIT_EXCEEDED)
    return Ticket(identity, wishes)


def resumed(ticket: Ticket, position: Position) -> Ticket:
    """Make every subscription recover from one position: what ``Last-Event-ID`` asks for."""
    wish = Subscribe(recover=True, epoch=position.epoch, offset=position.offset)
    return Ticket(ticket.identity, dict.fromkeys(ticket.wishes, wish))


class UniSession(Client):
    """One client of ``/connection/uni_websocket``.

    Args:
        ticket: What it was let in for by its URL, or ``None``: then its first frame asks.
    """

    __slots__ = ("_ticket",)

    dialect = UNI_WEBSOCKET

    def __init__(self, desk: Desk, encoding: Encoding, ticket: Ticket | None = None) -> None:
        super().__init__(desk, encoding)
        self._ticket = ticket

    def opened(self, wire: Wire) -> None:
        """Begin at once if it is known what with, see :meth:`Session.opened`."""
        super().opened(wire)
        if self._ticket:
            self._begin(self._ticket)

    def received(self, payload: bytes, *, binary: bool) -> None:  # noqa: ARG002  # JSON either way
        """Take the request; after it a client has nothing to say but pongs."""
        try:
            request = parse_connect(payload)
        except NotACommandError:
            self.close(BAD_REQUEST)
        else:
            if not self.client and not self._reading:
                self._ask(request)
            elif payload.strip() != replies.PING:
                self.close(BAD_REQUEST)

    def ping(self) -> None:
        """Ask for a sign of life on the wire, too: a client of this form answers no ping of the protocol."""
        super().ping()
        self.wire.ping()

    def missed(self) -> None:
        """Say that every subscription ended and began again, see :meth:`Session.missed`."""
        pushes: list[bytes] = []
        for channel in self.subscribed:
            pushes += self._again(channel)
        self.tell(pushes)

    def _ask(self, request: Connect) -> None:
        try:
            ticket = admit(self.desk, request)
        except InvalidTokenError as error:
            self.close(EXPIRED if isinstance(error, ExpiredTokenError) else INVALID_TOKEN)
        except RefusedError as refusal:
            self.close(NOT_ALLOWED if refusal.error is PERMISSION_DENIED else BAD_REQUEST)
        else:
            self._begin(ticket)

    def _begin(self, ticket: Ticket) -> None:
        """Enter, once what it missed has been read back."""
        self._ticket = None
        if not self._read_back(BROADCAST, ticket.wishes, partial(self._let_in, ticket)):
            self._let_in(ticket, NOTHING)

    def _let_in(self, ticket: Ticket, older: Older) -> None:
        try:
            result = self._enter(ticket.identity, ticket.wishes, older)
        except RefusedError:
            self.close(BEHIND)
            return
        for channel in self.subscribed:
            self._announce(channel, "join")
        self._drafts.append(Draft({"connect": result}, replies.dumps))
        self._write(SLICE)
        if self._drafts:
            self.desk.work.add(self._slices())

    def _slices(self) -> Iterator[None]:
        """Go on with a long answer, as long as the client is there."""
        try:
            while self._drafts:
                self._write(SLICE)
                yield
        except Exception:  # noqa: BLE001  # whatever it is, it ends this client only
            self._failed(Failure())

    def _write(self, units: int) -> None:
        """Go on with the answer; once all of it has left, the client is served."""
        objects = self._advance(self.desk.work.done + units)
        if objects and self._send(objects):
            self.drained()


class UniSseSession(UniSession):
    """One client of ``/connection/uni_sse``.

    What the protocol itself lacks is added so that ``EventSource`` resumes by itself: each event carries the
    position as its ``id``. A push says why the stream ends, where there is no close code.

    Args:
        ticket: What it was let in for.
        retry: After how many milliseconds it should come back, see :func:`pushd.client.sse.retry_after`.
    """

    __slots__ = ("_retry",)

    dialect = UNI_SSE

    def __init__(self, desk: Desk, encoding: Encoding, ticket: Ticket, retry: int) -> None:
        super().__init__(desk, encoding, ticket)
        self._retry = retry

    def opened(self, wire: Wire) -> None:
        """Say when to come back, then begin, see :meth:`Session.opened`."""
        wire.write(b"retry: %d\n" % self._retry)
        super().opened(wire)

    def hear(self, announcement: Announcement) -> None:
        """Tell who came or left, see :meth:`Client.hear`: each client has a position of its own."""
        self.tell([announcement.push(self.dialect)])

    def _send(self, objects: Sequence[bytes]) -> bool:
        """Send events that carry the position, if there is one to go on from.

        Before the first answer there is none: what a client recovers by that has not been given to it yet.
        """
        reached = None if self._drafts else self.hub.reached(self)
        place = b"id: %b\n" % str(reached).encode() if reached else b""
        return self.write(place + self.dialect.frame(objects))

    def close(self, disconnect: Disconnect) -> None:
        """Say why, then end, see :meth:`Session.close`."""
        self._send([replies.disconnect_push(disconnect)])
        super().close(disconnect)
