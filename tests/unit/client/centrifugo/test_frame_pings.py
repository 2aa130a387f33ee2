from __future__ import annotations

from pushd.client.centrifugo.frame_pings import FramePingSession, FramePingUniSession
from tests.support.roster import NoEncoding
from tests.unit.client.centrifugo.talk import Server, Talk, uni


def test_a_bidirectional_session_is_pinged_by_the_socket() -> None:
    """The connect answer promises no pings of the protocol, and none come."""
    server = Server()
    talk = Talk(server, lambda: FramePingSession(server.desk, NoEncoding()))
    connect = talk.ask({"connect": {}})["connect"]
    assert {"client", "version", "subs"} == connect.keys()
    talk.session.ping()
    assert ([], 1) == (talk.heard(), talk.wire.pings)
    assert {"ping": {}} == talk.ask({"ping": {}})


def test_a_connection_that_reads_back_is_answered_alike() -> None:
    """Its answer comes later, and promises no pings either."""
    server = Server()
    server.hub.floor = 5
    talk = Talk(server, lambda: FramePingSession(server.desk, NoEncoding()))
    assert [] == talk.ask({"connect": {"subs": {"broadcast": {"recover": True, "epoch": "e1", "offset": 2}}}})
    server.hub.give()
    assert {"client", "version", "subs"} == talk.heard()[0]["connect"].keys()


def test_a_unidirectional_session_is_pinged_by_the_socket_alone() -> None:
    """Without it there are both."""
    for kind, pings in ((FramePingUniSession, [0, 1]), (None, [1, 1])):
        talk = uni(Server(), kind) if kind else uni(Server())
        talk.send("{}")
        assert ("ping" in talk.heard()[0]["connect"]) == (kind is None)
        talk.session.ping()
        assert pings == [len(talk.heard()), talk.wire.pings]
