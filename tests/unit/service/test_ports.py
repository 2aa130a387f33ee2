from __future__ import annotations

import pytest
from twisted.internet.tcp import makeBinding

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
