"""pushd.broker.amqp.endpoint; that certificates are checked is in tests/integration/test_broker_tls.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.testing import MemoryReactorClock

from pushd.broker.amqp.endpoint import endpoint
from pushd.config import Broker, BrokerUrl
from tests.support.tls import Authority

# Twisted hands its certificates to pyOpenSSL in a form that is going out of use.
pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")

PLAIN, SECURE = BrokerUrl("amqp", "localhost", 5672), BrokerUrl("amqps", "localhost", 5671)


def made(url: BrokerUrl, **files: Path) -> Any:
    """Make an endpoint with these files."""
    return endpoint(MemoryReactorClock(), url, Broker(**{name: str(path) for name, path in files.items()}))


def test_without_tls() -> None:
    """A name and a port."""
    assert type(made(PLAIN)) is HostnameEndpoint


def test_with_tls(tmp_path: Path) -> None:
    """With the system's trust or ours, and our certificate if there is one, key included or apart."""
    authority = Authority(tmp_path)
    certificate, key = authority.issue("client")
    joined = tmp_path / "joined.pem"
    joined.write_bytes(certificate.read_bytes() + key.read_bytes())
    for files in (
        {},
        {"ca_file": authority.certificate},
        {"certificate": certificate, "private_key": key},
        {"certificate": joined},
    ):
        assert type(made(SECURE, **files)) is not HostnameEndpoint


def test_files_that_hold_something_else(tmp_path: Path) -> None:
    """The error names the file."""
    authority = Authority(tmp_path)
    certificate, key = authority.issue("client")
    with pytest.raises(ValueError, match=r"there is no certificate in .*client\.key"):
        made(SECURE, ca_file=key)
    with pytest.raises(ValueError, match=r"there is no certificate with its key in .*client\.pem"):
        made(SECURE, certificate=certificate, private_key=certificate)
