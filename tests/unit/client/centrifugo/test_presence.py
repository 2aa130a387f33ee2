from __future__ import annotations

import json

import pytest

from pushd.client.centrifugo import presence, replies
from pushd.client.centrifugo.client import Client
from pushd.client.centrifugo.errors import LIMIT_EXCEEDED, RefusedError
from pushd.message import BROADCAST
from tests.support.roster import FakeClient, FakeRoster
from tests.unit.client.centrifugo.talk import Server, Vouchers


def test_only_clients_of_this_protocol_are_listed() -> None:
    """Others have no name to be listed by."""
    server = Server(Vouchers())
    for user in ("anna", "anna", "ben"):
        server.connected(token=user).subscribe("x")
    server.hub.channels["x"].append(FakeClient(9))  # type: ignore[arg-type]
    members = presence.audience(server.hub, "x", Client)  # type: ignore[arg-type]
    assert {
        "presence": {
            "c1": {"user": "anna", "client": "c1"},
            "c2": {"user": "anna", "client": "c2"},
            "c3": {"user": "ben", "client": "c3"},
        }
    } == json.loads(replies.dumps(presence.listing(members)))
    assert {"num_clients": 3, "num_users": 2} == presence.statistics(members)


def test_an_empty_channel_has_nobody() -> None:
    """A channel without subscribers has no members."""
    assert [] == presence.audience(FakeRoster(), "x", FakeClient)


def test_everybody_is_where_broadcasts_go() -> None:
    """The audience of broadcasts are all connections."""
    clients = [FakeClient(1), FakeClient(2)]
    assert clients == presence.audience(FakeRoster(*clients), BROADCAST, FakeClient)


def test_a_crowd_is_not_listed() -> None:
    """More than a thousand connections would make a long turn and a long answer."""
    crowd = [FakeClient(number, channels={"x"}) for number in range(presence.MOST)]
    assert crowd == presence.audience(FakeRoster(*crowd), "x", FakeClient)
    with pytest.raises(RefusedError) as refusal:
        presence.audience(FakeRoster(*crowd, FakeClient(0, channels={"x"})), "x", FakeClient)
    assert LIMIT_EXCEEDED == refusal.value.error
