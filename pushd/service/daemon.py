"""The daemon as Twisted's service: the one ordered start, and the one ordered drain."""

from __future__ import annotations

import gc

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from pushd.admin.loop import LoopLag
from pushd.client.sweep import Sweep
from pushd.drain import Drain
from pushd.hub import Hub
from pushd.interfaces import Broker
from pushd.systemd import Systemd

__all__ = ["Pushd"]

_log = Logger()


class Pushd(MultiService):
    """The daemon: what is started, and in which order it stops.

    Args:
        broker: Told to attach at the start, and to detach when all clients are gone.
        hub: Told by the broker.
        sweep: Runs as long as there are clients.
        lag: Runs from start to end.
        drain: Sends the clients away.
        systemd: Told what happens.
        public: The port for browsers; closed first.
        ports: The ports for operators; they answer until the end.
    """

    def __init__(
        self,
        *,
        broker: Broker,
        hub: Hub,
        sweep: Sweep,
        lag: LoopLag,
        drain: Drain,
        systemd: Systemd,
        public: Service,
        ports: tuple[Service, ...],
    ) -> None:
        super().__init__()
        self._broker = broker
        self._hub = hub
        self._sweep = sweep
        self._lag = lag
        self._drain = drain
        self._systemd = systemd
        self._public = public
        for port in (*ports, public):
            port.setServiceParent(self)

    def startService(self) -> None:
        """Start everything; a port that cannot be had raises."""
        self._systemd.start()
        super().startService()
        self._lag.start()
        self._sweep.start()
        self._broker.start(self._hub)
        _tune_collector()
        # Listening is enough: whoever waits for systemd's "started" must not wait for a broker that is down.
        self._systemd.ready()

    def stopService(self) -> Deferred[None]:
        """Drain, then stop; fires when nothing is left."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        _log.info("stopping; clients to send away: {count}", count=len(self._hub.connections))
        self._systemd.stopping(self._drain.longest)
        await self._public.disownServiceParent()
        await self._drain.run()
        await self._drain.within(self._broker.stop())
        self._sweep.stop()
        self._lag.stop()
        self._systemd.stop()
        await super().stopService()
        _log.info("stopped")


def _tune_collector() -> None:
    """Keep the garbage collector off what lives as long as the process, and its pauses short in a herd.

    A young collection looks at 10,000 objects and a middle one at 50,000, some milliseconds; the old ones are
    connections, which reference counts free.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 5, 1_000)
