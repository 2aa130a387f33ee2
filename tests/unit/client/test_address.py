from __future__ import annotations

from ipaddress import ip_network

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress

from pushd.client.address import Proxies

PROXIES = Proxies([ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8"), ip_network("::1/128")])
STRANGER = IPv4Address("TCP", "192.0.2.7", 5000)
PROXY = IPv4Address("TCP", "127.0.0.1", 5000)
PROXY6 = IPv6Address("TCP", "::1", 5000)
DUAL = IPv6Address("TCP", "::ffff:127.0.0.1", 5000)
UNIX = UNIXAddress(None)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        (STRANGER, "", "192.0.2.7"),
        (STRANGER, "203.0.113.9", "192.0.2.7"),
        (PROXY, "203.0.113.9", "203.0.113.9"),
        (PROXY6, "2001:db8::1", "2001:db8::1"),
        (DUAL, "203.0.113.9", "203.0.113.9"),
        (UNIX, "203.0.113.9", "203.0.113.9"),
        (PROXY, "6.6.6.6, 203.0.113.9 , 10.1.1.1", "203.0.113.9"),
        (PROXY, "203.0.113.9, forged", "127.0.0.1"),
        (PROXY, "10.1.1.1", "127.0.0.1"),
        (PROXY, "", "127.0.0.1"),
        (UNIX, "", "unix"),
    ],
)
def test_only_a_trusted_proxy_tells_who_is_behind_it(peer: IAddress, forwarded: str, client: str) -> None:
    """What stands before the nearest address that is not trusted may be forged."""
    assert client == PROXIES.client(peer, forwarded)


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:0:1:2:3:4:5", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("127.0.0.1", ""),
        ("::1", ""),
        ("unix", ""),
    ],
)
def test_clients_are_counted_by_address_but_proxies_are_not(address: str, key: str) -> None:
    """One address of IPv4, or a network of IPv6, which is what one client has."""
    assert key == PROXIES.key(address)
