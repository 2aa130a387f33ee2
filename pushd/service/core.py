"""What both sides of the daemon, browsers and operators, are built around."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred

from pushd.config import Config
from pushd.drain import Drain
from pushd.hub import Hub
from pushd.interfaces import Broker
from pushd.message import Publication
from pushd.stats import Stats
from pushd.turns import Turns

__all__ = ["Core"]


@dataclass(frozen=True)
class Core:
    """The middle of one instance. Only the composition root sees it: parts are given what they need of it.

    Attributes:
        turns: Shared by all that may take long.
        reactor: Whatever the parts ask of it, each by an interface of its own.
    """

    config: Config
    reactor: Any
    stats: Stats
    turns: Turns
    broker: Broker
    hub: Hub
    drain: Drain

    def publish(self, publication: Publication) -> Deferred[None]:
        """Publish; fires once the broker has confirmed it and this instance's histories include it.

        The second condition holds for a bounded time only: what is confirmed never fails. The Deferred fails
        with :class:`pushd.interfaces.PublishError` when the publication is not confirmed.
        """
        return self.broker.publish(publication).addCallback(self.hub.holding)

    def welcome(self) -> bool:
        """Whether clients are let in now; an outage of the broker keeps nobody out."""
        return self.hub.warm and not self.drain.draining

    def unready(self) -> list[str]:
        """Give the reasons why no client should be sent here."""
        reasons = []
        if self.drain.draining:
            reasons.append("draining")
        if not self.hub.warm:
            reasons.append("the history has not been read yet")
        if not self.hub.ready:
            reasons.append(f"not attached to the broker: {self.broker.status().text}")
        return reasons
