from __future__ import annotations

from typing import Any, cast

import pytest
from twisted.internet.task import Clock

from pushd.client.admission import Admission, Bucket
from pushd.client.http import HttpError


class Door:
    """An admission with room for three, two of one address, and four a second."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.welcome = True
        self.admission = Admission(
            Bucket(cast("Any", self.clock), 4),
            lambda address: "" if address == "proxy" else address,
            lambda: self.welcome,
            most=3,
            most_per_address=2,
        )

    def knock(self, address: str) -> int:
        """Try to get in; gives the status of the refusal, or 0."""
        try:
            self.admission.admit(address)
        except HttpError as error:
            return error.status if "Retry-After" in dict(error.headers) else -1
        return 0


def test_as_many_as_there_is_room_for() -> None:
    """Who leaves makes room."""
    door = Door()
    assert [0, 0, 0, 503] == [door.knock(address) for address in "abcd"]
    door.admission.release("a")
    assert (0, 3) == (door.knock("d"), door.admission.count)


def test_as_many_of_one_address_as_allowed() -> None:
    """Others are not affected, and another instance would not do either."""
    door = Door()
    assert [0, 0, 429, 0] == [door.knock(address) for address in "aaab"]
    door.admission.release("a")
    door.admission.release("a")
    door.clock.advance(1)
    assert [0, 0] == [door.knock("a"), door.knock("a")]


def test_who_is_behind_a_silent_proxy_is_not_counted_by_its_address() -> None:
    """All of them would be one."""
    door = Door()
    assert [0, 0, 0] == [door.knock("proxy") for _ in range(3)]
    door.admission.release("proxy")
    assert 2 == door.admission.count


def test_as_fast_as_allowed() -> None:
    """A second's worth at once, then at the rate."""
    door = Door()
    for _ in range(4):
        assert 0 == door.knock("a")
        door.admission.release("a")
    assert 503 == door.knock("a")
    door.clock.advance(0.25)
    assert 0 == door.knock("a")
    assert 503 == door.knock("b")


def test_a_rest_does_not_add_up() -> None:
    """After a long silence there is still only a second's worth."""
    bucket = Bucket(cast("Any", clock := Clock()), 2)
    clock.advance(100)
    assert [True, True, False] == [bucket.take() for _ in range(3)]


@pytest.mark.parametrize(("rate", "takes"), [(0, True), (0.5, False)])
def test_slow_and_unlimited_rates(rate: float, *, takes: bool) -> None:
    """Without a rate there is no limit; one below one a second needs its time."""
    bucket = Bucket(cast("Any", clock := Clock()), rate)
    assert takes == bucket.take()
    clock.advance(2)
    assert bucket.take()


def test_nobody_while_the_instance_is_not_ready() -> None:
    """Nothing is counted for it."""
    door = Door()
    door.welcome = False
    assert (503, 0) == (door.knock("a"), door.admission.count)
