"""The life of a stream, told apart by marks. Pure: fed with what was delivered, answers what it means.

A *mark* is a control record that instances publish into the stream itself. RabbitMQ gives a stream
no identity: deleted and declared again it starts at offset 0, and an offset beyond its end or before its
start is clamped without a word. Marks give it one, an *epoch*, that every instance works out alike:

- A mark with an epoch is a *claim*. It names an earlier mark, its *basis*, by offset and nonce, and
  counts only for those who find the basis in the stream they read: a claim by an instance that still
  lives in a deleted stream convinces nobody. The last claim that counts wins.
- Where no claim counts, the epoch is the nonce of the first mark in the whole stream.
- An instance claims nothing before it has read its own mark back.

docs/adr/0003-epoch-by-marks.md has the reasons and the races.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

__all__ = ["BASIS", "EPOCH", "NONCE", "Found", "Life", "Mark", "OtherLife"]

NONCE = "x-pushd-mark"
"""The header that makes a record a mark; random, so that no other mark is like it."""
EPOCH = "x-pushd-epoch"
BASIS = "x-pushd-basis"

_KNOWN = 4096
"""Marks remembered as a basis: far more than are on their way at any time."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark's content.

    Attributes:
        nonce: Its identity.
        epoch: What it claims, or ``""``.
        basis: The mark the claim stands on, ``offset:nonce``, or ``""``.
    """

    nonce: str
    epoch: str = ""
    basis: str = ""

    @classmethod
    def read(cls, headers: Mapping[str, object]) -> Mark | None:
        """Make one of a record's headers; ``None`` when the record is no mark."""
        nonce = headers.get(NONCE)
        if not isinstance(nonce, str):
            return None
        epoch, basis = headers.get(EPOCH), headers.get(BASIS)
        return cls(nonce, epoch if isinstance(epoch, str) else "", basis if isinstance(basis, str) else "")

    def headers(self) -> dict[str, object]:
        """Give the headers that carry it."""
        return {NONCE: self.nonce, EPOCH: self.epoch, BASIS: self.basis}


class Found(Enum):
    """What a mark that was delivered means."""

    NOTHING = auto()
    """No news."""
    CAUGHT_UP = auto()
    """It is the one awaited: everything before it has been read, and ``Life.epoch`` holds."""
    UNNAMED = auto()
    """It is the one awaited, but what was read names no epoch: the marks before it must be read."""


class OtherLife(Exception):  # noqa: N818  # a discovery
    """What is read does not continue what was read before: forget it and attach anew.

    Offsets seen before and offsets seen from now on cannot be compared, or nobody knows whether they can.
    """


class Life:
    """What one instance knows about the stream it reads, across all of its consumers.

    Each consumer's run is: :meth:`begin`, :meth:`first` for the first record, then :meth:`is_new` for each
    message and :meth:`mark` for each mark. When that answers ``UNNAMED``, the marks from the start of
    the stream go through :meth:`scan` until it answers ``True``.

    Attributes:
        epoch: The stream's epoch; ``""`` until it is known.
        last: The offset of the last message read, or -1.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start over: the next consumer attaches as if it were the first."""
        self.epoch = ""
        self.last = -1
        self._awaited = ""
        self._claimed = ""
        self._oldest = ""
        self._reads_all = False
        self._known: dict[str, int] = {}  # offsets of the marks read, by "offset:nonce", oldest first
        self._scanned: set[str] = set()

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
        if mark is None or _name(offset, mark) != self._newest:
            raise OtherLife("the stream no longer holds the place where this instance stopped reading")
        return None

    def is_new(self, offset: int) -> bool:
        """Tell whether a message has not been read before."""
        if offset <= self.last:
            return False
        self.last = offset
        return True

    def mark(self, offset: int, mark: Mark) -> Found:
        """Take a mark.

        Raises:
            OtherLife: It is a claim that counts, of an epoch other than this instance's.
        """
        if mark.epoch and mark.basis in self._known:
            if self.epoch and mark.epoch != self.epoch:
                raise OtherLife(
                    "another instance names the stream's life otherwise, and was the last to do so"
                )
            self._claimed = mark.epoch
        self._remember(offset, mark)
        if mark.nonce != self._awaited:
            return Found.NOTHING
        self.epoch = self.epoch or self._claimed or (self._oldest if self._reads_all else "")
        return Found.CAUGHT_UP if self.epoch else Found.UNNAMED

    def scan(self, offset: int, mark: Mark) -> bool:
        """Take a mark read from the stream's start; answer whether ``epoch`` is known now.

        The first claim that counts is believed: claims differ only when retention removed the first marks
        while two instances were looking for them, and then the next claim brings them together.
        """
        self._scanned.add(_name(offset, mark))
        if len(self._scanned) == 1:
            self._oldest = mark.nonce
        claimed = mark.epoch if mark.basis in self._scanned else ""
        if claimed or mark.nonce == self._awaited:
            self.epoch = self._claimed or claimed or self._oldest
        return bool(self.epoch)

    def claim(self, nonce: str) -> Mark:
        """Make the mark that tells others the epoch."""
        return Mark(nonce, self.epoch, self._newest)

    @property
    def _newest(self) -> str:
        return next(reversed(self._known))

    def _remember(self, offset: int, mark: Mark) -> None:
        self._known[_name(offset, mark)] = offset
        self._oldest = self._oldest or mark.nonce
        if len(self._known) > _KNOWN:
            del self._known[next(iter(self._known))]


def _name(offset: int, mark: Mark) -> str:
    return f"{offset}:{mark.nonce}"
