from __future__ import annotations

from collections import Counter
from ipaddress import ip_network
from typing import Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from pushd.client.address import Proxies
from pushd.client.admission import Admission, Bucket
from pushd.client.http import HttpError

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
        (PROXY, "203.0.113.9:5678", "203.0.113.9"),
        (PROXY, "[2001:DB8::1]:80", "2001:db8::1"),
        (PROXY, "[2001:db8::1]", "2001:db8::1"),
        (PROXY, "2001:db8:0:0::1", "2001:db8::1"),
        (PROXY, '"[2001:db8::1]:80"', "2001:db8::1"),
        (PROXY, "::ffff:203.0.113.9", "203.0.113.9"),
        (PROXY, "fe80::1%eth0", "fe80::1%eth0"),
        (PROXY, "[fe80::1%eth0]:80", "fe80::1%eth0"),
        (PROXY, "203.0.113.9, 10.1.1.1:443, [::1]:80", "203.0.113.9"),
        (PROXY, "203.0.113.9, ,", "203.0.113.9"),
        (PROXY, "203.0.113.9, forged", "untold-by-127.0.0.1"),
        (PROXY, "unknown", "untold-by-127.0.0.1"),
        (PROXY6, "_hidden", "untold-by-::1"),
        (UNIX, "203.0.113.9:", "untold-by-unix"),
        (PROXY, "203.0.113.9:123456", "untold-by-127.0.0.1"),
        (PROXY, "[203.0.113.9]x", "untold-by-127.0.0.1"),
        (PROXY, "203.0.113.9%eth0", "untold-by-127.0.0.1"),
        (PROXY, "fe80::1%", "untold-by-127.0.0.1"),
        (PROXY, "fe80::1%a b", "untold-by-127.0.0.1"),
        (PROXY, "[fe80::1%\x85]", "untold-by-127.0.0.1"),
        (PROXY, "010.1.1.1", "untold-by-127.0.0.1"),
        (PROXY, ",", "127.0.0.1"),
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
        ("untold-by-127.0.0.1", "untold-by-127.0.0.1"),
        ("untold-by-unix", "untold-by-unix"),
    ],
)
def test_clients_are_counted_by_address_but_proxies_are_not(address: str, key: str) -> None:
    """One address of IPv4, or a network of IPv6, which is what one client has.

    Those whose address a proxy does not tell are counted together.
    """
    assert key == PROXIES.key(address)


def test_what_cannot_be_read_is_counted_and_said_once() -> None:
    """By kind, and without a word of the peer's."""
    counts: Counter[str] = Counter()
    proxies = Proxies([ip_network("127.0.0.0/8")], lambda kind: counts.update((kind,)))
    with capturedLogs() as events:
        for forwarded in ("unknown", "secret-1", "", "203.0.113.9", "_x", "secret-2", "10.0.0.1, 10.0.0.2"):
            proxies.client(PROXY, forwarded)
            proxies.client(STRANGER, forwarded)
    assert {"hidden": 2, "malformed": 2, "absent": 1} == counts
    assert ["hidden", "malformed", "absent"] == [event["kind"] for event in events]
    assert not any("secret" in str(formatEvent(event)) for event in events)


def test_the_limit_of_an_address_holds_for_what_cannot_be_read() -> None:
    """Clients without an address are as many together as those of one address may be."""
    clock: Any = Clock()
    admission = Admission(Bucket(clock, 0), PROXIES.key, lambda: True, most=9, most_per_address=2)
    clients = [PROXIES.client(PROXY, f"forged-{number}") for number in range(3)]
    admission.admit(clients[0])
    admission.admit(clients[1])
    with pytest.raises(HttpError) as refusal:
        admission.admit(clients[2])
    assert 429 == refusal.value.status
    admission.release(clients[0])
    admission.admit(clients[2])
