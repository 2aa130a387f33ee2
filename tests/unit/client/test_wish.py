from __future__ import annotations

import pytest

from pushd.client.http import HttpError
from pushd.client.wish import EARLIEST, Wish, parse
from pushd.message import Position

_POSITION = "a position is written epoch:offset, letters and digits, then a whole number"


def parsed(query: dict[str, list[str]], header: str = "") -> Wish:
    """Read a request, with limits of two channels and ten bytes."""
    return parse(query, header, longest=10, most=2)


def test_a_request_names_channels() -> None:
    """``channel`` may stand in the query several times, or not at all for broadcasts alone."""
    assert Wish(frozenset({"a", "b"})) == parsed({"channel": ["a", "b", "a"]})
    assert Wish(frozenset()) == parsed({})


def test_the_header_wins_over_the_query() -> None:
    """A browser that comes back sends both, and its header is the newer one."""
    query = {"last_event_id": ["e1:5"]}
    assert Position("e1", 5) == parsed(query).after
    assert Position("e1", 7) == parsed(query, "e1:7").after
    assert Position("e1", 7) == parsed({"last_event_id": ["nonsense"]}, "e1:7").after


def test_a_stand_in_for_eventsource_says_it_in_the_query() -> None:
    """It adds its own, newer position to the URL that the page made."""
    query = {"last_event_id": ["e1:5"], "lastEventId": ["e1:6", "e1:7"]}
    assert Position("e1", 7) == parsed(query).after
    assert Position("e1", 9) == parsed(query, "e1:9").after
    assert Position("e1", 5) == parsed(query | {"lastEventId": [""]}).after
    assert Position("e1", 8) == parsed({"evs_last_event_id": ["e1:8"], "last_event_id": ["e1:5"]}).after


def test_earliest_is_a_position() -> None:
    """``earliest`` asks for everything that is held."""
    assert EARLIEST == parsed({"last_event_id": ["earliest"]}).after
    assert EARLIEST == parsed({}, "earliest").after
    assert parsed({"last_event_id": [""]}).after is None


@pytest.mark.parametrize(
    ("query", "header", "text"),
    [
        ({"channel": ["a", "b", "c"]}, "", "at most 2 channels on one connection"),
        ({"channel": [""]}, "", "a channel's name must not be empty"),
        ({"channel": ["x" * 11]}, "", "a channel's name must not exceed 10 bytes"),
        ({"last_event_id": ["x"]}, "", _POSITION),
        ({}, "e1:-5", _POSITION),
    ],
)
def test_what_cannot_be_granted_is_said(query: dict[str, list[str]], header: str, text: str) -> None:
    """A bad name, too many of them or a malformed position is refused in clear words."""
    with pytest.raises(HttpError) as caught:
        parsed(query, header)
    assert (400, text) == (caught.value.status, caught.value.text)
