from __future__ import annotations

from tests.unit.service.tree import Instance, started


def test_the_admin_port_answers_under_configured_names(instances: list[Instance]) -> None:
    """Those by which a scraper knows it, and no others."""
    instance = started(instances, LISTEN_ADMIN_HOSTS="push1.internal, push")
    hosts = "push1.internal:8191", "PUSH:8191", "localhost:8191", "push2.internal:8191"
    assert [200, 200, 200, 421] == [instance.operator("/metrics", host=host).status for host in hosts]
