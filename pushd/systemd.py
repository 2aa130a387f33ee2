"""Telling systemd how we are: sd_notify(3) over its datagram socket, and the watchdog.

The service manager names the socket in ``NOTIFY_SOCKET``; without it everything here does
nothing. Nothing here ever raises or blocks: a service manager that does not listen must not
harm the service. The watchdog says only that the reactor turns. Whether the broker is there
is no part of it, or an outage of the broker would restart every instance in a circle.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

__all__ = ["Notifier", "Systemd", "watchdog_seconds"]

_log = Logger()

_STATUS_EVERY = 2.0
"""Seconds between two refreshed ``STATUS=`` lines, at most: who looks should not see what is long over."""


def watchdog_seconds(environ: Mapping[str, str], pid: int) -> float:
    """Give the seconds within which systemd expects a sign of life (sd_watchdog_enabled(3)).

    Returns:
        ``WATCHDOG_USEC`` in seconds, or 0.0 when it is absent, malformed or meant for another process.
    """
    text = environ.get("WATCHDOG_USEC", "")
    if environ.get("WATCHDOG_PID", str(pid)) != str(pid) or not (text.isascii() and text.isdigit()):
        return 0.0
    return int(text) / 1_000_000


class Notifier:
    """Sends assignments to the service manager's socket.

    Args:
        address: The value of ``NOTIFY_SOCKET``: a path, or ``@`` and an abstract name; others are ignored.
    """

    def __init__(self, address: str) -> None:
        # An abstract socket's name begins with NUL, which no environment variable can hold (unix(7)).
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.enabled = address[:1] in ("@", "/")

    def send(self, **assignments: str | int) -> None:
        """Send all assignments in one datagram; values are held to one line each."""
        if not self.enabled:
            return
        lines = (f"{name}={' '.join(str(value).split())}" for name, value in assignments.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.setblocking(False)
                channel.sendto("\n".join(lines).encode(), self._address)
        except (OSError, ValueError) as error:
            _log.debug("systemd was not told: {error}", error=error)


class Systemd:
    """What the service manager hears over one life of the daemon.

    Args:
        environ: The process's environment.
        status: Gives the line for ``STATUS=``.
        clock: Paces the watchdog.
    """

    def __init__(self, environ: Mapping[str, str], status: Callable[[], str], clock: IReactorTime) -> None:
        self._notifier = Notifier(environ.get("NOTIFY_SOCKET", ""))
        self._status = status
        # At least thrice in the watchdog's time: two signs of life may be late before systemd acts.
        deadline = watchdog_seconds(environ, os.getpid())
        self._interval = min(deadline / 3 or _STATUS_EVERY, _STATUS_EVERY)
        self._pulse = LoopingCall(self._beat)
        self._pulse.clock = clock

    def start(self) -> None:
        """Begin the signs of life; call it first of all, since starting counts against the watchdog too."""
        if self._notifier.enabled:
            self._pulse.start(self._interval)

    def ready(self) -> None:
        """Start-up is complete: what waits for this service may go on."""
        self._notifier.send(READY=1, STATUS=self._line())

    def stopping(self, drain: float) -> None:
        """The drain begins; systemd is asked for ``drain`` more seconds before it kills."""
        self._notifier.send(STOPPING=1, STATUS="draining", EXTEND_TIMEOUT_USEC=int(drain * 1_000_000))

    def stop(self) -> None:
        """End the signs of life: nothing is left to watch."""
        if self._pulse.running:
            self._pulse.stop()

    def _beat(self) -> None:
        self._notifier.send(WATCHDOG=1, STATUS=self._line())

    def _line(self) -> str:
        """Give the status; a fault in making it must not end the signs of life."""
        try:
            return self._status()
        except Exception:  # noqa: BLE001  # whatever it is
            _log.failure("the status for systemd could not be made")
            return "status unknown"
