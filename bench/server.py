"""The harness's side of a peer: the list of them, and one while it runs."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.peers.contract import Order
from bench.processes import Cpu, LineProcess, cpu_of, peak_rss_of, pin, rss_of

__all__ = ["PEERS", "Peer", "Publisher", "Server"]

_FOLDER = Path(__file__).parent / "peers"
_MODULES = _FOLDER / "node_modules"


@dataclass(frozen=True, slots=True)
class Peer:
    """A server that can be measured.

    Attributes:
        name: As on the command line and in the rows.
        label: As in tables and plots.
        command: What runs it; for a C source of ours, that source.
        path: The request target its clients use.
        needs: A file without which it cannot run, and what to say then.
    """

    name: str
    label: str
    command: tuple[str, ...]
    path: str = "/"
    needs: tuple[str, str] | None = None

    def missing(self) -> str | None:
        """Tell what has to be installed first, ``None`` when nothing."""
        if self.needs is None or shutil.which(self.needs[0]) or Path(self.needs[0]).exists():
            return None
        return self.needs[1]


def _python(module: str, *options: str) -> tuple[str, ...]:
    return (sys.executable, "-m", f"bench.peers.{module}", *options)


_BUN = str(_MODULES / "@oven" / "bun-linux-x64" / "bin" / "bun")
_NPM = "run npm install in bench/peers"

PEERS = {
    peer.name: peer
    for peer in (
        Peer("floor", "floor: send() in C", ("peers/floor.c",)),
        Peer("floor-python", "floor: send() in Python", _python("floor_python")),
        Peer("pushd", "pushd", _python("pushd_server", "limits.accept_rate=0"), "/websocket/bench"),
        Peer(
            "nchan",
            "Nchan (nginx, C)",
            _python("nchan_server"),
            needs=("/usr/lib/nginx/modules/ngx_nchan_module.so", "install libnginx-mod-nchan"),
        ),
        Peer("bun", "Bun (uWebSockets, C++)", (_BUN, str(_FOLDER / "bun_server.mjs")), needs=(_BUN, _NPM)),
        Peer("picows", "picows (Cython)", _python("picows_server")),
        Peer(
            "ws", "ws (Node.js)", ("node", str(_FOLDER / "ws_server.mjs")), needs=(str(_MODULES / "ws"), _NPM)
        ),
        Peer("websockets", "websockets broadcast()", _python("websockets_server")),
        Peer("autobahn-prepared", "Autobahn sendPreparedMessage", _python("autobahn_server", "--prepared")),
        Peer("autobahn", "Autobahn sendMessage", _python("autobahn_server")),
    )
}
"""Every server of the comparison, by name, in the order of the tables."""


class Publisher(LineProcess):
    """A running process that publishes on command.

    Args:
        command: What runs it.
        cpu: Where to bind it.
    """

    def __init__(self, command: Sequence[str], cpu: int | None = 1) -> None:
        super().__init__(command, cpu)
        try:
            self._ready = self.hear("ready", 60.0)
        except BaseException:
            self.stop()
            raise

    def publish(self, order: Order) -> None:
        """Start to publish; :meth:`published` waits for the end."""
        self.tell(order.line())

    def published(self, timeout: float) -> float:
        """Wait until all is published, and give how late the latest burst was, in seconds."""
        late: float = self.hear("published", timeout)["late"]
        return late


class Server(Publisher):
    """A running peer: it serves, and publishes by itself.

    Args:
        command: What runs it.
        cpu: Where the processes that count are bound; a peer's helper goes to the sink's.
    """

    def __init__(self, command: Sequence[str], cpu: int | None = 0) -> None:
        super().__init__(command, cpu)
        self.port: int = self._ready["port"]
        self.pids: list[int] = self._ready["pids"]
        self.version: str = self._ready["version"]
        if cpu is not None and self.pid not in self.pids:
            for pid in self.pids:
                pin(pid, cpu)
            pin(self.pid, 1)

    def stats(self) -> dict[str, Any]:
        """Ask pushd what it counted (other peers do not know this command)."""
        self.tell("stats")
        return self.hear("stats", 30.0)

    def cpu(self) -> Cpu:
        """Read what it has spent."""
        return cpu_of(self.pids)

    def rss(self) -> int:
        """Read its resident bytes."""
        return rss_of(self.pids)

    def peak_rss(self) -> int:
        """Read the most resident bytes it had."""
        return peak_rss_of(self.pids)
