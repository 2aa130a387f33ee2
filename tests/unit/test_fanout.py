"""Who gets what of a batch, and bytes made once."""

from __future__ import annotations

from collections.abc import Sequence

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


class Reader:
    """A connection that keeps what is written to it."""

    protocol = "raw"
    number = 1
    peer = "somebody"
    opened_at = 0.0
    waiting = False

    def __init__(self, encoding: RawEncoding, cursor: int = 0) -> None:
        self.encoding = encoding
        self.cursor = cursor
        self.channels: set[str] = set()
        self.written: list[bytes] = []
        self.room = True
        self.fails = False

    def write(self, data: bytes) -> bool:
        """Keep it, or fail."""
        if self.fails:
            raise RuntimeError("a connection's own fault")
        self.written.append(data)
        return self.room

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
        self.congested: list[Connection] = []
        self.failed: list[Connection] = []
        self.current = Pass(batch, self.stats, self.congested.append, self.failed.append)
        for name, held in channels.items():
            for reader in held:
                reader.channels.add(name)
        subscribers: dict[str, dict[Connection, None]] = {
            name: dict.fromkeys(held) for name, held in channels.items()
        }
        self.audience = self.current.audience(subscribers, dict.fromkeys(readers))
        self.current.serve(self.audience)


def test_deflated_and_plain_clients_in_one_pass() -> None:
    """All who deflate are given the same bytes, the very same object, and so are all who do not."""
    plain, deflated = RawEncoding(), RawEncoding(Deflating(100))
    readers = [Reader(encoding) for encoding in (plain, deflated, plain, deflated)]
    Sent([Message(1, BROADCAST, b"x" * 99), Message(2, BROADCAST, b"x" * 1000)], readers)
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
    sent = Sent([Message(1, BROADCAST, b"x")], readers)
    assert readers == sent.audience
    assert [[b"x"]] * 3 == [reader.written for reader in readers]
    assert (1, [1, 1, 1]) == (encoding.joins, [reader.cursor for reader in readers])
    assert (1, 3) == (sent.stats.passes, sent.stats.deliveries)


def test_channels() -> None:
    """Without a broadcast only subscribers are served, each with its own."""
    encoding = Joining()
    one, two, both, other = readers = [Reader(encoding) for _ in range(4)]
    batch = [Message(1, "a", b"a"), Message(2, "b", b"b"), Message(3, "nobody", b"n")]
    other.channels = {"c", "d", "e", "f"}
    sent = Sent(batch, [*readers, *(Reader(encoding) for _ in range(4))], a=[one, both], b=[two, both])
    assert [one, both, two] == sent.audience
    assert [[b"a"], [b"b"], [b"a b"], []] == [reader.written for reader in readers]
    assert 0 == other.cursor


def test_only_the_live() -> None:
    """A subscriber that is not served now is not in the audience."""
    one, other = Reader(Joining()), Reader(Joining())
    assert [one] == Sent([Message(1, "a", b"a")], [one, Reader(Joining())], a=[one, other]).audience


def test_many_subscribers() -> None:
    """An audience is never larger than everybody, however the subscribers of the channels overlap."""
    encoding = Joining()
    readers = [Reader(encoding) for _ in range(3)]
    idle = Reader(encoding)
    batch = [Message(1, "a", b"a"), Message(2, "b", b"b")]
    sent = Sent(batch, [*readers, idle], a=readers, b=readers)
    assert [*readers, idle] == sent.audience
    assert [[b"a b"]] * 3 == [reader.written for reader in readers]
    assert (2, []) == (idle.cursor, idle.written)
    assert 6 == sent.stats.deliveries


def test_many_channels() -> None:
    """A connection with more channels than the batch has gets what is on its own, and no other's."""
    reader, other = Reader(Joining()), Reader(Joining())
    reader.channels = {"b", "c", "d"}
    other.channels = {"b", "d"}
    Sent([Message(1, "a", b"a"), Message(2, "c", b"c")], [reader, other], a=[reader], c=[reader])
    assert [b"a c"] == reader.written


def test_mixed() -> None:
    """Broadcasts and a channel's messages come together, in offset order."""
    encoding = Joining()
    one, other = readers = [Reader(encoding) for _ in range(2)]
    batch = [Message(1, "a", b"a"), Message(2, BROADCAST, b"x"), Message(3, "a", b"b")]
    sent = Sent(batch, readers, a=[one])
    assert ([b"a x b"], [b"x"]) == (one.written, other.written)
    assert 4 == sent.stats.deliveries


def test_alike_share_bytes() -> None:
    """Those who speak alike and get the same share one object; another protocol has its own."""
    ours, theirs = Joining(), Joining()
    readers = [Reader(ours), Reader(theirs), Reader(ours)]
    Sent([Message(1, "a", b"x")], readers, a=readers)
    assert (1, 1) == (ours.joins, theirs.joins)
    assert readers[0].written[0] is readers[2].written[0]


def test_served_once() -> None:
    """Who has been served, is further on, or waits is not served."""
    reader, ahead, full = readers = [Reader(Joining()), Reader(Joining(), cursor=9), Reader(Joining())]
    full.waiting = True
    sent = Sent([Message(1, BROADCAST, b"x")], readers)
    sent.current.serve(readers)
    assert ([b"x"], [], []) == (reader.written, ahead.written, full.written)
    assert (9, 0, 1) == (ahead.cursor, full.cursor, sent.stats.deliveries)


def test_full_socket() -> None:
    """A socket that has filled up is told of; the messages count as written."""
    reader = Reader(Joining())
    reader.room = False
    sent = Sent([Message(5, BROADCAST, b"x")], [reader])
    assert ([reader], 5) == (sent.congested, reader.cursor)


def test_failures() -> None:
    """A connection that cannot be written to is told of, and the next one is served."""
    bad, good = Reader(Joining()), Reader(Joining())
    bad.fails = True
    sent = Sent([Message(5, BROADCAST, b"x")], [bad, good])
    assert ([bad], [b"x"]) == (sent.failed, good.written)
