"""The hub against a naive model: whatever happens in whatever order, nobody misses, repeats or reorders."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pushd.disconnect import SLOW
from pushd.message import BROADCAST
from tests.unit.test_hub import Reader, World

NAMES = ("a", "b", "c")

channels = st.sampled_from(NAMES)
some = st.frozensets(channels)
targets = st.just(frozenset({BROADCAST})) | st.frozensets(channels, min_size=1)
picks = st.integers(0, 99)


class Client:
    """A connection, and since when the model thinks it is owed what is on each channel."""

    def __init__(self, reader: Reader, since: dict[str, int]) -> None:
        self.reader = reader
        self.since = since
        self.start = 0
        self.told = False

    def judge(self, log: list[tuple[int, str]], until: int) -> None:
        """What it has is the beginning of what it is owed; who is told of a loss is owed what comes after."""
        if self.reader.told and not self.told:
            self.told = True
            self._compare(self.received(self.reader.before), log, until)
            self.since = dict.fromkeys(self.since, self.reader.told[0].offset)
            self.start = self.reader.before
        self._compare(self.received(), log, until)

    def _compare(self, received: list[str], log: list[tuple[int, str]], until: int) -> None:
        assert self.owed(log, until)[: len(received)] == received

    def received(self, end: int | None = None) -> list[str]:
        """Give what was written, message by message; at one offset no channel comes before another."""
        words = [word for data in self.reader.written[self.start : end] for word in data.decode().split()]
        offsets = [int(word.partition("/")[0]) for word in words]
        assert sorted(offsets) == offsets
        return [word for _, word in sorted(zip(offsets, words, strict=True))]

    def owed(self, log: list[tuple[int, str]], until: int) -> list[str]:
        """Give what the model would have written."""
        return [
            f"{offset}/{channel}"
            for offset, channel in log
            if channel in self.since and self.since[channel] < offset <= until
        ]


class Interleavings(RuleBasedStateMachine):
    """Appends, evictions, joins, resumptions, subscriptions, congestions and slices, in any order.

    So is what the broker does: it gives back what memory lacks, and forgets the oldest.
    """

    def __init__(self) -> None:
        super().__init__()
        self.world = World(max_messages=4, buffered_bytes=6, page=10)
        # They fill the first slice of every pass, so that much can happen before it comes to the others.
        for _ in range(100):
            self.world.join(*NAMES, cost=0.0001)
        self.log: list[tuple[int, str]] = []
        self.clients: list[Client] = []
        self.offset = 0
        # Most of this memory has forgotten when the first client comes.
        for name in ("a", "b", BROADCAST, "c") * 3:
            self.publish(frozenset({name}), 1)
            self.world.now()

    @rule(
        to=st.one_of(st.just(frozenset({BROADCAST})), st.frozensets(channels, min_size=1)),
        hole=st.integers(1, 3),
    )
    def publish(self, to: frozenset[str], hole: int) -> None:
        """Bring a message, on one channel or on several with one offset."""
        self.offset += hole
        for channel in sorted(to):
            self.log.append((self.offset, channel))
            self.world.tell(self.offset, channel, f"{self.offset}/{channel}".encode())

    @rule(names=some)
    def join(self, names: frozenset[str]) -> None:
        """Come anew."""
        tip = self.world.hub.position.offset
        self.clients.append(Client(self.world.join(*names), dict.fromkeys(names | {BROADCAST}, tip)))

    @rule(names=some, pick=picks, talks=st.booleans())
    def resume(self, names: frozenset[str], pick: int, talks: bool) -> None:
        """Come back, also from before what is held, and maybe be told much before any of it."""
        after = pick % (self.world.hub.position.offset + 1)
        reader = self.world.join(*names, after=after)
        self.clients.append(Client(reader, dict.fromkeys(names | {BROADCAST}, after)))
        if talks:
            self.choke(len(self.clients) - 1)

    @precondition(lambda self: self.world.broker.open)
    @rule()
    def give(self) -> None:
        """Let the broker give a page."""
        self.world.broker.give()

    @rule(by=st.integers(1, 5))
    def retain(self, by: int) -> None:
        """Let the broker forget some of what it held, but nothing that memory has."""
        floor = self.world.history.floor((*NAMES, BROADCAST))
        self.world.broker.oldest = max(self.world.broker.oldest, min(self.world.broker.oldest + by, floor))

    @precondition(lambda self: self.clients)
    @rule(pick=picks, name=channels)
    def subscribe(self, pick: int, name: str) -> None:
        """Subscribe from where the connection stands."""
        client = self.clients[pick % len(self.clients)]
        reader, hub = client.reader, self.world.hub
        if not reader.closed and name not in client.since:
            client.since[name] = reader.cursor if reader.waiting else hub.position.offset
            hub.subscribe(reader, name)

    @precondition(lambda self: self.clients)
    @rule(pick=picks)
    def clog(self, pick: int) -> None:
        """From now on the socket takes a write, and is full."""
        self.clients[pick % len(self.clients)].reader.room = False

    @precondition(lambda self: self.clients)
    @rule(pick=picks)
    def choke(self, pick: int) -> None:
        """The socket is full of something else than messages; until that has left, none may be written."""
        reader = self.clients[pick % len(self.clients)].reader
        reader.room, reader.talking = False, True
        self.world.hub.congested(reader)

    @precondition(lambda self: self.clients)
    @rule(pick=picks)
    def drain(self, pick: int) -> None:
        """The socket has room again."""
        reader = self.clients[pick % len(self.clients)].reader
        reader.room, reader.talking = True, False
        self.world.hub.drained(reader)

    @rule()
    def turn(self) -> None:
        """Let the reactor turn once."""
        self.world.turn()

    @invariant()
    def in_order_once_and_without_gap(self) -> None:
        """What a connection has is always the beginning of what it is owed."""
        for client in self.clients:
            client.judge(self.log, self.offset)

    def teardown(self) -> None:
        """In the end everybody has everything, or was closed with the reason."""
        for client in self.clients:
            client.reader.room, client.reader.talking = True, False
            self.world.hub.drained(client.reader)
        self.world.now()
        while self.world.broker.open:
            self.world.give()
        self.world.settle()
        for client in self.clients:
            client.judge(self.log, self.offset)
            assert not client.reader.told or self.world.broker.oldest
            if client.reader.closed:
                assert [SLOW] == client.reader.closed
            else:
                assert client.owed(self.log, self.offset) == client.received()


Interleavings.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestInterleavings = Interleavings.TestCase
