from __future__ import annotations

from math import inf

from pushd.client.centrifugo.leases import Leases


def test_nothing_ends_by_itself() -> None:
    """Without leases, and with endless ones, there is nothing to wait for."""
    leases = Leases()
    leases.grant("a", inf)
    assert (inf, []) == (leases.first, leases.take_ended(1e9))


def test_the_first_end_comes_first() -> None:
    """What ends is given once, and the next one is what to wait for."""
    leases = Leases()
    leases.grant("a", 10.0)
    leases.grant("b", 20.0)
    assert 10.0 == leases.first
    assert ["a"] == leases.take_ended(10.0)
    assert ([], 20.0) == (leases.take_ended(10.0), leases.first)


def test_a_lease_is_renewed_and_dropped() -> None:
    """A later grant replaces the earlier one, an endless one too."""
    leases = Leases()
    leases.grant("a", 10.0)
    leases.grant("a", 30.0)
    assert 30.0 == leases.first
    leases.grant("a", inf)
    assert inf == leases.first
    leases.drop("a")
