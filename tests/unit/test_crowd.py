"""Who goes along, and the columns that a pass reads."""

from __future__ import annotations

from pushd.crowd import Crowd
from tests.support.roster import FakeClient


def test_members() -> None:
    """They are counted, known, and taken out once."""
    one, other = FakeClient(1), FakeClient(2)
    crowd = Crowd()
    crowd.add(one)
    assert (1, True, False) == (len(crowd), one in crowd, other in crowd)
    assert [False, True, False] == [crowd.discard(client) for client in (other, one, one)]
    assert 0 == len(crowd)


def test_everybody() -> None:
    """What a pass needs of each stands at the same place, in the order in which they came."""
    clients = [FakeClient(number) for number in range(3)]
    crowd = Crowd()
    for client in clients:
        crowd.add(client)
    everybody = crowd.everybody()
    assert clients == everybody.connections
    assert [client.encoding for client in clients] == everybody.encodings
    assert [client.socket for client in clients] == everybody.sockets


def test_columns_are_made_anew_only_after_a_change() -> None:
    """Most passes find nobody come or gone; what an earlier one was given never changes."""
    one, other = FakeClient(1), FakeClient(2)
    crowd = Crowd()
    crowd.add(one)
    first = crowd.everybody()
    assert not crowd.discard(other)
    assert first is crowd.everybody()
    crowd.add(other)
    second = crowd.everybody()
    crowd.discard(one)
    third = crowd.everybody()
    crowd.clear()
    assert [[one], [one, other], [other], []] == [
        audience.connections for audience in (first, second, third, crowd.everybody())
    ]
