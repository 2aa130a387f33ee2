"""pushd.broker.amqp.topology; what RabbitMQ makes of it is in tests/integration/test_broker_faults.py."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from pushd.broker.amqp.faults import Lost
from pushd.broker.amqp.topology import declare_exchange, segment_bytes
from tests.unit.broker.amqp.fakes import FakeLink


def test_segments() -> None:
    """A stream has about twenty segments, none too small to be worth a file or larger than RabbitMQ's own."""
    assert segment_bytes(1_000_000_000) == 50_000_000
    assert segment_bytes(1000) == 65536
    assert segment_bytes(10**12) == 500_000_000


class Guarded(FakeLink):
    """A connection on whose channels declaring is refused, or everything is.

    Args:
        code: How a declaration is refused.
        passive: Whether asking for what exists is refused too.
    """

    def __init__(self, code: int, *, passive: bool = False) -> None:
        super().__init__()
        self._refusal = Lost("refused", code)
        self._passive = passive

    def channel(self) -> Deferred[Any]:
        """Open a channel: the first refuses, the next may not."""
        opened = super().channel()
        if len(self.channels) == 1 or self._passive:
            self.channels[-1].refusals["exchange_declare"] = self._refusal
        return opened


def declared(link: Any) -> Deferred[None]:
    """Have an exchange on it."""
    return Deferred.fromCoroutine(declare_exchange(link, "x"))


def test_what_may_not_be_declared_needs_only_to_exist() -> None:
    """Without the permission it is asked for as it is, on another channel: the refusal took the first."""
    link = Guarded(403)
    over: list[None] = []
    declared(link).addCallback(over.append)
    assert [None] == over
    assert [("exchange_declare", {"exchange": "x", "passive": True})] == link.channels[1].calls


@pytest.mark.parametrize(("code", "passive", "tries"), [(406, False, 1), (403, True, 2)])
def test_a_refusal_stands(code: int, passive: bool, tries: int) -> None:
    """One of another kind is not tried otherwise, and what is missing without permission stays missing."""
    link = Guarded(code, passive=passive)
    failures: list[Any] = []
    declared(link).addErrback(failures.append)
    assert ([code], tries) == ([failure.value.code for failure in failures], len(link.channels))
