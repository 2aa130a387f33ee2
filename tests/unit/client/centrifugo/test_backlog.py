from __future__ import annotations

from typing import cast

import pytest

from pushd.client.centrifugo.backlog import NOTHING_KNOWN, Backlog
from pushd.client.centrifugo.commands import History, Since
from pushd.client.centrifugo.errors import UNRECOVERABLE, RefusedError
from pushd.hub import Hub
from pushd.message import Message, Position
from tests.support.still_hub import StillHub


@pytest.fixture
def hub() -> StillHub:
    """Give a hub whose channel ``x`` has 11, 13 and 15, of 10 bytes each; its tip is 15, its floor 0."""
    hub = StillHub(tip=10)
    for channel in "xyxyx":
        hub.publish(channel, b'"abcdefgh"')
    return hub


def backlog(hub: StillHub, max_bytes: int = 1000) -> Backlog:
    """Look back in ``hub``."""
    return Backlog(cast("Hub", hub), max_bytes)


def offsets(messages: list[Message] | None) -> list[int] | None:
    """Name messages by their offsets."""
    return None if messages is None else [message.offset for message in messages]


def test_recovery_gives_what_was_missed(hub: StillHub) -> None:
    """Everything on the channel after the position, and nothing of other channels."""
    assert [13, 15] == offsets(backlog(hub).recover("x", Position("e1", 11), 15))


def test_recovery_ends_at_the_connections_level(hub: StillHub) -> None:
    """What is above comes to the connection as it comes to everybody."""
    assert [13] == offsets(backlog(hub).recover("x", Position("e1", 11), 14))


def test_a_position_above_the_level_is_not_recovered(hub: StillHub) -> None:
    """Otherwise the connection would be given again what is in between."""
    assert backlog(hub).recover("x", Position("e1", 14), 13) is None


def test_nothing_known_recovers_everything_held(hub: StillHub) -> None:
    """A client that never had a position gets all there is."""
    assert [11, 13, 15] == offsets(backlog(hub).recover("x", NOTHING_KNOWN, 15))
    hub.floor = 12
    assert [13, 15] == offsets(backlog(hub).recover("x", NOTHING_KNOWN, 15))


def test_recovery_is_whole_or_none(hub: StillHub) -> None:
    """Another log's position, a part that fell off or too many bytes recover nothing."""
    assert backlog(hub).recover("x", Position("e0", 11), 15) is None
    assert [13, 15] == offsets(backlog(hub, 20).recover("x", Position("e1", 11), 15))
    assert backlog(hub, 19).recover("x", Position("e1", 11), 15) is None
    hub.floor = 12
    assert backlog(hub).recover("x", Position("e1", 11), 15) is None


@pytest.mark.parametrize(
    ("request_", "given"),
    [
        (History(channel="x"), []),
        (History(channel="x", limit=2), [11, 13]),
        (History(channel="x", limit=-1), [11, 13, 15]),
        (History(channel="x", limit=9, since=Since(offset=11, epoch="e1")), [13, 15]),
        (History(channel="x", limit=2, reverse=True), [15, 13]),
        (History(channel="x", limit=9, reverse=True, since=Since(offset=15, epoch="e1")), [13, 11]),
    ],
)
def test_history_comes_in_pages(hub: StillHub, request_: History, given: list[int]) -> None:
    """From the oldest on or backwards, from a position on or before it, up to a limit."""
    assert given == offsets(backlog(hub).page("x", request_))


@pytest.mark.parametrize(
    ("request_", "given"),
    [
        (History(channel="x", limit=4), [11, 13, 15, 16, 16, 16]),
        (History(channel="x", limit=3), [11, 13, 15]),
        (History(channel="x", limit=1, reverse=True), [16, 16, 16]),
        (History(channel="x", limit=1, since=Since(offset=15, epoch="e1")), [16, 16, 16]),
    ],
)
@pytest.mark.parametrize("max_bytes", [1000, 31])
def test_a_page_cuts_no_batch(hub: StillHub, request_: History, given: list[int], max_bytes: int) -> None:
    """A client asks for what follows by the page's last offset, which all parts of a batch have."""
    for following in (2, 1, 0):
        hub.log.append(Message(16, "x", b"0", following=following))
    hub.position = Position("e1", 16)
    assert given == offsets(backlog(hub, max_bytes).page("x", request_))


def test_a_page_is_cut_to_what_fits(hub: StillHub) -> None:
    """One message is always given, so that a client can go on from it."""
    everything = History(channel="x", limit=-1)
    assert [11, 13] == offsets(backlog(hub, 29).page("x", everything))
    assert [11] == offsets(backlog(hub, 1).page("x", everything))


def test_history_stops_at_what_has_been_fanned_out(hub: StillHub) -> None:
    """What everybody is still to get is not history yet."""
    hub.log.append(Message(16, "x", b"1"))
    assert [11, 13, 15] == offsets(backlog(hub).page("x", History(channel="x", limit=-1)))
    assert [15] == offsets(backlog(hub).page("x", History(channel="x", limit=1, reverse=True)))


@pytest.mark.parametrize("reverse", [False, True])
def test_history_of_another_log_is_unrecoverable(hub: StillHub, *, reverse: bool) -> None:
    """A position that is not of this log is no place to begin."""
    elsewhere = Since(offset=11, epoch="e0")
    with pytest.raises(RefusedError) as refusal:
        backlog(hub).page("x", History(channel="x", limit=1, reverse=reverse, since=elsewhere))
    assert UNRECOVERABLE == refusal.value.error


def test_history_that_fell_off_is_unrecoverable(hub: StillHub) -> None:
    """A page with a hole is no page; backwards from there is what is still held."""
    hub.floor = 12
    with pytest.raises(RefusedError):
        backlog(hub).page("x", History(channel="x", limit=9, since=Since(offset=11, epoch="e1")))
