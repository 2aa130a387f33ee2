"""What this server allows the clients of this protocol, and how it calls broadcasts towards them."""

from __future__ import annotations

from dataclasses import dataclass

from pushd import channel as channels
from pushd.client.centrifugo.errors import BAD_REQUEST, RefusedError
from pushd.message import BROADCAST

__all__ = ["Rules"]


@dataclass(frozen=True, slots=True)
class Rules:
    """Values from the configuration.

    Attributes:
        broadcast: The channel on which broadcasts arrive: every connection is subscribed to it by the server.
        publish: Whether clients may publish, to channels they are subscribed to.
        presence: Whether clients may ask who is on a channel.
        join_leave: Whether the clients on a channel are told who comes and goes.
        subscriptions: Most channels of one connection, besides broadcasts.
        channel_length: Most bytes of UTF-8 in a channel's name.
        recovery_bytes: Most bytes that a client is given at once of what it missed, or may leave unread of
            the answers to what it asked.
        ping_interval: Seconds after which a silent server may be taken for dead, less a grace.
    """

    broadcast: str = "broadcast"
    publish: bool = False
    presence: bool = True
    join_leave: bool = False
    subscriptions: int = 128
    channel_length: int = 255
    recovery_bytes: int = 1_048_576
    ping_interval: float = 25.0

    def channel(self, name: str) -> str:
        """Give the channel that a client calls ``name``.

        Raises:
            RefusedError: It is no name of a channel.
        """
        if name == self.broadcast:
            return BROADCAST
        if channels.fault(name, self.channel_length):
            raise RefusedError(BAD_REQUEST)
        return name

    def name(self, channel: str) -> str:
        """Give the name under which clients know ``channel``."""
        return channel or self.broadcast
