"""Batches of Spring's template, to clients of every protocol under audit."""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING

import pytest

from pushd.audit.crowd import PROTOCOLS, make_client
from tests.support.audience import QUICK, Audience
from tests.support.cluster import vhost_url
from tests.support.daemon import Daemon
from tests.support.publisher import publish

if TYPE_CHECKING:
    from tests.support.rabbitmq import RabbitNode


def publish_batch(url: str, numbers: range, **headers: str) -> None:
    """Publish numbered messages in one body, as ``BatchingRabbitTemplate`` does."""
    parts = [b'{"n": %d, "series": "222"}' % number for number in numbers]
    body = b"".join(pack(">i", len(part)) + part for part in parts)
    headers = {"springBatchFormat": "lengthHeader4", **headers}
    publish(url, body, "222", headers=headers, content_type="application/json")


@pytest.mark.parametrize("queue", ["stream", "exclusive"])
def test_every_message_of_a_batch_arrives_once(rabbit: RabbitNode, queue: str) -> None:
    """In order, on one channel and for clients that hear it on two; batches missed are made up for."""
    url = vhost_url(rabbit)
    with Daemon("1", {"broker.url": url, "broker.queue": queue}) as daemon:
        resumable = [name for name in PROTOCOLS if name != "raw" and queue == "stream"]
        with Audience(
            make_client(protocol, f"http://127.0.0.1:{daemon.public}", ["222"], QUICK)
            for protocol in resumable or PROTOCOLS
        ) as audience:
            audience.wait_online()
            publish_batch(url, range(1, 51))
            publish_batch(url, range(51, 101))
            audience.wait_taken({"222": 100})
            if resumable:
                daemon.stop()
                publish_batch(url, range(101, 151))
                daemon.serve()
                audience.wait_taken({"222": 150})
            reports = audience.reports({"222": 150 if resumable else 100})
        assert {(0, 0, 0)} == {(r.duplicates, r.out_of_order, r.resets) for r in reports}
        assert [set()] * len(reports) == [set(report.missing) for report in reports]


def test_a_batch_on_two_channels_of_a_client(rabbit: RabbitNode) -> None:
    """The protocols that merge channels give each message once."""
    url = vhost_url(rabbit)
    with Daemon("1", {"broker.url": url}) as daemon:
        with Audience(
            make_client(protocol, f"http://127.0.0.1:{daemon.public}", ["222", "333"], QUICK)
            for protocol in PROTOCOLS
            if protocol in {"raw", "sse"}
        ) as audience:
            audience.wait_online()
            publish_batch(url, range(1, 51), channels="222,333")
            audience.wait_taken({"222": 50})
            reports = audience.reports({"222": 50})
        assert {(0, 0, 0)} == {(r.duplicates, r.out_of_order, r.resets) for r in reports}
        assert [set()] * len(reports) == [set(report.missing) for report in reports]
