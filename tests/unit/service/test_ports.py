from __future__ import annotations

import pytest

from tests.unit.service.tree import ADMIN, Instance, started


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
