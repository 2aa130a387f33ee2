"""A mark: the record by which instances tell each other of a stream's life. Pure.

``marks.py`` says what marks mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pushd.message import is_epoch

__all__ = ["BASIS", "EPOCH", "NONCE", "REPLACES", "SUSPENDS", "Mark", "basis_of"]

NONCE = "x-pushd-mark"
"""The header that makes a record a mark; random, so that no other mark is like it."""
EPOCH = "x-pushd-epoch"
BASIS = "x-pushd-basis"
REPLACES = "x-pushd-replaces"
SUSPENDS = "x-pushd-suspends"


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark's content.

    Attributes:
        nonce: Its identity.
        epoch: What it claims, or ``""``.
        basis: The mark the claim stands on, ``offset:nonce``, or ``""``.
        replaces: The epoch that the claim ends, or ``""``.
        suspends: True if the mark is a suspension.
    """

    nonce: str
    epoch: str = ""
    basis: str = ""
    replaces: str = ""
    suspends: bool = False

    @classmethod
    def read(cls, exchange: str, headers: Mapping[str, object]) -> Mark | None:
        """Read a mark from a record.

        Args:
            exchange: The exchange that the record was published to.
            headers: The record's headers.

        Returns:
            None when the record is an ordinary publication: it came through another exchange than the default
            one, or its nonce could not become an epoch. An epoch that no position can carry is left out.
        """
        if exchange or NONCE not in headers:
            return None
        nonce, basis = _epoch(headers[NONCE]), headers.get(BASIS)
        if not nonce:
            return None
        return cls(
            nonce,
            _epoch(headers.get(EPOCH)),
            basis if isinstance(basis, str) else "",
            _epoch(headers.get(REPLACES)),
            SUSPENDS in headers,
        )

    def headers(self) -> dict[str, object]:
        """Give the headers that carry it."""
        headers: dict[str, object] = {NONCE: self.nonce, EPOCH: self.epoch, BASIS: self.basis}
        if self.replaces:
            headers[REPLACES] = self.replaces
        if self.suspends:
            headers[SUSPENDS] = 1
        return headers


def basis_of(offset: int, nonce: str) -> str:
    """Return how a mark is named as the basis of another one."""
    return f"{offset}:{nonce}"


def _epoch(value: object) -> str:
    """Return a header's value if it could be an epoch, else ``""``."""
    return value if isinstance(value, str) and is_epoch(value) else ""
