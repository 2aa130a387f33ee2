"""Ports to listen on, from the configuration's endpoint strings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twisted.application import strports
from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from twisted.internet.tcp import Port, makeBinding
from zope.interface import implementer

from pushd.config import Listen

__all__ = ["operator_port", "public_port"]

_BACKLOG = 4096
"""Connections that the kernel holds until we accept them; Twisted's 50 are few when a herd comes back."""

_ACCEPTS = 100
"""Connections accepted in one turn, about 10 ms with their handshakes; Twisted takes ever more in a herd."""

_READ = 8192
"""Bytes read from one connection in one turn: in tiny frames they are about 6 ms, Twisted's 65536 are 60."""


def public_port(listen: Listen, factory: IProtocolFactory, reactor: Any) -> Service:
    """Give the port for browsers, which several instances may share.

    Raises:
        ValueError: It is a socket of systemd's, who has none for us.
    """
    listener: Any = _Sharing(reactor) if listen.reuse_port else reactor
    service = _port(_with_backlog(listen.public), factory, listener)
    service.endpoint = _Paced(service.endpoint)
    return service


def operator_port(endpoint: str, factory: IProtocolFactory, reactor: Any) -> Service:
    """Give a port for operators.

    Raises:
        ValueError: See :func:`public_port`.
    """
    return _port(endpoint, factory, reactor)


def _port(endpoint: str, factory: IProtocolFactory, reactor: Any) -> StreamServerEndpointService:
    try:
        return strports.service(endpoint, factory, reactor)
    except (LookupError, ValueError):
        # All else has been tried out when the configuration was read.
        raise ValueError(f"[listen] {endpoint}: systemd has handed over no such socket") from None


@dataclass(frozen=True, slots=True)
class _Sharing:
    """What an endpoint sees of a reactor, whose TCP ports it shares with other processes.

    The kernel spreads new connections over all that listen, provided that each of them asked for it and
    runs as the same user (socket(7), ``SO_REUSEPORT``).
    """

    reactor: Any

    def listenTCP(self, port: int, factory: Any, backlog: int, interface: str) -> IListeningPort:
        """Listen, see :class:`twisted.internet.interfaces.IReactorTCP`."""
        shared = makeBinding(interface, port, reuseAddress=True, reusePort=True)
        # Twisted reads the address family from the interface, which must be the binding's.
        return self.reactor.listenTCP(shared, factory, backlog, interface)  # type: ignore[no-any-return]


@implementer(IStreamServerEndpoint)
@dataclass(frozen=True, slots=True)
class _Paced:
    """An endpoint whose port leaves the rest of a herd to later turns, so that messages flow meanwhile."""

    endpoint: Any

    def listen(self, factory: Any) -> Deferred[IListeningPort]:
        """Listen, see :class:`twisted.internet.interfaces.IStreamServerEndpoint`."""
        return self.endpoint.listen(factory).addCallback(_pace)  # type: ignore[no-any-return]


def _pace(port: IListeningPort) -> IListeningPort:
    """Bound what Twisted raises by 20 with each turn that it was used up in, and what it reads at once."""
    if isinstance(port, Port):
        port.transport = type("Server", (port.transport,), {"bufferSize": _READ})  # type: ignore[assignment]
        accept = port.doRead

        def accept_some() -> None:
            port.numberAccepts = min(port.numberAccepts, _ACCEPTS)
            accept()

        port.doRead = accept_some  # type: ignore[method-assign]
    return port


def _with_backlog(endpoint: str) -> str:
    """Ask for a backlog that suits a herd, unless the operator chose one."""
    plain = endpoint.startswith(("tcp:", "tcp6:", "ssl:", "unix:")) and "backlog=" not in endpoint
    return f"{endpoint}:backlog={_BACKLOG}" if plain else endpoint
