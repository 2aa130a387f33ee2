"""Where a broker's URL leads: a TCP endpoint, with TLS for ``amqps``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from OpenSSL.crypto import Error
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.ssl import (
    Certificate,
    PrivateCertificate,
    optionsForClientTLS,
    trustRootFromCertificates,
)

if TYPE_CHECKING:
    from pushd.config import Broker, BrokerUrl

__all__ = ["endpoint"]

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def endpoint(reactor: Any, url: BrokerUrl, section: Broker) -> IStreamClientEndpoint:
    """Make the endpoint. The certificate must name the host of the URL (RFC 6125, by service-identity).

    Args:
        reactor: What the endpoint connects with.
        url: Which broker.
        section: Which certificates to trust and to show.

    Raises:
        ValueError: A certificate or key cannot be read.
    """
    plain = HostnameEndpoint(reactor, url.host, url.port)
    if url.scheme != "amqps":
        return plain
    trusted = _trusted(section.ca_file) if section.ca_file else None  # None: whom the system trusts
    own = _own(section.certificate, section.private_key) if section.certificate else None
    return wrapClientTLS(optionsForClientTLS(url.host, trustRoot=trusted, clientCertificate=own), plain)


def _trusted(path: str) -> Any:
    pieces = _CERTIFICATE.findall(Path(path).read_bytes())
    if not pieces:
        raise ValueError(f"there is no certificate in {path}")
    return trustRootFromCertificates([Certificate.loadPEM(piece) for piece in pieces])


def _own(certificate: str, private_key: str) -> Any:
    """Join certificate and key; the file of the certificate may hold both."""
    pem = Path(certificate).read_bytes()
    if private_key:
        pem += Path(private_key).read_bytes()
    try:
        return PrivateCertificate.loadPEM(pem)
    except Error:
        raise ValueError(f"there is no certificate with its key in {certificate} and {private_key}") from None
