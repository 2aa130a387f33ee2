"""The operators' side: the admin port, the control port, and the one report that they all read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from pushd.admin.loop import LoopLag
from pushd.admin.port import AdminPort
from pushd.admin.site import AdminSite
from pushd.control.commands import Commands
from pushd.control.telnet import ControlFactory
from pushd.service.core import Core
from pushd.status import Reporter

__all__ = ["Operators"]


@dataclass(frozen=True)
class Operators:
    """What operators meet.

    Attributes:
        report: Takes a snapshot of the instance.
        lag: Measures how late the reactor is.
        admin: To listen with for HTTP.
        control: To listen with for telnet.
    """

    report: Reporter
    lag: LoopLag
    admin: AdminSite
    control: ControlFactory

    @classmethod
    def around(cls, core: Core) -> Self:
        """Build it."""
        clock, broker, stats = core.reactor, core.broker, core.stats
        report = Reporter(
            core.config.pushd.instance,
            core.hub,
            broker,
            stats,
            core.unready,
            clock,
            started_at=clock.seconds(),
        )
        lag = LoopLag(clock)
        size, hosts = core.config.limits.message_size, core.config.listen.admin_hosts
        admin = AdminPort(report, core.unready, core.publish, stats, lag, clock, size, hosts)
        return cls(report, lag, admin.site(), _control(core, report))


def _control(core: Core, report: Reporter) -> ControlFactory:
    limits = core.config.limits
    commands = Commands(
        instance=core.config.pushd.instance,
        status=report,
        roster=core.hub,
        clock=core.reactor,
        message_size=limits.message_size,
        channel_length=limits.channel_length,
    )
    return ControlFactory(
        commands,
        core.publish,
        core.reactor,
        sessions=limits.control_sessions,
        idle=limits.control_idle,
    )
