"""Who is asking: a client's address, as its socket or a proxy that we trust tells it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from twisted.internet.interfaces import IAddress

__all__ = ["Proxies"]

_KNOWN = 4096
"""Addresses of which is remembered what they are."""


class Proxies:
    """Tells clients from the proxies before them.

    Args:
        trusted: Networks of proxies; one on a Unix socket is always trusted.
    """

    def __init__(self, trusted: Sequence[IPv4Network | IPv6Network]) -> None:
        self._trusted = trusted
        self._is_trusted = lru_cache(_KNOWN)(self._look_up)
        self.key = lru_cache(_KNOWN)(self._key)

    def client(self, peer: IAddress, forwarded: str) -> str:
        """Give the client's address for people and for :attr:`key`.

        Args:
            peer: The other end of the socket.
            forwarded: ``X-Forwarded-For``. It is read from its end, where the nearest proxy writes, up to
                the first that is not trusted: whatever is before may be the client's invention.
        """
        direct = getattr(peer, "host", "unix")
        if direct != "unix" and not self._is_trusted(direct):
            return str(direct)
        for hop in reversed(forwarded.split(",")):
            address = hop.strip()
            if not self._is_trusted(address):
                return address if _parse(address) else str(direct)
        return str(direct)

    def _key(self, address: str) -> str:
        """Give what connections of one client are counted by; ``""`` for a proxy's own.

        Whoever has one IPv6 address has its whole /64 (RFC 6177).
        """
        parsed = _parse(address)
        if parsed is None or self._is_trusted(address):
            return ""
        return str(parsed) if parsed.version == 4 else str(ip_network((parsed, 64), strict=False))

    def _look_up(self, address: str) -> bool:
        parsed = _parse(address)
        return parsed is not None and any(parsed in network for network in self._trusted)


def _parse(address: str) -> IPv4Address | IPv6Address | None:
    """Read an address; one of IPv4 in IPv6's clothes, as a dual-stack socket tells it, is one of IPv4."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return (parsed.version == 6 and parsed.ipv4_mapped) or parsed
