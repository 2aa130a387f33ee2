"""Ports to listen on, from the configuration's endpoint strings."""

from __future__ import annotations

from typing import Any

from twisted.application import strports
from twisted.application.service import Service
from twisted.internet.interfaces import IProtocolFactory

from pushd.config import Listen

__all__ = ["operator_port", "public_port"]

_BACKLOG = 4096
"""Connections that the kernel holds until we accept them; Twisted's 50 are few when a herd comes back."""


def public_port(listen: Listen, factory: IProtocolFactory, reactor: Any) -> Service:
    """Give the port for browsers."""
    return strports.service(_with_backlog(listen.public), factory, reactor)


def operator_port(endpoint: str, factory: IProtocolFactory, reactor: Any) -> Service:
    """Give a port for operators."""
    return strports.service(endpoint, factory, reactor)


def _with_backlog(endpoint: str) -> str:
    """Ask for a backlog that suits a herd, unless the operator chose one."""
    plain = endpoint.startswith(("tcp:", "tcp6:", "ssl:", "unix:")) and "backlog=" not in endpoint
    return f"{endpoint}:backlog={_BACKLOG}" if plain else endpoint
