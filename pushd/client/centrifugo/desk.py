"""What all sessions of this protocol on one instance share, so that each holds one reference to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from pushd.client.auth import Authenticator
from pushd.client.centrifugo.announcements import Announcements
from pushd.client.centrifugo.backlog import Backlog
from pushd.client.centrifugo.rules import Rules
from pushd.client.centrifugo.workload import Workload
from pushd.hub import Hub
from pushd.message import Publication
from pushd.stats import Stats

__all__ = ["Desk"]


@dataclass(frozen=True)
class Desk:
    """Collaborators.

    Attributes:
        hub: Where sessions join.
        rules: What clients may do.
        auth: Judges tokens.
        publish: Publishes; the Deferred fires once the message is confirmed and in the history, and fails
            with :class:`pushd.interfaces.PublishError`.
        stats: Counts resumptions.
        clock: Tells the time that deadlines are compared with.
        now: Gives the time in seconds since the Unix epoch, which tokens speak of.
        new_client: Makes a name for a client that no other ever had.
        work: Counts what commands cost, and shares it out over the turns.
        announcements: Tell who comes and goes.
    """

    hub: Hub
    rules: Rules
    auth: Authenticator
    publish: Callable[[Publication], Deferred[None]]
    stats: Stats
    clock: IReactorTime
    now: Callable[[], float]
    new_client: Callable[[], str]
    work: Workload
    announcements: Announcements

    @property
    def backlog(self) -> Backlog:
        """Looks back in the hub's memory, within the rules."""
        return Backlog(self.hub, self.rules.recovery_bytes)
