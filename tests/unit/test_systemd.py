"""What systemd hears, over real datagram sockets."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from pushd.systemd import Notifier, Systemd, watchdog_seconds


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """Give the socket of a service manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


def heard(manager: socket.socket) -> list[str]:
    """Give the datagrams that have arrived."""
    found = []
    while True:
        try:
            found.append(manager.recv(4096).decode())
        except BlockingIOError:
            return found


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({"WATCHDOG_USEC": "\u0663"}, 0.0),
    ],
)
def test_watchdog_seconds(environ: dict[str, str], seconds: float) -> None:
    """The deadline counts only when it is a number and meant for this process."""
    assert seconds == watchdog_seconds(environ, 7)


def test_a_path(manager: socket.socket) -> None:
    """Assignments go out in one datagram, a line each, and no value can add a line."""
    Notifier(manager.getsockname()).send(READY=1, STATUS="a\nSTOPPING=1  b")
    assert ["READY=1\nSTATUS=a STOPPING=1 b"] == heard(manager)


def test_an_abstract_name() -> None:
    """An at sign stands for the NUL that begins an abstract name."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0pushd-test-{os.getpid()}")
        manager.setblocking(False)
        Notifier(f"@pushd-test-{os.getpid()}").send(READY=1)
        assert ["READY=1"] == heard(manager)


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "relative"])
def test_no_socket(address: str) -> None:
    """Without a socket of a kind we know nothing is sent."""
    notifier = Notifier(address)
    notifier.send(READY=1)
    assert not notifier.enabled


@pytest.mark.parametrize("address", ["/nonexistent/notify", "/" + "x" * 200])
def test_nobody_listens(address: str) -> None:
    """A socket that is not there, or cannot be, harms nobody."""
    Notifier(address).send(READY=1)


def test_text_that_cannot_be_encoded(manager: socket.socket) -> None:
    """A status that is no valid text is not sent and harms nobody."""
    Notifier(manager.getsockname()).send(STATUS="\ud800")
    assert [] == heard(manager)


def test_a_life(manager: socket.socket) -> None:
    """Signs of life at a third of the deadline, then ready, stopping and silence."""
    clock = Clock()
    environ = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "3000000"}
    systemd = Systemd(environ, lambda: "fine", clock)
    systemd.start()
    systemd.ready()
    assert ["WATCHDOG=1\nSTATUS=fine", "READY=1\nSTATUS=fine"] == heard(manager)
    clock.pump([0.5, 0.5, 1.0])
    assert ["WATCHDOG=1\nSTATUS=fine"] * 2 == heard(manager)
    systemd.stopping(2.5)
    assert ["STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=2500000"] == heard(manager)
    systemd.stop()
    clock.advance(10)
    assert [] == heard(manager)


@pytest.mark.parametrize("watchdog", [{}, {"WATCHDOG_USEC": "30000000"}])
def test_the_status_is_never_old(manager: socket.socket, watchdog: dict[str, str]) -> None:
    """Without a deadline, or with a long one, the status is refreshed all the same, every two seconds."""
    clock = Clock()
    Systemd({"NOTIFY_SOCKET": manager.getsockname()} | watchdog, lambda: "fine", clock).start()
    heard(manager)
    clock.advance(1.9)
    assert [] == heard(manager)
    clock.advance(0.1)
    assert ["WATCHDOG=1\nSTATUS=fine"] == heard(manager)


def test_without_systemd() -> None:
    """Run by hand, there is no timer and nothing to stop."""
    clock = Clock()
    systemd = Systemd({}, lambda: "fine", clock)
    systemd.start()
    systemd.stop()
    assert [] == clock.getDelayedCalls()


def test_a_failing_status(manager: socket.socket) -> None:
    """A fault in making the status does not end the signs of life."""
    clock = Clock()

    def fail() -> str:
        raise LookupError("broken")

    Systemd({"NOTIFY_SOCKET": manager.getsockname()}, fail, clock).start()
    clock.advance(10)
    assert ["WATCHDOG=1\nSTATUS=status unknown"] * 2 == heard(manager)
