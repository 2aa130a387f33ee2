"""The control port's commands: one line in; a reply, a publication, a search or the start of a body out.

Nothing here waits or writes. A reply never quotes the line it answers, except for a channel's
name that passed the rule of :mod:`pushd.channel`. The first line of a session decides whether a
person or a browser tricked into speaking to this port is there: everything that is no command ends it.
So does a command that could be a browser's request line.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable

from twisted.internet.interfaces import IReactorTime

from pushd import channel as channel_name
from pushd.control.body import Body, publish
from pushd.control.http import is_header, is_request
from pushd.control.replies import HANG_UP, Publish, Reply
from pushd.control.search import Search, least
from pushd.disconnect import KICKED
from pushd.interfaces import Connection, Roster
from pushd.status import Status, duration

__all__ = ["Commands", "Outcome"]

Outcome = Reply | Publish | Search | Body

_ENDS_LIKE_HTTP = (
    "not done: the line ends like a request of HTTP; give a text that ends so in lines of its own"
)

_PAGE = 100
"""Lines of a list that are given at once."""

_SHOWN = 5
"""Channels shown of one client."""

_HELP = (
    ("help", "this list"),
    ("status", "how this instance is doing"),
    ("clients [AFTER]", f"{_PAGE} clients of this instance, those with a number above AFTER"),
    ("channels", f"the {_PAGE} channels with most clients on this instance"),
    ("broadcast [TEXT]", "send to every client of every instance"),
    ("send CHANNEL [TEXT]", "send to a channel's clients on every instance"),
    ("kick CLIENT", "end the connection of the client with this number, for good"),
    ("quit", "end this session"),
)


class Commands:
    """What can be asked of this instance, for all sessions.

    Args:
        instance: The instance's name.
        status: Takes a snapshot of the instance.
        roster: The hub: who is connected.
        clock: Tells the ages of connections.
        message_size: The most bytes of a text.
        channel_length: The most bytes of a channel's name.
    """

    def __init__(
        self,
        *,
        instance: str,
        status: Callable[[], Status],
        roster: Roster,
        clock: IReactorTime,
        message_size: int,
        channel_length: int,
    ) -> None:
        self._status = status
        self._roster = roster
        self._clock = clock
        self._message_size = message_size
        self._channel_length = channel_length
        self.greeting = Reply(220, (f'pushd instance {instance}; "help" lists the commands',))
        self._handlers: dict[str, Callable[[str], Outcome]] = {
            "help": _bare(self._help),
            "status": _bare(lambda: Reply(250, self._status().lines())),
            "clients": self._clients,
            "channels": _bare(self._channels),
            "broadcast": lambda text: self._text(text, ()),
            "send": self._send,
            "kick": self._kick,
            "quit": _bare(lambda: Reply(221, ("bye",), closes=True)),
        }

    def run(self, line: bytes, *, first: bool) -> Outcome:
        """Do what a line says.

        Args:
            line: The line without its end.
            first: Whether it is the session's first.
        """
        # Before anything else: what HTTP says need not be UTF-8.
        if is_header(line):
            return HANG_UP
        if is_request(line):
            return self._request(line, first=first)
        try:
            text = line.decode()
        except UnicodeDecodeError:
            return Reply(501, ("the line is not UTF-8",), closes=first)
        name, _, rest = text.partition(" ")
        handler = self._handlers.get(name.lower())
        if handler is not None:
            return handler(rest)
        if first:
            return Reply(500, ("the first line must be a command",), closes=True)
        return self._unknown(name)

    def _request(self, line: bytes, *, first: bool) -> Reply:
        """Refuse a line that may be a request line; a person who typed a command is told why."""
        name = line.partition(b" ")[0].lower().decode(errors="replace")
        return Reply(501, (_ENDS_LIKE_HTTP,), closes=first) if name in self._handlers else HANG_UP

    def _unknown(self, name: str) -> Reply:
        near = difflib.get_close_matches(name[:20].lower(), self._handlers, n=1)
        hint = f'did you mean "{near[0]}"?' if near else '"help" lists the commands'
        return Reply(500, (f"unknown command; {hint}",))

    def _help(self) -> Reply:
        lines = (f"{usage:<20} {meaning}" for usage, meaning in _HELP)
        return Reply(
            250, (*lines, "without TEXT, it follows in lines of its own up to one that is just a dot")
        )

    def _send(self, rest: str) -> Outcome:
        name, _, text = rest.lstrip(" ").partition(" ")
        fault = channel_name.fault(name, self._channel_length)
        return Reply(501, (fault,)) if fault else self._text(text, (name,))

    def _text(self, text: str, channels: tuple[str, ...]) -> Outcome:
        """Publish a text that stands on the line; without one it follows."""
        if not text.strip():
            return Body(channels, self._message_size)
        return publish(text.encode(), channels, self._message_size)

    def _kick(self, rest: str) -> Outcome:
        number = _number(rest)
        if number is None:
            return Reply(501, ('usage: kick CLIENT, a number that "clients" shows',))
        return self._kick_one(number)

    def _kick_one(self, number: int) -> Search:
        everyone = self._roster.connections
        found = yield from least(everyone, 1, _by_number, lambda client: client.number == number)
        if not found or found[0] not in self._roster.connections:
            return Reply(550, ("no client has this number",))
        found[0].close(KICKED)
        return Reply(250, (f"client {number} disconnected",))

    def _clients(self, rest: str) -> Outcome:
        after = _number(rest) if rest.strip() else -1
        if after is None:
            return Reply(501, ('usage: clients [AFTER], a number that "clients" shows',))
        return self._page(after)

    def _page(self, after: int) -> Search:
        everyone = self._roster.connections
        shown = yield from least(everyone, _PAGE, _by_number, lambda client: client.number > after)
        more = f'; "clients {shown[-1].number}" goes on' if len(shown) == _PAGE else ""
        return Reply(250, (*map(self._client, shown), f"{len(everyone)} clients{more}"))

    def _client(self, client: Connection) -> str:
        """Describe one client. Only who waits for its socket can be behind: all others are at the head."""
        # A log that has begun anew may not have come as far as somebody who is not told yet.
        behind = max(0, self._roster.position.offset - client.cursor) if client.waiting else 0
        age = duration(self._clock.seconds() - client.opened_at)
        who = f"{client.number} {client.protocol} {client.peer!a}"
        return f"{who} {_some(client.channels)} up {age} behind {behind}"

    def _channels(self) -> Search:
        channels = self._roster.channels

        def largest_first(name: str) -> tuple[int, str]:
            return -len(channels.get(name, ())), name

        shown = yield from least(channels, _PAGE, largest_first, channels.__contains__)
        lines = (f"{name!r} {-largest_first(name)[0]}" for name in shown)
        note = f", the {_PAGE} with most clients shown" if len(channels) > _PAGE else ""
        return Reply(250, (*lines, f"{len(channels)} channels{note}"))


def _by_number(client: Connection) -> int:
    return client.number


def _bare(command: Callable[[], Outcome]) -> Callable[[str], Outcome]:
    """Make a handler of a command that takes nothing."""

    def handler(rest: str) -> Outcome:
        return Reply(501, ("this command takes nothing more",)) if rest.strip() else command()

    return handler


def _number(text: str) -> int | None:
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None


def _some(channels: Iterable[str]) -> str:
    """Show a client's channels, sorted and escaped; a few stand for many."""
    names = sorted(channels)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"[{', '.join(map(repr, names[:_SHOWN]))}]{more}"
