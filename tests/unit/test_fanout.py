"""Who gets what of a batch, and bytes made once."""

from __future__ import annotations

from collections.abc import Sequence

from pushd.disconnect import Disconnect
from pushd.encoding import RawEncoding
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

    def __init__(self, encoding: Joining, cursor: int = 0) -> None:
        self.encoding = encoding
        self.cursor = cursor
        self.channels: set[str] = set()
        self.written: list[bytes] = []
        self.room = True

    def write(self, data: bytes) -> bool:
        """Keep it."""
        self.written.append(data)
        return self.room

    def close(self, disconnect: Disconnect) -> None:
        """Nobody does."""

    def missed(self) -> None:
        """Nobody does."""


def begin(
    batch: list[Message], readers: list[Reader], **channels: list[Reader]
) -> tuple[Pass, list[Connection]]:
    """Begin a pass and give its audience."""
    current = Pass(Stats())
    subscribers: dict[str, dict[Connection, None]] = {
        name: dict.fromkeys(held) for name, held in channels.items()
    }
    return current, current.begin(batch, subscribers, dict.fromkeys(readers))


def test_broadcast() -> None:
    """A broadcast is for everybody, and its bytes are made once."""
    encoding = Joining()
    readers = [Reader(encoding) for _ in range(3)]
    current, audience = begin([Message(1, BROADCAST, b"x")], readers)
    assert readers == audience
    assert [True] * 3 == [current.serve(reader) for reader in audience]
    assert [[b"x"]] * 3 == [reader.written for reader in readers]
    assert (1, [1, 1, 1]) == (encoding.joins, [reader.cursor for reader in readers])


def test_channels() -> None:
    """Without a broadcast only subscribers are served, each with its own."""
    encoding = Joining()
    one, two, both, other = readers = [Reader(encoding) for _ in range(4)]
    batch = [Message(1, "a", b"a"), Message(2, "b", b"b"), Message(3, "nobody", b"n")]
    current, audience = begin(batch, readers, a=[one, both], b=[two, both])
    assert [one, both, two] == audience
    for reader in audience:
        current.serve(reader)
    assert [[b"a"], [b"b"], [b"a b"], []] == [reader.written for reader in readers]
    assert 0 == other.cursor


def test_mixed() -> None:
    """Broadcasts and a channel's messages come together, in offset order."""
    encoding = Joining()
    one, other = readers = [Reader(encoding) for _ in range(2)]
    batch = [Message(1, "a", b"a"), Message(2, BROADCAST, b"x"), Message(3, "a", b"b")]
    current, audience = begin(batch, readers, a=[one])
    for reader in audience:
        current.serve(reader)
    assert ([b"a x b"], [b"x"]) == (one.written, other.written)
    assert 4 == current._stats.deliveries
    assert 1 == current._stats.passes


def test_alike_share_bytes() -> None:
    """Those who speak alike and get the same share one object; another protocol has its own."""
    ours, theirs = Joining(), Joining()
    readers = [Reader(ours), Reader(ours), Reader(theirs)]
    current, audience = begin([Message(1, "a", b"x")], readers, a=readers)
    for reader in audience:
        current.serve(reader)
    assert (1, 1) == (ours.joins, theirs.joins)
    assert readers[0].written[0] is readers[1].written[0]


def test_served_once() -> None:
    """Who has been served, or is further on, is not served again."""
    reader, ahead = readers = [Reader(Joining()), Reader(Joining(), cursor=9)]
    current, _ = begin([Message(1, BROADCAST, b"x")], readers)
    assert [True, True, True] == [current.serve(reader), current.serve(reader), current.serve(ahead)]
    assert ([b"x"], []) == (reader.written, ahead.written)
    assert 9 == ahead.cursor


def test_nothing_for_it() -> None:
    """A connection that nothing concerns moves on without a write."""
    reader = Reader(Joining())
    current, audience = begin([Message(5, "a", b"x")], [reader])
    assert [] == audience
    assert current.serve(reader)
    assert (5, []) == (reader.cursor, reader.written)


def test_full_socket() -> None:
    """A socket that has filled up is told; the messages count as written."""
    reader = Reader(Joining())
    reader.room = False
    current, _ = begin([Message(5, BROADCAST, b"x")], [reader])
    assert not current.serve(reader)
    assert 5 == reader.cursor
