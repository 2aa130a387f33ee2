"""The admin port put together: which page stands where."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from pushd.admin.dashboard import Dashboard
from pushd.admin.exchange import Page
from pushd.admin.health import Live, Ready, StatusPage
from pushd.admin.loop import LoopLag
from pushd.admin.metrics import Metrics
from pushd.admin.publish import BroadcastRequest, PublishPage, PublishRequest
from pushd.admin.site import AdminSite
from pushd.message import Publication
from pushd.stats import Stats
from pushd.status import Status

__all__ = ["AdminPort"]

_ENVELOPE = 64 * 1024
"""Bytes allowed around a message's body in a request: names, channels, white space."""


@dataclass(frozen=True)
class AdminPort:
    """What the admin port's pages work with.

    Args:
        status: Takes a snapshot of the instance.
        readiness: Gives the reasons why no new client should be sent here.
        publish: Publishes; its Deferred fires once the message is confirmed and in the history.
        stats: The counters.
        lag: How late the reactor is.
        clock: Paces timeouts.
        message_size: The most bytes of a message's body.
        hosts: Further names under which the port may be asked, see :class:`AdminSite`.
    """

    status: Callable[[], Status]
    readiness: Callable[[], Collection[str]]
    publish: Callable[[Publication], Deferred[None]]
    stats: Stats
    lag: LoopLag
    clock: IReactorTime
    message_size: int
    hosts: Collection[str] = ()

    def site(self) -> AdminSite:
        """Give the factory to listen with."""
        pages: dict[str, Page] = {
            "/": Dashboard(),
            "/live": Live(self.lag),
            "/ready": Ready(self.readiness),
            "/metrics": Metrics(self.stats, self.status, self.lag),
            "/api/status": StatusPage(self.status),
            "/api/publish": PublishPage(PublishRequest, self.publish, self.message_size),
            "/api/broadcast": PublishPage(BroadcastRequest, self.publish, self.message_size),
        }
        # JSON writes most text in at most twice its bytes of UTF-8 (escapes of three-byte characters).
        limit = 2 * self.message_size + _ENVELOPE
        return AdminSite(pages, self.clock, body_limit=limit, hosts=self.hosts)
