"""What every benchmark server does besides serving: announce itself and publish by the clock.

The harness starts a peer as a process and talks to it in lines. The peer prints one JSON line
``{"event": "ready", "port": …, "pids": [processes whose CPU counts], "version": …}``, then obeys

    publish <messages> <size> <burst> <rate> [<shape> [<channel>]]

by publishing to all its clients on an open-loop schedule (a late server does not make the
publisher wait), answers ``{"event": "published", "messages": …, "late": seconds}``, and ends when
its standard input does. Only pushd heeds shape and channel. Peers in other languages do the same;
``../marker.h`` defines the payload.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = [
    "MARK",
    "Burst",
    "Order",
    "free_port",
    "json_payload",
    "parse_order",
    "payload",
    "ready",
    "say",
    "schedule",
    "start_time",
]

MARK = "@{due:019d} {number:010d}"
"""The marker of ``marker.h``: when the message was due in CLOCK_MONOTONIC nanoseconds, and its number."""

_LEAD = 50_000_000
"""Nanoseconds between the command and the first message: time to leave the command's own handler."""


@dataclass(frozen=True, slots=True)
class Order:
    """One ``publish`` command.

    Attributes:
        messages: How many in all, numbered from 0.
        size: Bytes of each payload.
        burst: How many are offered at once, before the server gets to write.
        rate: Messages per second over the whole window.
        shape: ``text`` (filler) or ``json`` (a document that deflates as documents do).
        channel: Where to publish; ``""`` for everybody.
    """

    messages: int
    size: int
    burst: int
    rate: float
    shape: str = "text"
    channel: str = ""

    def line(self) -> str:
        """Give the command as it travels."""
        rest = f"{self.shape} {self.channel}".rstrip()
        return f"publish {self.messages} {self.size} {self.burst} {self.rate:.6f} {rest}"

    def seconds(self) -> float:
        """Give how long the schedule is."""
        return self.messages / self.rate


@dataclass(frozen=True, slots=True)
class Burst:
    """Messages that are due at the same moment.

    Attributes:
        due: CLOCK_MONOTONIC nanoseconds.
        payloads: The finished bodies, so that making them is not measured as delivering them.
    """

    due: int
    payloads: Sequence[bytes]

    def wait(self) -> float:
        """Give the seconds until it is due, 0.0 when it is late."""
        return max(0, self.due - time.monotonic_ns()) / 1e9

    def late(self) -> float:
        """Give the seconds that have passed since it was due, 0.0 before."""
        return max(0, time.monotonic_ns() - self.due) / 1e9


def parse_order(line: str) -> Order:
    """Read a ``publish`` line.

    Raises:
        ValueError: It is something else.
    """
    word, messages, size, burst, rate, *shape = line.split()
    if word != "publish":
        raise ValueError(f"not a command: {line!r}")
    return Order(int(messages), int(size), int(burst), float(rate), *shape)


def payload(due: int, number: int, size: int) -> bytes:
    """Give a text body of ``size`` bytes (at least the marker) that begins with the marker."""
    return (MARK.format(due=due, number=number) + " ").ljust(size, "x").encode()


def json_payload(due: int, number: int, size: int) -> bytes:
    """Give a JSON document of about ``size`` bytes: half names that repeat, half figures that change."""
    start = f'{{"mark":"{MARK.format(due=due, number=number)}","quotes":['
    rows = range(max(1, (size - len(start)) // (len(_quote(0)) + 1)))
    return (start + ",".join(_quote(number * 7919 + row * 104729) for row in rows) + "]}").encode()


def _quote(step: int) -> str:
    symbol, price, volume = step % 9973, 100 + step % 89_989 / 100, 100_000 + step % 899_981
    return f'{{"symbol":"S{symbol:04d}","price":{price:.2f},"volume":{volume}}}'


def schedule(order: Order, start: int) -> Iterator[Burst]:
    """Give the bursts of an order that begins at ``start`` (nanoseconds), each when it is asked for."""
    make = json_payload if order.shape == "json" else payload
    for first in range(0, order.messages, order.burst):
        due = start + int(first / order.rate * 1e9)
        numbers = range(first, min(first + order.burst, order.messages))
        yield Burst(due, [make(due, number, order.size) for number in numbers])


def start_time() -> int:
    """Give the moment a schedule that is ordered now begins."""
    return time.monotonic_ns() + _LEAD


def free_port() -> int:
    """Give a port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def say(event: str, **fields: object) -> None:
    """Print one JSON line for the harness."""
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


def ready(port: int, version: str, pids: Sequence[int] = ()) -> None:
    """Announce that connections are accepted; this process counts unless others are named."""
    say("ready", port=port, pids=list(pids) or [os.getpid()], version=version)
