"""pushd itself: the daemon's own service, around a broker to which this process publishes.

Arguments are keys of the configuration, ``section.key=value``; without any, everything is at its default and
the broker is the embedded one. What is published takes the daemon's usual way: broker, hub, sockets.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from random import SystemRandom
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater, react

from bench.peers.contract import Order, free_port, ready
from bench.peers.twisted_peer import obey
from pushd import __version__
from pushd.broker.amqp import AmqpBroker
from pushd.broker.memory import MemoryBroker
from pushd.config import Config, load
from pushd.interfaces import Broker
from pushd.message import Publication
from pushd.service import assemble
from pushd.stats import Stats

_POLL = 0.02
"""Seconds between two looks whether the broker is attached."""


def configuration(port: int, settings: Sequence[str]) -> Config:
    """Give the defaults with free ports and these settings."""
    local = dict.fromkeys(("PUSHD_LISTEN_ADMIN", "PUSHD_LISTEN_CONTROL"), "tcp:0:interface=127.0.0.1")
    environ = {"PUSHD_LISTEN_PUBLIC": f"tcp:{port}:interface=127.0.0.1", **local}
    for setting in settings:
        key, _, value = setting.partition("=")
        environ[f"PUSHD_{key.replace('.', '_').upper()}"] = value
    return load(environ=environ).config


def broker_of(config: Config, reactor: Any, stats: Stats) -> Broker:
    """Give the broker that the configuration names, as the daemon makes it."""
    random = SystemRandom()
    if config.broker.urls[0].scheme == "memory":
        return MemoryBroker(reactor, stats, random)
    return AmqpBroker(reactor, config.broker, config.pushd.instance, config.history.max_age, stats, random)


def summary(stats: Stats) -> dict[str, object]:
    """Give what the scenarios ask for."""
    return {
        "slow": stats.slow,
        "closed": stats.closed.total(),
        "longest_turn": stats.longest_turn,
    }


async def attached(reactor: Any, stats: Stats) -> None:
    """Wait until what is published arrives."""
    while not stats.attaches:
        pause: Deferred[None] = deferLater(reactor, _POLL)
        await pause


async def serve(reactor: Any) -> None:
    """Serve until standard input ends."""
    port = free_port()
    config = configuration(port, sys.argv[1:])
    stats = Stats()
    broker = broker_of(config, reactor, stats)

    def publish(payloads: Sequence[bytes], order: Order) -> None:
        channels = (order.channel,) if order.channel else ()
        for payload in payloads:
            broker.publish(Publication(payload, channels))

    daemon = assemble(config, reactor, broker, stats)
    daemon.privilegedStartService()
    daemon.startService()
    await attached(reactor, stats)
    ready(port, __version__)
    await obey(reactor, publish, lambda: summary(stats))


def main(reactor: Any) -> Deferred[None]:
    """Run :func:`serve`; the process ends with it, without a drain."""
    return Deferred.fromCoroutine(serve(reactor))


if __name__ == "__main__":
    react(main)
