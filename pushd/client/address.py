"""Who is asking: a client's address, as its socket or a proxy that we trust tells it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from twisted.internet.interfaces import IAddress
from twisted.logger import Logger

__all__ = ["Proxies"]

_log = Logger()

_KNOWN = 4096
"""Addresses of which is remembered what they are."""

_HOP = re.compile(r'"?(?:\[([0-9A-Fa-f:.]+(?:%[^\]]*)?)\]|([0-9.]+))(?::[0-9]{1,5})?"?')
"""An address of IPv6 in brackets or one of IPv4, either with a port: what many proxies write."""

_ZONE = re.compile(r"[A-Za-z0-9._~-]{1,32}")
"""A zone of IPv6 (RFC 6874 section 2)."""

_HIDDEN = re.compile(r"unknown|_[A-Za-z0-9._-]*", re.IGNORECASE)
"""Words of a proxy that do not tell its client's address (RFC 7239 section 6)."""

_UNTOLD = "untold-by-"
"""Begins the name of clients whose address a proxy did not tell; the proxy's address follows."""

_SHARED = "such clients share the connections_per_ip of their proxy"
_UNLIMITED = "connections_per_ip does not limit such clients"


class Proxies:
    """Tells clients from the proxies before them.

    Args:
        trusted: Networks of proxies; one on a Unix socket is always trusted.
        unreadable: Called for each request of a trusted proxy that does not tell an address, with the reason:
            ``absent``, ``hidden`` or ``malformed``.
    """

    def __init__(
        self,
        trusted: Sequence[IPv4Network | IPv6Network],
        unreadable: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._trusted = trusted
        self._unreadable = unreadable
        self._said: set[str] = set()
        self._is_trusted = lru_cache(_KNOWN)(self._look_up)
        self.key = lru_cache(_KNOWN)(self._key)

    def client(self, peer: IAddress, forwarded: str) -> str:
        """Return the client's address for people and for :attr:`key`.

        Args:
            peer: The other end of the socket.
            forwarded: ``X-Forwarded-For``. It is read from its end, where the nearest proxy writes, up to
                the first that is not trusted: whatever is before may be the client's invention.
        """
        direct = getattr(peer, "host", "unix")
        if direct != "unix" and not self._is_trusted(direct):
            return str(direct)
        for hop in reversed(forwarded.split(",")):
            text = hop.strip(" \t")
            if not text:  # a list may have empty members (RFC 9110 section 5.6.1)
                continue
            address = _address(text)
            if not address:
                self._complain("hidden" if _HIDDEN.fullmatch(text) else "malformed")
                return f"{_UNTOLD}{direct}"
            if not self._is_trusted(address):
                return address
        if not forwarded:
            self._complain("absent")
        return str(direct)

    def _complain(self, kind: str) -> None:
        """Count, and log the first of its kind: clients can cause as many lines as they like."""
        self._unreadable(kind)
        if kind not in self._said:
            self._said.add(kind)
            _log.info(
                "trusted_proxies: a client's X-Forwarded-For is {kind}: {effect}; expected its address, with "
                "or without a port. This is logged once, pushd_forwarded_unreadable_total counts on",
                kind=kind,
                effect=_UNLIMITED if kind == "absent" else _SHARED,
            )

    def _key(self, address: str) -> str:
        """Return what connections of one client are counted by; ``""`` for a proxy's own.

        The owner of one IPv6 address has its whole /64 (RFC 6177). Clients without an address are counted
        together, or nothing would limit them.
        """
        if address.startswith(_UNTOLD):
            return address
        parsed = _parse(address)
        if parsed is None or self._is_trusted(address):
            return ""
        return str(parsed) if parsed.version == 4 else str(ip_network((parsed, 64), strict=False))

    def _look_up(self, address: str) -> bool:
        parsed = _parse(address)
        return parsed is not None and any(parsed in network for network in self._trusted)


def _address(hop: str) -> str:
    """Return the address that a hop tells in its shortest form, without its port, or ``""``."""
    match = _HOP.fullmatch(hop)
    address, percent, zone = ((match[1] or match[2]) if match else hop).partition("%")
    parsed = _parse(address)
    if parsed is None or (percent and (parsed.version == 4 or not _ZONE.fullmatch(zone))):
        return ""
    return f"{parsed}%{zone}" if zone else str(parsed)


def _parse(address: str) -> IPv4Address | IPv6Address | None:
    """Read an address; one of IPv4 in IPv6's clothes, as a dual-stack socket tells it, is one of IPv4."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return (parsed.version == 6 and parsed.ipv4_mapped) or parsed
