"""Sessions that are kept alive by WebSocket pings: ``?cf_ws_frame_ping_pong=true``.

Tools such as wscat answer no ping of the protocol, while each WebSocket library answers a WebSocket's by
itself. The connect answer then promises no pings of the protocol, or a client would wait for them.
"""

from __future__ import annotations

from collections.abc import Mapping

from pushd.client.auth import Identity
from pushd.client.centrifugo.client import Client
from pushd.client.centrifugo.commands import Connect, Subscribe
from pushd.client.centrifugo.replies import Fields
from pushd.client.centrifugo.session import CentrifugoSession
from pushd.client.centrifugo.uni import UniSession
from pushd.resume import Older

__all__ = ["FramePingSession", "FramePingUniSession"]


class _FramePings(Client):
    """The common part of both forms."""

    __slots__ = ()

    def ping(self) -> None:
        """Send a WebSocket ping."""
        self.wire.ping()

    def _enter(self, identity: Identity, wishes: Mapping[str, Subscribe], older: Older) -> Fields:
        return _without("ping", super()._enter(identity, wishes, older))


class FramePingSession(_FramePings, CentrifugoSession):
    """A bidirectional session with WebSocket pings."""

    __slots__ = ()

    def _connect(self, number: int, request: Connect, older: Older | None) -> Fields | None:
        result = super()._connect(number, request, older)
        return None if result is None else _without("pong", result)


class FramePingUniSession(_FramePings, UniSession):
    """A unidirectional session with WebSocket pings."""

    __slots__ = ()


def _without(name: str, fields: Fields) -> Fields:
    return {key: value for key, value in fields.items() if key != name}
