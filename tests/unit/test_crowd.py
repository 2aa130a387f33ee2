"""Who goes along, and the columns that a pass reads."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pushd.crowd import Audience, Crowd
from tests.support.roster import FakeClient


def rows(audience: Audience) -> set[tuple[object, object, object]]:
    """Give what stands side by side, in whatever order."""
    columns = (audience.connections, audience.encodings, audience.sockets)
    return set(zip(*columns, strict=True))


def row(client: FakeClient) -> tuple[object, object, object]:
    """Give what has to stand side by side."""
    return client, client.encoding, client.socket


def test_members() -> None:
    """They are counted, known, and taken in and out once."""
    one, other = FakeClient(1), FakeClient(2)
    crowd = Crowd()
    crowd.add(one)
    crowd.add(one)
    assert (1, True, False) == (len(crowd), one in crowd, other in crowd)
    assert [False, True, False] == [crowd.discard(client) for client in (other, one, one)]
    assert 0 == len(crowd)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9))))
def test_columns_agree_whoever_comes_and_goes(changes: list[tuple[bool, int]]) -> None:
    """What a pass needs of each stands at the same place, and nobody is there twice."""
    clients = [FakeClient(number) for number in range(10)]
    crowd, present = Crowd(), set()
    for comes, number in changes:
        client = clients[number]
        if comes:
            crowd.add(client)
            present.add(client)
        else:
            assert (client in present) == crowd.discard(client)
            present.discard(client)
        everybody = crowd.everybody()
        assert len(present) == len(crowd) == len(everybody.connections)
        assert set(map(row, present)) == rows(everybody)


def test_what_was_given_does_not_change() -> None:
    """A pass goes on while others come and go; the next one is given the same if nobody does."""
    one, other, third = clients = [FakeClient(number) for number in range(3)]
    crowd = Crowd()
    for client in clients:
        crowd.add(client)
    first = crowd.everybody()
    assert first is crowd.everybody()
    crowd.discard(one)
    second = crowd.everybody()
    crowd.clear()
    assert [set(clients), {other, third}, set()] == [
        set(audience.connections) for audience in (first, second, crowd.everybody())
    ]
