"""Who came to a channel and who left it, told to the clients on it bit by bit.

The connections on a channel may be many, and a client that leaves may have been on many channels. So an
announcement is queued and told in later turns, with the same bytes for all. A client that comes and goes
before that is not announced at all: the queue holds at most one announcement for each client and channel.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from twisted.logger import Logger

from pushd.client.centrifugo import presence
from pushd.client.centrifugo.dialect import Dialect
from pushd.client.centrifugo.replies import Fields
from pushd.client.centrifugo.rules import Rules
from pushd.client.centrifugo.workload import SLICE, TELL, Workload
from pushd.disconnect import INTERNAL_ERROR
from pushd.interfaces import Roster
from pushd.message import BROADCAST

if TYPE_CHECKING:
    from pushd.client.centrifugo.client import Client

__all__ = ["Announcement", "Announcements"]

_log = Logger()


class Announcement:
    """One announcement; its bytes are made once for each form of the protocol.

    Args:
        channel: Its name towards clients.
        kind: ``join`` or ``leave``.
        info: The client that came or left.
    """

    __slots__ = ("_channel", "_frames", "_info", "kind")

    def __init__(self, channel: str, kind: str, info: Fields) -> None:
        self._channel = channel
        self.kind = kind
        self._info = info
        self._frames: dict[Dialect, bytes] = {}

    def push(self, dialect: Dialect) -> bytes:
        """Return the JSON object."""
        return dialect.push(self._channel, self.kind, {"info": self._info})

    def frame(self, dialect: Dialect) -> bytes:
        """Return what the transport carries."""
        frame = self._frames.get(dialect)
        if frame is None:
            frame = self._frames[dialect] = dialect.frame([self.push(dialect)])
        return frame


class Announcements:
    """The announcements that have not been told yet.

    Args:
        roster: Knows who is on a channel.
        rules: Say how clients call a channel, and whether anything is announced.
        work: Counts, and runs what takes long.
    """

    def __init__(self, roster: Roster, rules: Rules, work: Workload) -> None:
        self._roster = roster
        self._rules = rules
        self._work = work
        # By channel and client, in the order in which they are told.
        self._waiting: OrderedDict[tuple[str, Client], Announcement] = OrderedDict()
        self._running = False

    def add(self, channel: str, kind: str, client: Client) -> int:
        """Have the others on ``channel`` told in a later turn that ``client`` came or left.

        Returns:
            Number of connections that are looked at for it; 0 if they are too many, or nothing is announced.
        """
        size = presence.size(self._roster, channel)
        if not self._rules.join_leave or size > presence.MOST:
            return 0
        waiting = self._waiting.pop((channel, client), None)
        if waiting is None or waiting.kind == kind:
            self._waiting[channel, client] = Announcement(self._rules.name(channel), kind, client.info)
        if not self._running:
            self._running = True
            self._work.add(self._run())
        return size

    def _run(self) -> Iterator[None]:
        while self._waiting:
            (channel, client), announcement = self._waiting.popitem(last=False)
            yield from self._tell(channel, client, announcement)
            yield
        self._running = False

    def _tell(self, channel: str, client: Client, announcement: Announcement) -> Iterator[None]:
        """Tell the clients that are on the channel now, except those that lag."""
        end = self._work.done + SLICE
        for other in client.others(channel):
            # Turns pass meanwhile: a client that has left is waiting, too. Another may have left the channel.
            if not other.waiting and _is_on(channel, other):
                _tell_one(other, announcement)
                self._work.charge(TELL)
            if self._work.done >= end:
                yield
                end = self._work.done + SLICE


def _is_on(channel: str, client: Client) -> bool:
    return channel == BROADCAST or channel in client.channels


def _tell_one(other: Client, announcement: Announcement) -> None:
    try:
        other.hear(announcement)
    except Exception:  # noqa: BLE001  # whatever it is, it ends this client only
        _log.failure("a client could not be told who came or left")
        other.close(INTERNAL_ERROR)
