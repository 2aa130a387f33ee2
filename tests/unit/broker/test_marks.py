"""pushd.broker.mark and pushd.broker.marks, against a stream that does what RabbitMQ's do."""

from __future__ import annotations

from itertools import count

import pytest

from pushd.broker.mark import Mark
from pushd.broker.marks import Found, Life, OtherLife
from pushd.message import Position


class Stream:
    """A log of marks and messages with holes, retention, and RabbitMQ's silent clamping."""

    def __init__(self) -> None:
        self.records: list[tuple[int, Mark | None]] = []
        self._next = count()

    def append(self, mark: Mark | None = None) -> int:
        """Add a record; give its offset."""
        offset = next(self._next)
        self.records.append((offset, mark))
        return offset

    def hole(self) -> None:
        """Skip an offset, as the end of a segment does."""
        next(self._next)

    def trim(self, before: int) -> None:
        """Remove what is older, as retention does."""
        self.records = [record for record in self.records if record[0] >= before]

    def since(self, offset: int) -> list[tuple[int, Mark | None]]:
        """Give the records from an offset on."""
        return [record for record in self.records if record[0] >= offset]


class Instance:
    """Reads a stream as the adapter does, one step at a time."""

    def __init__(self, stream: Stream, name: str) -> None:
        self.life = Life()
        self.stream = stream
        self.resets: list[int] = []
        self.messages: list[int] = []
        self._nonces = (f"{name}{number}" for number in count())
        self._place = 0
        self._fresh = True

    @property
    def epoch(self) -> str:
        """What it believes."""
        return self.life.epoch

    def begin(self, cold_from: int = 0) -> None:
        """Start a consumer, cold from an offset or where it resumes, and publish the mark to wait for."""
        nonce = next(self._nonces)
        resume = self.life.begin(nonce)
        at = cold_from if resume is None else resume
        end = self.stream.records[-1][0] + 1 if self.stream.records else 0
        self._place = min(at, end)  # beyond the end: clamped to the tail
        self._fresh = True
        self.stream.append(Mark(nonce))

    def read(self) -> Found:
        """Read what is there; give the last thing found that was news."""
        found = Found.NOTHING
        for offset, mark in self.stream.since(self._place):
            self._place = offset + 1
            if self._fresh:
                self._fresh = False
                floor = self.life.first(offset, mark)
                if floor is not None:
                    self.resets.append(floor)
            if mark is None:
                if self.life.is_new(offset):
                    self.messages.append(offset)
            elif (news := self.life.mark(offset, mark)) is not Found.NOTHING:
                found = news
        return found

    def scan(self, since: int = 0) -> None:
        """Read the marks from an offset on, the stream's start if not given."""
        self.life.begin_scan()
        for offset, mark in self.stream.since(since):
            if mark is not None and self.life.scan(offset, mark, whole=not since):
                return
        raise AssertionError("the scan did not come to an end")

    def suspend(self) -> Mark:
        """Publish that messages are missing."""
        mark = self.life.suspension(next(self._nonces))
        self.stream.append(mark)
        return mark

    def claim(self, epoch: str = "") -> Mark:
        """Publish what this instance believes, or another epoch."""
        mark = self.life.claim(next(self._nonces), epoch)
        self.stream.append(mark)
        return mark

    def attach(self, cold_from: int = 0) -> None:
        """Do all of it."""
        self.begin(cold_from)
        if self.read() is Found.UNNAMED:
            self.scan()
        self.claim()
        self.read()


def test_headers_carry_a_mark() -> None:
    """What is written into headers is read from headers."""
    mark = Mark("n", "e", "1:b", "f")
    assert mark == Mark.read("", mark.headers())
    assert Mark("n", suspends=True) == Mark.read("", Mark("n", suspends=True).headers())
    assert Mark("n") == Mark.read("", Mark("n").headers())


def test_headers_of_something_else() -> None:
    """A record without a nonce is no mark, and foreign types are not believed."""
    assert Mark.read("", {}) is None
    assert Mark.read("", {"x-pushd-mark": 5}) is None
    assert Mark("n") == Mark.read("", {"x-pushd-mark": "n", "x-pushd-epoch": 1, "x-pushd-basis": None})


def test_a_mark_that_was_published_to_an_exchange() -> None:
    """It is a publication: whoever may publish to the exchange can write any header."""
    assert Mark.read("x", Mark("n", "e", "1:b").headers()) is None


@pytest.mark.parametrize("text", ["a b", "a\r\nevent: x", "a:b", "é", "a" * 65, ""])
def test_what_no_position_can_carry_is_no_epoch(text: str) -> None:
    """Neither a claim's epoch nor a nonce, since the first mark's nonce may become the epoch."""
    with pytest.raises(ValueError, match="a position is written"):
        Position.parse(f"{text}:1")
    assert Mark("n", "", "1:b") == Mark.read("", Mark("n", text, "1:b", text).headers())
    assert Mark.read("", Mark(text).headers()) is None


def test_empty_stream() -> None:
    """On an empty stream the own mark is the first: it names the epoch, and nothing before it is held."""
    a = Instance(Stream(), "a")
    a.attach()
    assert ("a0", [0], []) == (a.epoch, a.resets, a.messages)


def test_messages_before_any_mark() -> None:
    """Messages of a stream that no instance has read before are read back, from the first on."""
    stream = Stream()
    stream.append()
    stream.append()
    a = Instance(stream, "a")
    a.attach()
    assert ("a0", [-1], [0, 1]) == (a.epoch, a.resets, a.messages)


@pytest.mark.parametrize("a_first", [True, False])
def test_two_start_at_once_on_an_empty_stream(a_first: bool) -> None:
    """Both publish their mark before either reads: both name the epoch after the first mark."""
    stream = Stream()
    a, b = Instance(stream, "a"), Instance(stream, "b")
    a.begin()
    b.begin()
    for one in (a, b) if a_first else (b, a):
        assert one.read() is Found.CAUGHT_UP
        one.claim()
    a.read()
    b.read()
    assert "a0" == a.epoch == b.epoch


def test_late_starter_reads_a_claim() -> None:
    """An instance that reads back a part of the stream takes the epoch from a claim in it."""
    stream = Stream()
    a = Instance(stream, "a")
    a.attach()
    for _ in range(10):
        stream.append()
    a.claim()
    a.read()
    part = stream.append()
    a.claim()
    a.claim()
    a.read()
    late = Instance(stream, "b")
    late.begin(cold_from=part - 1)
    assert late.read() is Found.CAUGHT_UP
    assert "a0" == late.epoch


def test_late_starter_scans() -> None:
    """Where the part read back holds no claim that counts, the start of the stream has one."""
    stream = Stream()
    Instance(stream, "a").attach()
    stream.append()
    quiet = stream.append()
    late = Instance(stream, "b")
    late.begin(cold_from=quiet)
    assert late.read() is Found.UNNAMED
    assert late.epoch == ""
    late.scan()
    assert "a0" == late.epoch


def test_scan_finds_only_proposals() -> None:
    """Where nobody ever claimed, the first mark of the stream names the epoch, also for a scan."""
    stream = Stream()
    crashed = Instance(stream, "a")
    crashed.begin()
    stream.append()
    late = Instance(stream, "b")
    late.begin(cold_from=1)
    assert late.read() is Found.UNNAMED
    late.scan()
    assert "a0" == late.epoch


def test_claim_during_the_scan() -> None:
    """A claim that counts and arrives while scanning wins over what the scan would say."""
    stream = Stream()
    a = Instance(stream, "a")
    a.attach()
    from_here = stream.append()
    b = Instance(stream, "b")
    b.begin(cold_from=from_here)
    assert b.read() is Found.UNNAMED
    a.read()
    a.claim()
    assert b.read() is Found.NOTHING
    b.scan()
    assert "a0" == b.epoch


def test_marker_about_to_age_out() -> None:
    """A claim outlives the first mark: when retention has removed that, late starters still agree."""
    stream = Stream()
    a = Instance(stream, "a")
    a.attach()
    a.claim()
    a.read()
    a.claim()
    a.read()
    stream.trim(before=2)
    late = Instance(stream, "b")
    late.begin(cold_from=2)
    assert late.read() is Found.CAUGHT_UP
    assert "a0" == late.epoch


def test_claim_without_its_basis() -> None:
    """When retention left a claim but not its basis, nobody believes it: a reset, not silence."""
    stream = Stream()
    a = Instance(stream, "a")
    a.attach()  # a0 at 0, the claim a1 at 1
    stream.append()
    stream.trim(before=1)
    late = Instance(stream, "b")
    late.begin(cold_from=1)
    assert late.read() is Found.UNNAMED
    late.scan()
    assert "a1" == late.epoch


def test_retention_between_two_scans_converges() -> None:
    """Two instances that named it differently agree after the next claim that counts."""
    stream = Stream()
    a = Instance(stream, "a")
    a.begin()
    a.read()
    stream.trim(before=1)
    stream.append()
    b = Instance(stream, "b")
    b.begin(cold_from=1)
    assert b.read() is Found.UNNAMED
    b.scan()
    a.read()
    assert {"a0", "b0"} == {a.epoch, b.epoch}
    b.claim()
    assert a.read() is Found.RENEWED
    b.read()
    assert "b0" == a.epoch == b.epoch


def test_resume() -> None:
    """A consumer resumes at the last mark and passes on only what it had not read."""
    stream = Stream()
    a = Instance(stream, "a")
    a.attach()
    read = stream.append()
    a.read()
    stream.hole()
    missed = stream.append()
    a.begin()
    assert a.read() is Found.CAUGHT_UP
    assert ([0], [read, missed], "a0") == (a.resets, a.messages, a.epoch)


def test_resume_twice_without_a_word_between() -> None:
    """A consumer lost before it caught up is resumed like any other."""
    stream = Stream()
    a = Instance(stream, "a")
    a.attach()
    a.begin()
    first = stream.append()
    a.begin()
    assert a.read() is Found.CAUGHT_UP
    assert ([0], [first]) == (a.resets, a.messages)


def test_lost_before_the_epoch_was_known() -> None:
    """A first attachment that breaks off begins again from nothing."""
    stream = Stream()
    message = stream.append()
    a = Instance(stream, "a")
    a.begin()
    a.stream = Stream()
    a.read()
    a.stream = stream
    a.attach()
    assert ([-1], [message], "a0") == (a.resets, a.messages, a.epoch)


def test_recreated_and_shorter() -> None:
    """The offset to resume at is beyond the new stream's end: the own mark comes first and gives it away."""
    old = Stream()
    for _ in range(5):
        old.append()
    a = Instance(old, "a")
    a.attach()
    a.stream = Stream()
    a.begin()
    with pytest.raises(OtherLife):
        a.read()
    a.life.forget()
    a.attach()
    assert ("a2", [-1, 0]) == (a.epoch, a.resets)


@pytest.mark.parametrize("marked", [True, False])
def test_recreated_and_longer(marked: bool) -> None:
    """The offset to resume at exists in the new stream, but is not the mark that was there."""
    a = Instance(Stream(), "a")
    a.attach()
    a.stream = Stream()
    for number in range(5):
        a.stream.append(Mark(f"z{number}") if marked else None)
    a.begin()
    with pytest.raises(OtherLife):
        a.read()


def test_trimmed_while_away() -> None:
    """Retention removed where it stopped: what comes first is later, so it is no resumption."""
    stream = Stream()
    a = Instance(stream, "a")
    a.attach()
    stream.append()
    stream.append()
    stream.trim(before=3)
    a.begin()
    with pytest.raises(OtherLife):
        a.read()


def test_claim_from_a_deleted_stream() -> None:
    """An instance that woke up late claims the old epoch in the new stream; nobody believes it."""
    old = Stream()
    sleeper = Instance(old, "s")
    sleeper.attach()
    new = Stream()
    b = Instance(new, "b")
    b.attach()
    sleeper.stream = new
    sleeper.claim()
    b.read()
    late = Instance(new, "c")
    late.attach()
    assert "b0" == b.epoch == late.epoch


def test_basis_is_the_newest_mark_read() -> None:
    """A claim stands on the newest mark its publisher has read."""
    a = Instance(Stream(), "a")
    a.attach()
    assert Mark("x", "a0", "1:a1") == a.life.claim("x")


def test_memory_is_bounded() -> None:
    """Marks are forgotten in the order they came; a claim on a forgotten one does not count."""
    a = Instance(Stream(), "a")
    a.attach()
    for number in range(5000):
        a.stream.append(Mark(f"m{number}"))
    a.read()
    a.stream.append(Mark("old", "other", "0:a0"))
    a.read()
    assert "a0" == a.epoch
    a.stream.append(Mark("new", "other", "5001:m4999"))
    assert (Found.RENEWED, "other") == (a.read(), a.epoch)


def renewed(*others: Instance) -> Instance:
    """Have an instance find that messages are missing, and claim another epoch, which it and others read."""
    finder = others[0]
    finder.suspend()
    for each in others:
        assert each.read() is Found.SUSPENDED
        assert each.life.suspended
    finder.claim("z")
    for each in others:
        assert each.read() is Found.RENEWED
        assert (False, "z") == (each.life.suspended, each.epoch)
    return finder


def pair() -> tuple[Instance, Instance]:
    """Two instances that have read each other's claims of the epoch ``a0``."""
    stream = Stream()
    a, b = Instance(stream, "a"), Instance(stream, "b")
    a.attach()
    b.attach()
    a.read()
    return a, b


def test_a_renewal_reaches_all() -> None:
    """Every instance stops at the suspension, and goes on with the claim, without reading anything again."""
    a, b = pair()
    resets = [*a.resets], [*b.resets]
    renewed(a, b)
    read = a.stream.append()
    a.read()
    assert (resets, [read]) == ((a.resets, b.resets), a.messages)


def test_a_late_claim_of_the_replaced_epoch() -> None:
    """A claim that was under way during the renewal brings the old epoch back for nobody."""
    a, b = pair()
    late = b.life.claim("b9")
    renewed(a, b)
    a.stream.append(late)
    assert (Found.NOTHING, Found.NOTHING) == (a.read(), b.read())
    c = Instance(a.stream, "c")
    c.attach()
    assert {"z"} == {a.epoch, b.epoch, c.epoch}


def test_a_claim_between_suspension_and_renewal() -> None:
    """It is of the epoch that ended: nobody is served by it."""
    a, b = pair()
    a.suspend()
    b.claim()
    assert a.read() is Found.SUSPENDED
    assert a.life.suspended


def test_two_find_the_same_loss() -> None:
    """Both suspend and both renew: all end with the claim that stands last."""
    a, b = pair()
    a.suspend()
    b.suspend()
    a.claim("y")
    b.claim("z")
    a.read()
    b.read()
    assert (False, "z", False, "z") == (a.life.suspended, a.epoch, b.life.suspended, b.epoch)


def test_the_finder_dies() -> None:
    """Its suspension stands: an instance that starts later knows that it owes a renewal."""
    a, b = pair()
    a.suspend()
    b.stream.append()
    late = Instance(a.stream, "c")
    late.begin()
    assert late.read() is Found.CAUGHT_UP
    assert ("a0", True) == (late.epoch, late.life.suspended)
    late.claim("z")
    late.read()
    assert ("z", False) == (late.epoch, late.life.suspended)
    assert b.read() is Found.RENEWED


def test_a_suspension_before_anybody_claimed() -> None:
    """Nobody holds positions in a stream that is just born: it does not count."""
    stream = Stream()
    a, b = Instance(stream, "a"), Instance(stream, "b")
    a.begin()
    stream.append(Mark("s", basis="0:a0", suspends=True))
    b.begin()
    assert (Found.CAUGHT_UP, Found.CAUGHT_UP) == (a.read(), b.read())
    assert (False, False, "a0", "a0") == (a.life.suspended, b.life.suspended, a.epoch, b.epoch)


def test_a_suspension_from_another_stream() -> None:
    """Its basis is not in this one: nobody believes it."""
    a, _ = pair()
    a.stream.append(Mark("s", basis="0:other", suspends=True))
    a.read()
    assert not a.life.suspended


def test_scanning_finds_the_last_claim() -> None:
    """After a renewal the first claim of the stream is of an epoch that is void."""
    a, b = pair()
    renewed(a, b)
    a.claim()
    a.claim()
    quiet = a.stream.append()
    late = Instance(a.stream, "c")
    late.begin(cold_from=quiet)
    assert late.read() is Found.UNNAMED
    late.scan()
    assert ("z", False) == (late.epoch, late.life.suspended)


def test_scanning_finds_a_suspension() -> None:
    """One that nobody has answered with a renewal."""
    a, _ = pair()
    a.suspend()
    quiet = a.stream.append()
    late = Instance(a.stream, "c")
    late.begin(cold_from=quiet)
    assert late.read() is Found.UNNAMED
    late.scan()
    assert ("a0", True) == (late.epoch, late.life.suspended)


def test_a_scan_of_a_part() -> None:
    """Without a claim in it the epoch stays unknown, until a scan that begins further back."""
    a, _ = pair()
    quiet = a.stream.append()
    late = Instance(a.stream, "c")
    late.begin(cold_from=quiet)
    assert late.read() is Found.UNNAMED
    late.scan(since=quiet)
    assert not late.epoch
    late.scan()
    assert "a0" == late.epoch
