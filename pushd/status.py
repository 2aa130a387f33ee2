"""How this instance is doing, as one snapshot.

The control port's lines, the admin port's JSON and systemd's one line are all made from it, so
they never disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime

from pushd.interfaces import Broker, Roster
from pushd.message import Position
from pushd.stats import Stats

__all__ = ["Reporter", "Status", "duration"]


def duration(seconds: float) -> str:
    """Write a span the way people say it, in its two largest units: ``3h12m``, ``45s``."""
    left = max(0, int(seconds))
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count}{unit}")
    return "".join(parts[:2]) or "0s"


@dataclass(frozen=True, slots=True)
class Status:
    """The state of one instance at one moment.

    Attributes:
        instance: The instance's name.
        uptime: Seconds since it started.
        attached: Whether the broker's consumer is live.
        broker: What the broker says about itself, one line.
        clients: How many clients there are, by protocol; 0 for one whose last client has left.
        channels: How many channels have a subscriber.
        position: Up to where everything has been fanned out.
        messages: Messages received from the broker.
        deliveries: Messages handed to a client's socket, counted per client.
        slow: Times a client's socket was full.
        unready: Why no new client should be sent here; empty when ready.
    """

    instance: str
    uptime: float
    attached: bool
    broker: str
    clients: Mapping[str, int]
    channels: int
    position: Position
    messages: int
    deliveries: int
    slow: int
    unready: tuple[str, ...]

    def lines(self) -> tuple[str, ...]:
        """Give the three lines an operator reads."""
        total = sum(self.clients.values())
        kinds = ", ".join(f"{name} {count}" for name, count in _largest_first(self.clients) if count)
        return (
            f"instance {self.instance}, up {duration(self.uptime)}, {self._broker_line()}",
            f"clients {total}{f' ({kinds})' if kinds else ''}, channels {self.channels}",
            f"messages {self.messages}, deliveries {self.deliveries}, slow {self.slow}",
        )

    def line(self) -> str:
        """Give the one line a service manager shows."""
        state = f"not ready ({'; '.join(self.unready)})" if self.unready else "ready"
        # Why the broker is away stands in the reasons already.
        broker = f", {self._broker_line()}" if self.attached else ""
        return f"{state}, clients {sum(self.clients.values())}{broker}"

    def as_json(self) -> dict[str, object]:
        """Give what a program reads; units stand in the names."""
        return {
            "instance": self.instance,
            "uptime_seconds": round(self.uptime, 3),
            "ready": not self.unready,
            "reasons": list(self.unready),
            "broker": {"attached": self.attached, "text": self.broker},
            "position": {"epoch": self.position.epoch, "offset": self.position.offset},
            "clients": dict(_largest_first(self.clients)),
            "channels": self.channels,
            "messages": self.messages,
            "deliveries": self.deliveries,
            "slow": self.slow,
        }

    def _broker_line(self) -> str:
        return f"broker {'connected' if self.attached else 'away'}, {self.broker}"


@dataclass(frozen=True)
class Reporter:
    """Takes the snapshot; calling it reads a handful of numbers and walks over nothing.

    Args:
        instance: The instance's name.
        roster: The hub.
        broker: Where messages come from.
        stats: The counters.
        readiness: Gives the reasons why no new client should be sent here; none when ready.
        clock: Tells the time.
        started_at: When the instance started, by ``clock``.
    """

    instance: str
    roster: Roster
    broker: Broker
    stats: Stats
    readiness: Callable[[], Collection[str]]
    clock: IReactorTime
    started_at: float

    def __call__(self) -> Status:
        """Take a snapshot."""
        broker = self.broker.status()
        return Status(
            instance=self.instance,
            uptime=self.clock.seconds() - self.started_at,
            attached=broker.attached,
            broker=broker.text,
            clients=dict(self.roster.counts),
            channels=len(self.roster.channels),
            position=self.roster.position,
            messages=self.stats.messages,
            deliveries=self.stats.deliveries,
            slow=self.stats.slow,
            unready=tuple(self.readiness()),
        )


def _largest_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
