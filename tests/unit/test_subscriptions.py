"""Who is connected, and who is subscribed to what."""

from __future__ import annotations

from pushd.subscriptions import Subscriptions
from tests.support.roster import FakeClient


def index(subscriptions: Subscriptions) -> dict[str, list[int]]:
    """Give the subscribers of each channel, by number."""
    return {name: [client.number for client in held] for name, held in subscriptions.channels.items()}


def test_coming_and_leaving() -> None:
    """Everybody is counted and found by channel; a channel that nobody has is forgotten."""
    subscriptions, one, two = Subscriptions(), FakeClient(1), FakeClient(2)
    subscriptions.add(one, {"a"})
    subscriptions.add(two, {"a", "b"})
    assert ([one, two], {one.protocol: 2}) == (list(subscriptions.connections), subscriptions.counts)
    assert {"a": [1, 2], "b": [2]} == index(subscriptions)
    subscriptions.remove(two)
    assert ({"a": [1]}, {one.protocol: 1}) == (index(subscriptions), subscriptions.counts)
    assert {"a", "b"} == two.channels


def test_subscribing() -> None:
    """Twice is once, and what never began ends without a word."""
    subscriptions, one = Subscriptions(), FakeClient(1)
    subscriptions.add(one, set())
    subscriptions.subscribe(one, "a")
    subscriptions.subscribe(one, "a")
    assert ({"a": [1]}, {"a"}) == (index(subscriptions), one.channels)
    subscriptions.unsubscribe(one, "b")
    subscriptions.unsubscribe(one, "a")
    assert ({}, set()) == (index(subscriptions), one.channels)
