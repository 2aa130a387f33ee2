"""What stands where on the public port."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from random import SystemRandom
from uuid import uuid4

from pushd.client.auth import Anonymous, Authenticator, Tokens
from pushd.client.centrifugo.announcements import Announcements
from pushd.client.centrifugo.desk import Desk
from pushd.client.centrifugo.routes import JSON, CentrifugoRoute, UniSseRoute, UniWebSocketRoute
from pushd.client.centrifugo.rules import Rules
from pushd.client.centrifugo.workload import Workload
from pushd.client.edge import Route
from pushd.client.gate import Gate
from pushd.client.head import Request
from pushd.client.http import Response
from pushd.client.raw import RawRoute
from pushd.client.session import Session
from pushd.client.sse import SseRoute
from pushd.config import Auth
from pushd.deflate import Deflating
from pushd.encoding import (
    TEXT,
    CentrifugoEncoding,
    CentrifugoFrames,
    Framing,
    RawEncoding,
    SseEncoding,
    UniEncoding,
    UniSseEncoding,
    frame,
)
from pushd.interfaces import Encoding
from pushd.page import load
from pushd.service.core import Core

__all__ = ["routes"]


def routes(core: Core) -> list[Route]:
    """Give every route, in the order in which they are tried."""
    auth = _authenticator(core.config.auth)
    found = [*_plain(core, auth), *_centrifugo(core, auth)]
    if core.config.listen.demo:
        found.append(_demo(core.config.websocket.path))
    return found


def _authenticator(auth: Auth) -> Authenticator:
    if auth.mode == "anonymous":
        return Anonymous()
    rights = None if auth.default_rights == "all" else frozenset[str]()
    return Tokens(auth.jwt_secret, auth.jwt_audience, auth.jwt_issuer, time.time, rights)


def _plain(core: Core, auth: Authenticator) -> list[Route]:
    """Give the protocols of which a URL says everything: raw and server-sent events."""
    config, hub = core.config, core.hub
    gate = Gate(auth, core.reactor, time.time)
    path, longest, most = config.websocket.path, config.limits.channel_length, config.limits.subscriptions
    reply = frame(TEXT, config.websocket.heartbeat_reply.encode())
    raw = RawRoute(hub, RawEncoding(), gate, reply, core.stats, path, longest, most)
    encoding, share = SseEncoding(lambda: hub.position.epoch), SystemRandom().random
    retry, heartbeat = config.sse.retry, config.sse.heartbeat_event
    sse = SseRoute(hub, encoding, gate, core.stats, longest, most, retry, share, heartbeat)
    subprotocols = config.websocket.subprotocols
    return [_websocket(core, path, raw, RawEncoding, subprotocols), Route("/events", sse)]


def _centrifugo(core: Core, auth: Authenticator) -> list[Route]:
    """Give Centrifugo's protocol in its three forms."""
    hub, rules = core.hub, _rules(core)
    work = Workload(core.reactor, core.turns)
    desk = Desk(
        hub,
        rules,
        auth,
        core.publish,
        core.stats,
        core.reactor,
        time.time,
        lambda: uuid4().hex,
        work,
        Announcements(hub, rules, work),
    )
    both_ways = CentrifugoRoute(desk, CentrifugoEncoding(rules.broadcast))
    one_way = UniWebSocketRoute(desk, UniEncoding(rules.broadcast))
    encoding = UniSseEncoding(rules.broadcast, lambda: hub.position.epoch)
    events = UniSseRoute(desk, encoding, core.config.sse.retry, SystemRandom().random)
    return [
        _websocket(
            core, "/connection/websocket", both_ways, partial(CentrifugoFrames, rules.broadcast), (JSON,)
        ),
        _websocket(
            core, "/connection/uni_websocket", one_way, partial(UniEncoding, rules.broadcast), (JSON,)
        ),
        Route("/connection/uni_sse", events, methods=("GET", "POST")),
    ]


def _websocket(
    core: Core,
    path: str,
    opener: Callable[[Request], Session],
    deflated: Callable[[Framing], Encoding],
    subprotocols: tuple[str, ...],
) -> Route:
    """Return a route for WebSockets.

    Args:
        deflated: Makes the encoding of clients that agree to deflated messages, if so configured.
        subprotocols: Those that may be chosen.
    """
    websocket = core.config.websocket
    encoding = deflated(Deflating(websocket.compression_min_size)) if websocket.compression else None
    return Route(path, opener, websocket=True, deflated=encoding, subprotocols=subprotocols)


def _rules(core: Core) -> Rules:
    centrifugo, limits = core.config.centrifugo, core.config.limits
    return Rules(
        broadcast=centrifugo.broadcast,
        publish=centrifugo.publish,
        presence=centrifugo.presence,
        join_leave=centrifugo.join_leave,
        subscriptions=limits.subscriptions,
        channel_length=limits.channel_length,
        recovery_bytes=limits.recovery_bytes,
        ping_interval=core.config.websocket.ping_interval,
    )


def _demo(path: str) -> Route:
    """Give the demo page, which speaks to the raw route at ``path``."""
    demo = load("pushd.client", "demo.html", path=path)
    page = Response(200, demo.headers, demo.body)
    return Route("/", lambda _: page, methods=("GET", "HEAD"))
