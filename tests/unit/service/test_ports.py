from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.protocol import Factory
from twisted.internet.tcp import Port, makeBinding

from pushd.config import load
from pushd.service.ports import public_port
from tests.unit.service.tree import ADMIN, CONTROL, Instance, started


@pytest.mark.parametrize(
    ("endpoint", "place", "backlog"),
    [
        ("tcp:8091:interface=127.0.0.1", 8091, 4096),
        ("tcp:8091:backlog=7", 8091, 7),
        ("unix:/run/pushd.sock", "/run/pushd.sock", 4096),
    ],
)
def test_the_public_port_holds_a_herd(
    instances: list[Instance], endpoint: str, place: object, backlog: int
) -> None:
    """Unless the operator chose how many; the operators' own ports have no use for more than usual."""
    instance = started(instances, LISTEN_PUBLIC=endpoint)
    assert (backlog, 50) == (instance.reactor.backlogs[place], instance.reactor.backlogs[ADMIN])


@pytest.mark.parametrize(
    ("endpoint", "interface", "backlog"),
    [
        ("tcp:8091", "", 4096),
        ("tcp:8091:interface=127.0.0.1:backlog=7", "127.0.0.1", 7),
        ("tcp6:8091", "::", 4096),
        (r"tcp6:8091:interface=\:\:1", "::1", 4096),
    ],
)
def test_the_public_port_may_be_shared(
    instances: list[Instance], endpoint: str, interface: str, backlog: int
) -> None:
    """With instances that say so, too; the operators' ports are of one instance each."""
    instance = started(instances, LISTEN_PUBLIC=endpoint, LISTEN_REUSE_PORT="yes")
    shared = makeBinding(interface, 8091, reuseAddress=True, reusePort=True)
    assert {shared, ADMIN, CONTROL} == set(instance.reactor.factories)
    assert (backlog, interface) == (instance.reactor.backlogs[shared], instance.reactor.interfaces[shared])


class Herd(Port):
    """A port that always finds as many as it takes, and then takes more, as Twisted's does."""

    def __init__(self) -> None:
        super().__init__(0, Factory())
        self.numberAccepts = 100
        self.taken: list[int] = []

    def doRead(self) -> None:
        """Take them."""
        self.taken.append(self.numberAccepts)
        self.numberAccepts += 20


class Listener:
    """A reactor that has this port only."""

    def __init__(self, port: Port) -> None:
        self._port = port

    def listenTCP(self, *_: object, **__: object) -> Port:
        """Give it."""
        return self._port


def test_a_herd_comes_in_by_the_hundred() -> None:
    """However many wait, a turn of the reactor has other things to do, too."""
    port = Herd()
    listener: Any = Listener(port)
    public_port(load(environ={}).config.listen, Factory(), listener).privilegedStartService()
    for _ in range(3):
        port.doRead()
    assert [100, 100, 100] == port.taken


def test_one_client_is_read_a_little_at_a_time() -> None:
    """What it says may be all tiny frames; the connection is else what it would be."""
    port = Herd()
    usual = port.transport
    listener: Any = Listener(port)
    public_port(load(environ={}).config.listen, Factory(), listener).privilegedStartService()
    assert issubclass(port.transport, usual)
    assert 8192 == port.transport.bufferSize
