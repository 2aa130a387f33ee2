from __future__ import annotations

import pytest

from pushd.client.lead import MOST, is_ahead
from pushd.message import Position


@pytest.mark.parametrize(
    ("client", "ahead"),
    [
        (Position("e1", 10), False),
        (Position("e1", 11), True),
        (Position("e1", 10 + MOST), True),
        (Position("e1", 11 + MOST), False),
        (Position("e0", 11), False),
    ],
)
def test_a_little_ahead_in_the_same_log(client: Position, *, ahead: bool) -> None:
    """Not level, not far above, and not in another log."""
    assert ahead == is_ahead(client, Position("e1", 10), abreast=True)


@pytest.mark.parametrize(
    ("client", "ahead"),
    [(Position("e1", 10), False), (Position("e1", 10_000), True), (Position("e0", 10_000), False)],
)
def test_any_way_ahead_of_one_that_is_behind(client: Position, *, ahead: bool) -> None:
    """It cannot know how far the others have come."""
    assert ahead == is_ahead(client, Position("e1", 10), abreast=False)
