"""Sessions over a real hub. A test takes the turns step by step, and counts the work of each step."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from pushd.client.centrifugo.announcements import Announcements
from pushd.client.centrifugo.commands import parse_connect
from pushd.client.centrifugo.session import CentrifugoSession
from pushd.client.centrifugo.uni import UniSession, UniSseSession, admit
from pushd.client.centrifugo.workload import Workload
from pushd.encoding import TEXT, frame
from pushd.history import History
from pushd.hub import Hub
from pushd.message import Message
from tests.support.archive import Archive
from tests.support.looked import Looked
from tests.support.slices import Slices
from tests.support.turning import TurningClock
from tests.unit.client.centrifugo.talk import Server, Talk

__all__ = ["Busy"]


class Pushes:
    """An encoding that says the offset of each message."""

    name = "pushes"

    def join(self, messages: Sequence[Message]) -> bytes:
        """Return a frame for each message."""
        return b"".join(frame(TEXT, b'{"pushed":%d}' % message.offset) for message in messages)


class Acks(Archive):
    """A broker that forgets how far messages have been fanned out."""

    def ack(self, offset: int) -> None:
        """Ignore it."""


class Busy(Server):
    """Sessions, a hub with ``messages`` messages on channel ``x``, and a count of all work.

    Args:
        messages: Number of messages; each body has 7 bytes, and their offsets begin at 1.
        rules: See :class:`pushd.client.centrifugo.rules.Rules`.

    Attributes:
        steps: Units of work of each step of a turn, in order; what is done at once counts as a step.
        looked: The messages, which count how often one is looked at.
    """

    def __init__(self, messages: int = 0, **rules: Any) -> None:
        super().__init__(**rules)
        self.turns: Any = Slices()
        self.clock: Any = TurningClock()
        self.archive: Any = Acks()
        history = History(max_messages=10**9, max_bytes=10**9, max_age=10**9)
        hub = Hub(
            history, self.archive, self.stats, self.clock, self.turns, buffered_bytes=1_000_000,
            slow_clients="gap", catch_up_readers=4, recovery_bytes=self.desk.rules.recovery_bytes,
        )  # fmt: skip
        self.hub: Any = hub
        hub.reset(0)
        for offset in range(1, messages + 1):
            hub.message(Message(offset, "x", b'{"n":1}'))
        hub.attached("e1")
        self.looked = Looked()
        if messages:
            self.looked = history._runs["x"].items = Looked(history._runs["x"].items)
        self.work = Workload(self.clock, self.turns)
        announcements = Announcements(hub, self.desk.rules, self.work)
        self.desk = replace(
            self.desk, hub=hub, work=self.work, clock=self.clock, announcements=announcements,
            now=lambda: 1000.0 + self.clock.seconds(),
        )  # fmt: skip
        self.steps: list[int] = []
        self._counted = 0

    def session(self) -> Talk:
        """Open a session."""
        return Talk(self, lambda: CentrifugoSession(self.desk, Pushes()))

    def uni(self, kind: type[UniSession], **connect: Any) -> Talk:
        """Open a unidirectional session whose URL says what it wants."""
        request = parse_connect(json.dumps(connect).encode())
        fields = {"retry": 3000} if kind is UniSseSession else {}
        self.restart()
        talk = Talk(self, lambda: kind(self.desk, Pushes(), admit(self.desk, request), **fields))
        self._count()
        return talk

    def connect(self, count: int, channels: Iterable[str] = ()) -> list[Talk]:
        """Connect clients that are subscribed to ``channels``."""
        talks = [self.connected() for _ in range(count)]
        for talk in talks:
            for channel in channels:
                self.hub.subscribe(talk.session, channel)
        for talk in talks:
            talk.wire.take()
        self.restart()
        return talks

    def restart(self) -> None:
        """Begin a turn, and count from here on."""
        self.clock.turn()
        self.steps, self.looked.looks, self._counted = [], 0, self.work.done

    def begin(self, talk: Talk, commands: Iterable[str]) -> None:
        """Have a client send commands in one frame, and do what is done at once."""
        lines = [f'{{"id":{number},{command}}}' for number, command in enumerate(commands, 1)]
        self.receive(talk, "\n".join(lines).encode())

    def receive(self, talk: Talk, data: bytes) -> None:
        """Have a client send a frame, and do what is done at once."""
        talk.session.received(data, binary=False)
        self._count()

    def step(self) -> bool:
        """Do the next step of a later turn; return False if there is none."""
        more: bool = self.turns.step()
        self._count()
        return more

    def settle(self) -> None:
        """Do everything that is left for later turns."""
        while self.step():
            pass
        self.clock.turn()

    def _count(self) -> None:
        self.steps.append(self.work.done - self._counted)
        self._counted = self.work.done
