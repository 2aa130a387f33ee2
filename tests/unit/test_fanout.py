"""Who gets what of a batch, and bytes made once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from pushd.crowd import Crowd
from pushd.deflate import Deflating
from pushd.disconnect import Disconnect
from pushd.encoding import TEXT, RawEncoding, frame
from pushd.fanout import Pass
from pushd.interfaces import Connection
from pushd.message import BROADCAST, Message
from pushd.stats import Stats


class Joining(RawEncoding):
    """Counts how often bytes are made."""

    def __init__(self) -> None:
        super().__init__()
        self.joins = 0

    def join(self, messages: Sequence[Message]) -> bytes:
        """Give bodies, one after the other."""
        self.joins += 1
        return b" ".join(message.body for message in messages)


class Failing(RawEncoding):
    """Cannot make bytes."""

    def join(self, messages: Sequence[Message]) -> bytes:
        """Fail."""
        raise RuntimeError("an encoding's own fault")


class Reader:
    """A connection that keeps what is written to it."""

    protocol = "raw"
    number = 1
    peer = "somebody"
    opened_at = 0.0
    waiting = False

    def __init__(self, encoding: RawEncoding) -> None:
        self.encoding = encoding
        self.cursor = 0
        self.channels: set[str] = set()
        self.socket = self
        self.written: list[bytes] = []
        self.kept: list[bytes] = []
        self.kept_of: list[bytes] = []
        self.room = 1_000_000
        self.error: Exception | None = None
        self.when_full: Callable[[], object] = int

    def send(self, data: bytes) -> int:
        """Take as much as there is room for, or fail."""
        if self.error:
            raise self.error
        taken = data[: self.room]
        self.written.append(taken)
        return len(taken)

    def keep(self, data: bytes, sent: int = 0) -> None:
        """Take the rest."""
        self.kept.append(data[sent:])
        self.kept_of.append(data)
        self.when_full()

    def write(self, data: bytes) -> bool:
        """Take it all, or fail."""
        self.send(data)
        return True

    def close(self, disconnect: Disconnect) -> None:
        """Nobody does."""

    def missed(self) -> None:
        """Nobody does."""


class Sent:
    """A pass over some readers, and what it tells.

    Args:
        batch: Its messages.
        readers: Everybody.
        channels: The subscribers of each channel.
    """

    def __init__(self, batch: list[Message], readers: list[Reader], **channels: list[Reader]) -> None:
        self.stats = Stats()
        self.failed: list[Connection] = []
        for name, held in channels.items():
            for reader in held:
                reader.channels.add(name)
        subscribers: dict[str, dict[Connection, None]] = {
            name: dict.fromkeys(held) for name, held in channels.items()
        }
        crowd = Crowd()
        for reader in readers:
            crowd.add(reader)
        self.current = Pass(batch, subscribers, crowd, self.stats, self.failed.append)
        self.steps = self.current.serve()

    def whole(self) -> Sent:
        """Serve everybody."""
        for _ in self.steps:
            pass
        return self


def test_deflated_and_plain_clients_in_one_pass() -> None:
    """All who deflate are given the same bytes, the very same object, and so are all who do not."""
    plain, deflated = RawEncoding(), RawEncoding(Deflating(100))
    readers = [Reader(encoding) for encoding in (plain, deflated, plain, deflated)]
    Sent([Message(1, BROADCAST, b"x" * 99), Message(2, BROADCAST, b"x" * 1000)], readers).whole()
    first, second, third, fourth = (reader.written[0] for reader in readers)
    assert first is third
    assert second is fourth
    assert frame(TEXT, b"x" * 99) + frame(TEXT, b"x" * 1000) == first
    assert frame(TEXT, b"x" * 99) + b"\xc1" == second[:102]
    assert len(second) < 150


def test_broadcast() -> None:
    """A broadcast is for everybody, and its bytes are made once."""
    encoding = Joining()
    readers = [Reader(encoding) for _ in range(3)]
    sent = Sent([Message(1, BROADCAST, b"x")], readers).whole()
    assert [[b"x"]] * 3 == [reader.written for reader in readers]
    assert (1, 1, 3) == (encoding.joins, sent.current.tip, sent.current.size)
    assert (1, 3) == (sent.stats.passes, sent.stats.deliveries)


def test_a_few_in_each_step() -> None:
    """A hundred have it after the first step, and everybody after the last."""
    readers = [Reader(Joining()) for _ in range(250)]
    sent = Sent([Message(1, BROADCAST, b"x")], readers)
    assert [100, 200, 250] == [sum(len(reader.written) for reader in readers) for _ in sent.steps]


@pytest.mark.parametrize(
    ("bodies", "step"), [([10_000], 100), ([20_000] * 2, 26), ([300_000, 100_000], 2), ([20_000_000], 1)]
)
def test_large_messages(bodies: list[int], step: int) -> None:
    """A step serves fewer connections the more bytes each of them gets, down to one connection."""
    readers = [Reader(Joining()) for _ in range(120)]
    batch = [Message(place, BROADCAST, bytes(size)) for place, size in enumerate(bodies)]
    sent = Sent(batch, readers)
    next(sent.steps)
    assert step == sum(len(reader.written) for reader in readers)


def test_many_messages() -> None:
    """A step serves fewer connections the more messages each of them may get."""
    readers = [Reader(Joining()) for _ in range(120)]
    sent = Sent([Message(place, BROADCAST, b"") for place in range(500)], readers)
    next(sent.steps)
    assert 40 == sum(len(reader.written) for reader in readers)


def test_channels() -> None:
    """Without a broadcast only subscribers are served, each with its own."""
    encoding = Joining()
    one, two, both, other = readers = [Reader(encoding) for _ in range(4)]
    batch = [Message(1, "a", b"a"), Message(2, "b", b"b"), Message(3, "nobody", b"n")]
    other.channels = {"c", "d", "e", "f"}
    sent = Sent(batch, [*readers, *(Reader(encoding) for _ in range(4))], a=[one, both], b=[two, both])
    assert 3 == sent.whole().current.size
    assert [[b"a"], [b"b"], [b"a b"], []] == [reader.written for reader in readers]


def test_only_the_crowd() -> None:
    """A subscriber that is not served now is not in the audience."""
    one, other = Reader(Joining()), Reader(Joining())
    Sent([Message(1, "a", b"a")], [one, Reader(Joining())], a=[one, other]).whole()
    assert ([b"a"], []) == (one.written, other.written)


def test_many_subscribers() -> None:
    """An audience is never larger than everybody, however the subscribers of the channels overlap."""
    encoding = Joining()
    readers = [Reader(encoding) for _ in range(3)]
    idle = Reader(encoding)
    batch = [Message(1, "a", b"a"), Message(2, "b", b"b")]
    sent = Sent(batch, [*readers, idle], a=readers, b=readers).whole()
    assert [[b"a b"]] * 3 == [reader.written for reader in readers]
    assert (4, []) == (sent.current.size, idle.written)
    assert 6 == sent.stats.deliveries


def test_many_channels() -> None:
    """A connection with more channels than the batch has gets what is on its own, and no other's."""
    reader, other = Reader(Joining()), Reader(Joining())
    reader.channels = {"b", "c", "d"}
    other.channels = {"b", "d"}
    Sent(
        [Message(1, "a", b"a"), Message(2, "c", b"c")], [reader, other], a=[reader], c=[reader, other]
    ).whole()
    assert ([b"a c"], [b"c"]) == (reader.written, other.written)


def test_mixed() -> None:
    """Broadcasts and a channel's messages come together, in offset order."""
    encoding = Joining()
    one, other = readers = [Reader(encoding) for _ in range(2)]
    batch = [Message(1, "a", b"a"), Message(2, BROADCAST, b"x"), Message(3, "a", b"b")]
    sent = Sent(batch, readers, a=[one]).whole()
    assert ([b"a x b"], [b"x"]) == (one.written, other.written)
    assert 4 == sent.stats.deliveries


def test_alike_share_bytes() -> None:
    """Those who speak alike and get the same share one object; another protocol has its own."""
    ours, theirs = Joining(), Joining()
    readers = [Reader(ours), Reader(theirs), Reader(ours)]
    Sent([Message(1, "a", b"x")], readers, a=readers).whole()
    assert (1, 1) == (ours.joins, theirs.joins)
    assert readers[0].written[0] is readers[2].written[0]


def test_released() -> None:
    """Who is released before its turn gets nothing; afterwards there is nothing to release."""
    readers = [Reader(Joining()) for _ in range(250)]
    sent = Sent([Message(1, BROADCAST, b"x")], readers)
    next(sent.steps)
    released = [sent.current.release(readers[place]) for place in (99, 42, 120, 120, 220)]
    assert [False, False, True, False, True] == released
    assert not sent.current.release(Reader(Joining()))
    sent.whole()
    assert [120, 220] == [place for place, reader in enumerate(readers) if not reader.written]
    assert not sent.current.release(readers[200])
    assert 248 == sent.stats.deliveries


def test_advanced() -> None:
    """Who is served ahead of its turn has its own at once, and no more when it is its turn."""
    readers = [Reader(Joining()) for _ in range(250)]
    first, early, idle = readers[0], readers[240], readers[249]
    sent = Sent([Message(1, "a", b"a"), Message(2, "b", b"b")], readers, a=readers[:-1], b=[early])
    next(sent.steps)
    for reader in (first, early, idle):
        sent.current.advance(reader)
    assert ([b"a"], [b"a b"], []) == (first.written, early.written, idle.written)
    sent.whole()
    assert ([b"a b"], 250) == (early.written, sent.stats.deliveries)


def test_advanced_with_nothing_for_it() -> None:
    """Nothing is written to one that nothing concerns, though it is in the audience."""
    reader, *others = readers = [Reader(Joining()) for _ in range(3)]
    sent = Sent([Message(1, "a", b"a"), Message(2, "b", b"b")], readers, a=others, b=others)
    sent.current.advance(reader)
    assert [] == reader.written


@pytest.mark.parametrize("error", [BlockingIOError(), ConnectionResetError()])
def test_a_socket_that_takes_nothing(error: OSError) -> None:
    """All that it was to send is kept, whether it is full or broken, and counts as delivered."""
    reader, after = Reader(Joining()), Reader(Joining())
    reader.error = error
    sent = Sent([Message(5, BROADCAST, b"abc")], [reader, after]).whole()
    assert ([], [b"abc"], [b"abc"]) == (reader.written, reader.kept, after.written)
    assert (2, []) == (sent.stats.deliveries, sent.failed)


def test_a_socket_that_takes_a_part() -> None:
    """The rest is kept."""
    reader = Reader(Joining())
    reader.room = 1
    Sent([Message(5, BROADCAST, b"abc")], [reader]).whole()
    assert ([b"a"], [b"bc"]) == (reader.written, reader.kept)


def test_what_full_sockets_keep_is_shared() -> None:
    """Each connection is given the whole bytes and an offset, and no rest of its own."""
    encoding = Joining()
    readers = [Reader(encoding) for _ in range(3)]
    for room, reader in enumerate(readers):
        reader.room = room
    Sent([Message(5, BROADCAST, b"abc")], readers).whole()
    assert [[b"abc"], [b"bc"], [b"c"]] == [reader.kept for reader in readers]
    assert 1 == len({id(reader.kept_of[0]) for reader in readers})


def test_what_a_full_socket_brings_about() -> None:
    """Who is told that its socket is full has been served, as have those before it, not those after."""
    before, reader, after, last = readers = [Reader(Joining()) for _ in range(4)]
    reader.room = 0
    released: list[bool] = []
    sent = Sent([Message(5, BROADCAST, b"x")], readers)
    reader.when_full = lambda: released.extend(map(sent.current.release, (reader, before, after)))
    sent.whole()
    assert [False, False, True] == released
    assert ([b"x"], [], [b"x"]) == (before.written, after.written, last.written)


def test_failures() -> None:
    """A connection that cannot be written to is told of, and the next one is served."""
    bad, early, good = readers = [Reader(Joining()) for _ in range(3)]
    bad.error = early.error = RuntimeError("a connection's own fault")
    sent = Sent([Message(5, BROADCAST, b"x")], readers)
    sent.current.advance(early)
    sent.whole()
    assert ([early, bad], [b"x"]) == (sent.failed, good.written)


def test_an_encoding_that_fails() -> None:
    """It fails those who speak it, and nobody else."""
    bad, worse, good = readers = [Reader(Failing()), Reader(Failing()), Reader(Joining())]
    sent = Sent([Message(5, BROADCAST, b"x")], readers).whole()
    assert ([bad, worse], [b"x"], 1) == (sent.failed, good.written, sent.stats.deliveries)
