"""The daemon, put together on the way that messages take: broker, hub, browsers; then what operators see."""

from __future__ import annotations

import os
from random import SystemRandom
from typing import Any

from twisted.logger import Logger

from pushd.broker.amqp import AmqpBroker
from pushd.broker.memory import MemoryBroker
from pushd.config import Config
from pushd.drain import Drain
from pushd.history import History
from pushd.hub import Hub
from pushd.interfaces import Broker
from pushd.service.core import Core
from pushd.service.daemon import Pushd
from pushd.service.operators import Operators
from pushd.service.ports import operator_port, public_port
from pushd.service.public import Public
from pushd.stats import Stats
from pushd.systemd import Systemd
from pushd.turns import Turns

__all__ = ["assemble", "build"]

_log = Logger()


def build(config: Config, reactor: Any) -> Pushd:
    """Give the daemon for a configuration, ready to be started.

    Raises:
        ValueError: A certificate or key cannot be read.
    """
    stats = Stats()
    return assemble(config, reactor, _broker(config, reactor, stats), stats)


def assemble(config: Config, reactor: Any, broker: Broker, stats: Stats) -> Pushd:
    """Give the daemon around a broker."""
    turns = Turns(reactor, stats)
    hub = _hub(config, reactor, broker, stats, turns)
    drain = Drain(reactor, hub, config.limits.drain_timeout)
    core = Core(config, reactor, stats, turns, broker, hub, drain)
    public = Public.around(core)
    operators = Operators.around(core)
    listen = config.listen
    _log.info(
        "instance {instance}: browsers on {public}, admin on {admin}, control on {control}",
        instance=config.pushd.instance,
        public=listen.public,
        admin=listen.admin,
        control=listen.control,
    )
    return Pushd(
        broker=broker,
        hub=hub,
        sweep=public.sweep,
        lag=operators.lag,
        drain=drain,
        systemd=Systemd(os.environ, lambda: operators.report().line(), reactor),
        public=public_port(listen, public.edge, reactor),
        ports=(
            operator_port(listen.admin, operators.admin, reactor),
            operator_port(listen.control, operators.control, reactor),
        ),
    )


def _broker(config: Config, reactor: Any, stats: Stats) -> Broker:
    random = SystemRandom()
    if config.broker.urls[0].scheme == "memory":
        return MemoryBroker(reactor, stats, random)
    return AmqpBroker(reactor, config.broker, config.pushd.instance, config.history.max_age, stats, random)


def _hub(config: Config, reactor: Any, broker: Broker, stats: Stats, turns: Turns) -> Hub:
    held, limits = config.history, config.limits
    history = History(max_messages=held.max_messages, max_bytes=held.max_bytes, max_age=held.max_age)
    return Hub(
        history,
        broker,
        stats,
        reactor,
        turns,
        buffered_bytes=limits.buffered_bytes,
        slow_clients=limits.slow_clients,
        catch_up_readers=limits.catch_up_readers,
        recovery_bytes=limits.recovery_bytes,
    )
