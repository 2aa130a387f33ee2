from __future__ import annotations

from pushd.message import Position
from tests.unit.client.centrifugo.talk import Server


def test_the_backlog_keeps_to_the_rules() -> None:
    """It reads the desk's hub, up to the bytes that the rules allow."""
    server = Server(recovery_bytes=5)
    message = server.hub.publish("x", b"12345")
    assert [message] == server.desk.backlog.recover("x", Position("e1", 10), 11)
    server.hub.publish("x", b"1")
    assert server.desk.backlog.recover("x", Position("e1", 10), 12) is None
