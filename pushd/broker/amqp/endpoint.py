"""Where a broker's URL leads: a TCP endpoint, with TLS for ``amqps``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.ssl import (
    Certificate,
    PrivateCertificate,
    optionsForClientTLS,
    trustRootFromCertificates,
)

if TYPE_CHECKING:
    from pushd.config import Broker
    from pushd.config.broker_url import BrokerUrl

__all__ = ["endpoint"]

_END = "-----END CERTIFICATE-----"


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
    trusted = None
    if section.ca_file:
        text = Path(section.ca_file).read_text()
        pieces = [piece + _END for piece in text.split(_END) if "BEGIN CERTIFICATE" in piece]
        trusted = trustRootFromCertificates([Certificate.loadPEM(piece.encode()) for piece in pieces])
    own = None
    if section.certificate:
        own = PrivateCertificate.loadPEM(
            Path(section.private_key or section.certificate).read_text()
            + Path(section.certificate).read_text()
        )
    return wrapClientTLS(optionsForClientTLS(url.host, trustRoot=trusted, clientCertificate=own), plain)
