"""The composition root: builds everything in reading order, and holds the one ordered start and drain.

The only module that sees the whole configuration; every other is given the few values it needs.
"""

from __future__ import annotations

import gc
import os
import time
from functools import partial
from random import SystemRandom
from typing import Any
from uuid import uuid4

from twisted.application import strports
from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from pushd.admin.loop import LoopLag
from pushd.admin.port import AdminPort
from pushd.broker.amqp import AmqpBroker
from pushd.broker.memory import MemoryBroker
from pushd.client.address import Proxies
from pushd.client.admission import Admission, Bucket
from pushd.client.auth import Anonymous, Authenticator, Tokens
from pushd.client.centrifugo.desk import Desk
from pushd.client.centrifugo.routes import CentrifugoRoute, UniSseRoute, UniWebSocketRoute
from pushd.client.centrifugo.rules import Rules
from pushd.client.edge import Edge, Route
from pushd.client.gate import Gate
from pushd.client.http import Response
from pushd.client.lifecycle import Lifecycle
from pushd.client.origin import Origins
from pushd.client.raw import RawRoute
from pushd.client.sse import SseRoute
from pushd.client.sweep import Pace, Sweep
from pushd.config import Config
from pushd.control.commands import Commands
from pushd.control.telnet import ControlFactory
from pushd.drain import Drain
from pushd.encoding import (
    TEXT,
    CentrifugoEncoding,
    RawEncoding,
    SseEncoding,
    UniEncoding,
    UniSseEncoding,
    frame,
)
from pushd.history import History
from pushd.hub import Hub
from pushd.interfaces import Broker
from pushd.page import load
from pushd.stats import Stats
from pushd.status import Reporter
from pushd.systemd import Systemd

__all__ = ["Pushd", "build"]

_log = Logger()

_BACKLOG = 4096
"""Connections that the kernel holds until we accept them; Twisted's 50 are few when a herd comes back."""

_MOST_PENDING = 10_000
"""Connections at once that have not said yet what they want."""


def build(config: Config, reactor: Any) -> Service:
    """Give the daemon for a configuration, ready to be started.

    Raises:
        ValueError: A certificate or key cannot be read.
    """
    stats = Stats()
    return assemble(config, reactor, _broker(config, reactor, stats), stats)


def assemble(config: Config, reactor: Any, broker: Broker, stats: Stats) -> Pushd:
    """Give the daemon around a broker."""
    held, limits = config.history, config.limits
    history = History(max_messages=held.max_messages, max_bytes=held.max_bytes, max_age=held.max_age)
    hub = Hub(
        history,
        broker,
        stats,
        reactor,
        buffered_bytes=limits.buffered_bytes,
        slow_clients=limits.slow_clients,
    )
    proxies = Proxies(config.auth.trusted_proxies)
    drain = Drain(reactor, hub, limits.drain_timeout)
    admission = Admission(
        Bucket(reactor, limits.accept_rate),
        proxies.key,
        lambda: hub.warm and not drain.draining,
        most=limits.connections,
        most_per_address=limits.connections_per_ip,
    )
    life = Lifecycle(
        reactor,
        stats,
        admission,
        handshake_timeout=limits.handshake_timeout,
        close_timeout=limits.close_timeout,
        # What a client gets at once when it comes back is no sign of slowness.
        buffered_bytes=limits.buffered_bytes + 2 * limits.recovery_bytes,
    )
    edge = Edge(
        _routes(config, hub, broker, stats, reactor),
        life,
        proxies,
        Origins(config.auth.allowed_origins),
        message_size=limits.message_size,
        most_pending=_MOST_PENDING,
        now=time.time,
    )
    pace = Pace(
        config.websocket.ping_interval,
        config.websocket.ping_timeout,
        limits.stall_timeout,
        limits.connection_age,
    )
    sweep = Sweep(reactor, hub, pace, life.deadlines, SystemRandom().random)
    readiness = partial(_readiness, hub, broker, drain)
    instance = config.pushd.instance
    report = Reporter(instance, hub, broker, stats, readiness, reactor, started_at=reactor.seconds())
    commands = Commands(
        instance=instance,
        status=report,
        roster=hub,
        clock=reactor,
        message_size=limits.message_size,
        channel_length=limits.channel_length,
    )
    control = ControlFactory(
        commands, broker.publish, reactor, sessions=limits.control_sessions, idle=limits.control_idle
    )
    lag = LoopLag(reactor)
    admin = AdminPort(report, readiness, broker.publish, stats, lag, reactor, limits.message_size).site()
    listen = config.listen
    _log.info(
        "instance {instance}: browsers on {public}, admin on {admin}, control on {control}",
        instance=instance,
        public=listen.public,
        admin=listen.admin,
        control=listen.control,
    )
    return Pushd(
        broker=broker,
        hub=hub,
        sweep=sweep,
        lag=lag,
        drain=drain,
        systemd=Systemd(os.environ, lambda: report().line(), reactor),
        public=strports.service(_with_backlog(listen.public), edge, reactor),
        ports=(
            strports.service(listen.admin, admin, reactor),
            strports.service(listen.control, control, reactor),
        ),
    )


class Pushd(MultiService):
    """The daemon: what is started, and in which order it stops.

    Args:
        broker: Told to attach at the start, and to detach when all clients are gone.
        hub: Told by the broker.
        sweep: Runs as long as there are clients.
        lag: Runs from start to end.
        drain: Sends the clients away.
        systemd: Told what happens.
        public: The port for browsers; closed first.
        ports: The ports for operators; they answer until the end.
    """

    def __init__(
        self,
        *,
        broker: Broker,
        hub: Hub,
        sweep: Sweep,
        lag: LoopLag,
        drain: Drain,
        systemd: Systemd,
        public: Service,
        ports: tuple[Service, ...],
    ) -> None:
        super().__init__()
        self._broker = broker
        self._hub = hub
        self._sweep = sweep
        self._lag = lag
        self._drain = drain
        self._systemd = systemd
        self._public = public
        for port in (*ports, public):
            port.setServiceParent(self)

    def startService(self) -> None:
        """Start everything; a port that cannot be had raises."""
        self._systemd.start()
        super().startService()
        self._lag.start()
        self._sweep.start()
        self._broker.start(self._hub)
        _tune_collector()
        # Listening is enough: whoever waits for systemd's "started" must not wait for a broker that is down.
        self._systemd.ready()

    def stopService(self) -> Deferred[None]:
        """Drain, then stop; fires when nothing is left."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self._systemd.stopping(self._drain.longest)
        await self._public.disownServiceParent()
        await self._drain.run()
        await self._drain.within(self._broker.stop())
        self._sweep.stop()
        self._lag.stop()
        self._systemd.stop()
        await super().stopService()


def _broker(config: Config, reactor: Any, stats: Stats) -> Broker:
    random = SystemRandom()
    if config.broker.urls[0].scheme == "memory":
        return MemoryBroker(reactor, stats, random)
    return AmqpBroker(reactor, config.broker, config.pushd.instance, config.history.max_age, stats, random)


def _routes(config: Config, hub: Hub, broker: Broker, stats: Stats, reactor: Any) -> list[Route]:
    """Give what stands where on the public port."""
    limits, path, share = config.limits, config.websocket.path, SystemRandom().random
    longest, most = limits.channel_length, limits.subscriptions
    auth = _authenticator(config)
    gate = Gate(auth, reactor, time.time)
    rules = Rules(
        broadcast=config.centrifugo.broadcast,
        publish=config.centrifugo.publish,
        presence=config.centrifugo.presence,
        join_leave=config.centrifugo.join_leave,
        subscriptions=most,
        channel_length=longest,
        recovery_bytes=limits.recovery_bytes,
        ping_interval=config.websocket.ping_interval,
    )
    desk = Desk(hub, rules, auth, broker.publish, stats, reactor, time.time, lambda: uuid4().hex)
    reply = frame(TEXT, config.websocket.heartbeat_reply.encode())
    raw = RawRoute(hub, RawEncoding(), gate, reply, stats, path, longest, most)
    sse_encoding = SseEncoding(lambda: hub.position.epoch)
    sse = SseRoute(hub, sse_encoding, gate, stats, longest, most, config.sse.retry, share)
    uni_encoding = UniSseEncoding(rules.broadcast, lambda: hub.position.epoch)
    uni = UniSseRoute(desk, uni_encoding, config.sse.retry, share)
    routes = [
        Route(path, raw, websocket=True),
        Route(
            "/connection/websocket",
            CentrifugoRoute(desk, CentrifugoEncoding(rules.broadcast)),
            websocket=True,
        ),
        Route(
            "/connection/uni_websocket", UniWebSocketRoute(desk, UniEncoding(rules.broadcast)), websocket=True
        ),
        Route("/connection/uni_sse", uni, methods=("GET", "POST")),
        Route("/events", sse),
    ]
    if config.listen.demo:
        demo = load("pushd.client", "demo.html", path=path)
        page = Response(200, demo.headers, demo.body)
        routes.append(Route("/", lambda _: page, methods=("GET", "HEAD")))
    return routes


def _authenticator(config: Config) -> Authenticator:
    auth = config.auth
    if auth.mode == "anonymous":
        return Anonymous()
    return Tokens(auth.jwt_secret, auth.jwt_audience, auth.jwt_issuer, time.time)


def _readiness(hub: Hub, broker: Broker, drain: Drain) -> list[str]:
    """Give the reasons why no client should be sent here."""
    reasons = []
    if drain.draining:
        reasons.append("draining")
    if not hub.warm:
        reasons.append("the history has not been read yet")
    if not hub.ready:
        reasons.append(f"not attached to the broker: {broker.status().text}")
    return reasons


def _with_backlog(endpoint: str) -> str:
    """Ask for a backlog that suits a herd, unless the operator chose one."""
    plain = endpoint.startswith(("tcp:", "tcp6:", "ssl:", "unix:")) and "backlog=" not in endpoint
    return f"{endpoint}:backlog={_BACKLOG}" if plain else endpoint


def _tune_collector() -> None:
    """Keep the garbage collector off what lives as long as the process, and from running at every herd."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
