"""The public side: who is let in, how long everything may take, and the edge where it begins."""

from __future__ import annotations

import time
from dataclasses import dataclass
from random import SystemRandom
from typing import Self

from pushd.client.address import Proxies
from pushd.client.admission import Admission, Bucket
from pushd.client.edge import Edge
from pushd.client.input import InputQueue
from pushd.client.lifecycle import Lifecycle
from pushd.client.origin import Origins
from pushd.client.reception import Reception
from pushd.client.sweep import Pace, Sweep
from pushd.service.core import Core
from pushd.service.routes import routes

__all__ = ["Public"]

_MOST_PENDING = 10_000
"""Connections at once that have not said yet what they want."""


@dataclass(frozen=True)
class Public:
    """What browsers meet.

    Attributes:
        edge: To listen with.
        sweep: Looks after everybody who came in by it.
    """

    edge: Edge
    sweep: Sweep

    @classmethod
    def around(cls, core: Core) -> Self:
        """Build it."""
        config, limits = core.config, core.config.limits
        proxies = Proxies(config.auth.trusted_proxies)
        life = _lifecycle(core, proxies)
        edge = Edge(
            routes(core),
            life,
            proxies,
            Origins(config.auth.allowed_origins),
            Reception(core.turns),
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
        share = SystemRandom().random
        return cls(edge, Sweep(core.reactor, core.hub, core.turns, pace, life.deadlines, share=share))


def _lifecycle(core: Core, proxies: Proxies) -> Lifecycle:
    limits = core.config.limits
    admission = Admission(
        Bucket(core.reactor, limits.accept_rate),
        proxies.key,
        core.welcome,
        most=limits.connections,
        most_per_address=limits.connections_per_ip,
    )
    return Lifecycle(
        core.reactor,
        core.stats,
        admission,
        InputQueue(core.turns),
        handshake_timeout=limits.handshake_timeout,
        close_timeout=limits.close_timeout,
        # What a client gets at once when it comes back is no sign of slowness.
        buffered_bytes=limits.buffered_bytes + 2 * limits.recovery_bytes,
    )
