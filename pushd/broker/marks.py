"""The life of a stream, told apart by marks. Pure: fed with what was delivered, answers what it means.

A *mark* is a control record that instances publish into the stream itself. RabbitMQ gives a stream
no identity: deleted and declared again it starts at offset 0, and an offset beyond its end or before its
start is clamped without a word. Marks give it one, an *epoch*, that every instance works out alike:

- A mark with an epoch is a *claim*. It names an earlier mark, its *basis*, by offset and nonce, and
  counts only for those who find the basis in the stream they read: a claim by an instance that still
  lives in a deleted stream convinces nobody. The last claim that counts wins.
- Where no claim counts, the epoch is the nonce of the first mark in the whole stream.
- An instance claims nothing before it has read its own mark back.
- A *suspension* ends the epoch: an instance found that the stream is not bound to the exchange, so messages
  are missing from it. All instances stop serving clients there. It counts only if a claim stands before its
  basis.
- After a suspension the stream is bound again, and then a claim *renews* the epoch. The stream and its
  offsets go on; positions from before mean nothing any more. The claim names the epoch that it replaces, and
  no later claim of that epoch counts.

A record is a mark only if it came through the default exchange: publishers to the fanout exchange make none.

docs/adr/0003-epoch-by-marks.md has the reasons and the races.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from enum import Enum, auto
from typing import Any

from pushd.broker.mark import Mark, basis_of

__all__ = ["Found", "Life", "OtherLife"]

_KNOWN = 4096
"""Marks remembered as a basis: far more than are on their way at any time."""


class Found(Enum):
    """What a mark that was delivered means."""

    NOTHING = auto()
    """No news."""
    CAUGHT_UP = auto()
    """It is the one awaited: everything before it has been read, and ``Life.epoch`` holds."""
    UNNAMED = auto()
    """It is the one awaited, but what was read names no epoch: the marks before it must be read."""
    RENEWED = auto()
    """It is a claim that counts, of another epoch: the stream goes on, and positions from before are void."""
    SUSPENDED = auto()
    """It is a suspension that counts: messages are missing, and a claim that renews the epoch will follow."""


class OtherLife(Exception):  # noqa: N818  # a discovery
    """What is read does not continue what was read before: forget it and attach anew.

    Offsets seen before and offsets seen from now on cannot be compared, or nobody knows whether they can.
    """


class Life:
    """What one instance knows about the stream it reads, across all of its consumers.

    Each consumer's run is: :meth:`begin`, :meth:`first` for the first record, then :meth:`is_new` for each
    message and :meth:`mark` for each mark. When that answers ``UNNAMED``, older marks are read: after
    :meth:`begin_scan` they go through :meth:`scan` until it answers ``True``. That is repeated from
    further back until the epoch is known.

    Attributes:
        epoch: The stream's epoch; ``""`` until it is known.
        last: The offset of the last message read, or -1.
        suspended: True after a suspension that counts, until another epoch is claimed.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start over: the next consumer attaches as if it were the first."""
        self.epoch = ""
        self.last = -1
        self.suspended = False
        self._awaited = ""
        self._claimed = ""
        self._claimed_at: int | None = None
        self._oldest = ""
        self._reads_all = False
        self._known: dict[str, int] = {}  # offsets of the marks read, by "offset:nonce", oldest first
        self.begin_scan()
        self._replaced: dict[str, None] = {}

    def begin(self, nonce: str) -> int | None:
        """Announce a consumer, and the nonce of the mark that will tell it that it has caught up.

        Returns:
            The offset to consume from, inclusive; ``None`` when there is nothing to resume.
        """
        if not self.epoch:
            self.forget()
        self._awaited = nonce
        return self._known[self._newest] if self.epoch else None

    def first(self, offset: int, mark: Mark | None) -> int | None:
        """Take the first record a consumer was delivered, before anything else is done with it.

        Returns:
            The offset up to which everything is to be forgotten; ``None`` when the consumer resumes.

        Raises:
            OtherLife: It should resume, but this is not the mark it was to start at.
        """
        if not self.epoch:
            self._reads_all = offset == 0
            return offset if mark else offset - 1
        if mark is None or basis_of(offset, mark.nonce) != self._newest:
            raise OtherLife("the stream no longer holds the place where this instance stopped reading")
        return None

    def is_new(self, offset: int) -> bool:
        """Tell whether a message has not been read before."""
        if offset <= self.last:
            return False
        self.last = offset
        return True

    def mark(self, offset: int, mark: Mark) -> Found:
        """Take a mark, and say what it means."""
        if mark.suspends and self._suspends(mark, self._known):
            self._remember(offset, mark)
            self._replace(self.epoch or self._claimed)
            self.suspended = True
            return Found.SUSPENDED
        counts = self._counts(mark, self._known)
        if counts:
            self._claim_counts(offset, mark)
            self.suspended = False
        self._remember(offset, mark)
        if counts and self.epoch and mark.epoch != self.epoch:
            self.epoch = mark.epoch
            return Found.RENEWED
        if mark.nonce != self._awaited:
            return Found.NOTHING
        self.epoch = self.epoch or self._claimed or (self._oldest if self._reads_all else "")
        return Found.CAUGHT_UP if self.epoch else Found.UNNAMED

    def begin_scan(self) -> None:
        """Announce that older marks are read, in their order up to the awaited one."""
        self._scanned: dict[str, int] = {}
        self._scan_claim = ""
        self._scan_suspended = False

    def scan(self, offset: int, mark: Mark, *, whole: bool) -> bool:
        """Take a mark of a scan.

        Args:
            offset: Its offset.
            mark: The mark.
            whole: True if the scan began at the stream's first record.

        Returns:
            True if the scan is over: this is the awaited mark. The last claim that counts is the epoch then.
            Without one the first mark is, if the scan was whole; else the epoch stays unknown.
        """
        if not self._scanned and whole:
            self._oldest = mark.nonce
        if self._counts(mark, self._scanned):
            self._scan_claim = mark.epoch
            self._scan_suspended = False
            self._claimed_at = offset if self._claimed_at is None else min(offset, self._claimed_at)
        elif mark.suspends and self._suspends(mark, self._scanned):
            self._scan_suspended = True
        self._scanned[basis_of(offset, mark.nonce)] = offset
        if mark.nonce != self._awaited:
            return False
        self.suspended = self.suspended or (self._scan_suspended and not self._claimed)
        self.epoch = self._claimed or self._scan_claim or (self._oldest if whole else "")
        return True

    def claim(self, nonce: str, epoch: str = "") -> Mark:
        """Make the mark that tells others the epoch.

        Args:
            nonce: The mark's.
            epoch: A new epoch, to renew it; ``""`` for the present one.
        """
        return Mark(nonce, epoch or self.epoch, self._newest, self.epoch if epoch else "")

    def suspension(self, nonce: str) -> Mark:
        """Make the mark that tells others that messages are missing from the stream."""
        return Mark(nonce, basis=self._newest, suspends=True)

    def _suspends(self, mark: Mark, read: Mapping[str, int]) -> bool:
        """Return True if a suspension counts: clients may hold positions that it makes void."""
        basis = read.get(mark.basis)
        return basis is not None and self._claimed_at is not None and self._claimed_at <= basis

    def _replace(self, epoch: str) -> None:
        if epoch:
            self._replaced[epoch] = None
            _trim(self._replaced)

    def _counts(self, mark: Mark, read: Container[str]) -> bool:
        """Return True if a mark is a claim that counts for an instance that has read the marks ``read``."""
        if not mark.epoch or mark.basis not in read or mark.epoch in self._replaced:
            return False
        self._replace(mark.replaces)
        return True

    def _claim_counts(self, offset: int, mark: Mark) -> None:
        self._claimed = mark.epoch
        if self._claimed_at is None:
            self._claimed_at = offset

    @property
    def _newest(self) -> str:
        return next(reversed(self._known))

    def _remember(self, offset: int, mark: Mark) -> None:
        self._known[basis_of(offset, mark.nonce)] = offset
        self._oldest = self._oldest or mark.nonce
        _trim(self._known)


def _trim(marks: dict[str, Any]) -> None:
    if len(marks) > _KNOWN:
        del marks[next(iter(marks))]
