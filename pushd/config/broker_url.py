"""The address of a broker: ``memory:``, ``amqp://user:password@host:port/vhost`` or ``amqps://``.

The AMQP URI specification of RabbitMQ (www.rabbitmq.com/docs/uri-spec): user, password and virtual
host are percent-encoded; without a path the virtual host is ``/``, with a bare slash it is empty.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import SplitResult, quote, unquote, urlsplit

__all__ = ["BrokerUrl"]

_PORTS = {"amqp": 5672, "amqps": 5671}
_SHAPE = "memory:, amqp://user:password@host:5672/vhost or amqps://user:password@host/vhost"


@dataclass(frozen=True, slots=True)
class BrokerUrl:
    """One broker node. Neither ``repr`` nor ``str`` shows the password.

    Attributes:
        scheme: ``memory``, ``amqp`` or ``amqps``.
        host: A name or an address; ``""`` for ``memory``.
        port: 0 for ``memory``.
    """

    scheme: str
    host: str = ""
    port: int = 0
    vhost: str = "/"
    user: str = "guest"
    password: str = field(default="guest", repr=False)

    def __str__(self) -> str:
        """Give the URL as an operator may see it, the password masked."""
        if self.scheme == "memory":
            return "memory:"
        host = f"[{self.host}]" if ":" in self.host else self.host
        vhost = quote(self.vhost, safe="")
        return f"{self.scheme}://{quote(self.user, safe='')}:***@{host}:{self.port}/{vhost}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one URL.

        Raises:
            ValueError: It is no such URL; the message never quotes any part of it.
        """
        if text == "memory:":
            return cls("memory")
        try:
            parts = urlsplit(text)
        except ValueError:  # its message quotes what may be a password
            raise ValueError(_SHAPE) from None
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError(_SHAPE)
        if parts.query or parts.fragment:
            raise ValueError("a broker URL without ? and #, percent-encoded where they belong to a password")
        return cls(
            scheme=parts.scheme,
            host=parts.hostname,
            port=_port(parts),
            vhost=_vhost(parts.path),
            user=_decode(parts.username, "guest"),
            password=_decode(parts.password, "guest"),
        )


def _port(parts: SplitResult) -> int:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError("a port of 1 to 65535 in the broker URL")
    return _PORTS[parts.scheme] if port is None else port


def _vhost(path: str) -> str:
    name = path.removeprefix("/")
    if "/" in name:
        raise ValueError("a broker URL with one virtual host, a slash in its name written %2F")
    return _decode(name, "") if path else "/"


def _decode(text: str | None, default: str) -> str:
    try:
        return default if text is None else unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("percent-encoded UTF-8 in the broker URL") from None
