"""How one value is written: durations, sizes, switches, endpoints, lists.

Each type takes the text of an INI value and gives the value the code works with; anything but text
is passed on, so that a section may also be made from ready values. The error of a wrong text says
what was expected and never quotes the text, which may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator
from twisted.internet.endpoints import serverFromString

from pushd.config.broker_url import BrokerUrl
from pushd.config.origins import read_pattern

__all__ = [
    "BrokerUrls",
    "Duration",
    "DurationOrNever",
    "Endpoint",
    "EventName",
    "Flag",
    "Heartbeat",
    "HostNames",
    "HttpPath",
    "InstanceName",
    "Name",
    "Networks",
    "Origins",
    "PemFile",
    "Size",
    "Subprotocols",
    "whole",
]

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}
_FLAGS = dict.fromkeys(("yes", "true", "on", "1"), True) | dict.fromkeys(("no", "false", "off", "0"), False)
_AMOUNT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([A-Za-z]*)", re.ASCII)
_LONGEST = 3650 * 86400.0
_LONGEST_HEARTBEAT = 65535
_LARGEST = 2**50
_LARGEST_PORT = 65535
_OTHER_EVENTS = ("error", "message", "open", "position", "reset")


def _text(parse: Callable[[str], Any]) -> BeforeValidator:
    """Apply ``parse`` to text and leave ready values alone."""
    return BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value)


def _duration(text: str) -> float:
    amount = _AMOUNT.fullmatch(text)
    seconds = float(amount[1]) * _SECONDS.get(amount[2], 0.0) if amount else 0.0
    if not 0 < seconds <= _LONGEST:
        raise ValueError("a duration above 0 with its unit (ms, s, m, h, d), such as 500ms, 25s or 24h")
    return seconds


def _duration_or_never(text: str) -> float:
    return 0.0 if text == "0" else _duration(text)


def _heartbeat(text: str) -> float:
    seconds = _duration(text)
    if not 1 <= seconds <= _LONGEST_HEARTBEAT:
        raise ValueError("a duration from 1s to 65535s, such as 30s")
    return seconds


def _size(text: str) -> int:
    amount = _AMOUNT.fullmatch(text)
    size = int(float(amount[1]) * _BYTES.get(amount[2].upper(), 0)) if amount else 0
    if not 0 < size <= _LARGEST:
        raise ValueError("a size above 0 with its unit (B, KB, MB, GB, TB), such as 64KB or 1GB")
    return size


def _flag(text: str) -> bool:
    if text.lower() not in _FLAGS:
        raise ValueError("yes or no")
    return _FLAGS[text.lower()]


def _split(text: str) -> list[str]:
    return [part for part in re.split(r"[,\s]+", text) if part]


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(part) for part in _split(text))
    except ValueError:
        raise ValueError("addresses or networks separated by commas, such as 10.0.0.0/8, ::1/128") from None


def _origins(text: str) -> tuple[str, ...]:
    try:
        return tuple(read_pattern(part).text for part in _split(text))
    except ValueError as error:
        raise ValueError(f"* or origins separated by commas: {error}") from error


def _subprotocols(text: str) -> tuple[str, ...]:
    names = tuple(_split(text))
    if not all(re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) for name in names):
        raise ValueError("names of subprotocols separated by commas, such as v2.example.com, v1.example.com")
    return names


def _event_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._:-]{1,64}", text) or text in _OTHER_EVENTS:
        raise ValueError(
            "a name of at most 64 letters, digits, dots, dashes, underscores and colons, other than "
            f"{', '.join(_OTHER_EVENTS)}"
        )
    return text


def _host_names(text: str) -> tuple[str, ...]:
    names = tuple(part.lower() for part in _split(text))
    if not all(re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", name) and len(name) <= 253 for name in names):
        raise ValueError(
            "host names without ports separated by commas, such as push1.internal, push2.internal"
        )
    return names


def _urls(text: str) -> tuple[BrokerUrl, ...]:
    urls = tuple(BrokerUrl.parse(part.strip()) for part in text.split(","))
    if len(urls) > 1 and any(url.scheme == "memory" for url in urls):
        raise ValueError("memory: alone, or broker URLs separated by commas")
    return urls


def _endpoint(text: str) -> str:
    kind, _, rest = text.partition(":")
    if kind not in {"tcp", "tcp6", "ssl", "unix", "systemd"} or not rest:
        raise ValueError(
            "an endpoint such as tcp:8091:interface=127.0.0.1, unix:/run/x.sock, ssl:… or systemd:…"
        )
    if kind in {"tcp", "tcp6", "ssl"} and _endpoint_port(rest) > _LARGEST_PORT:
        raise ValueError(f"an endpoint with a port of 0 to {_LARGEST_PORT}")
    if kind != "systemd":  # its sockets exist only in the process that systemd starts
        try:
            serverFromString(None, text)
        except Exception as error:  # a parser of Twisted fails in many ways, OpenSSL's among them
            raise ValueError(f"a complete {kind} endpoint ({type(error).__name__})") from error
    return text


def _endpoint_port(rest: str) -> int:
    fields = re.split(r"(?<!\\):", rest)
    named = [field.removeprefix("port=") for field in fields if field.startswith("port=")]
    port = named[0] if named else fields[0]
    if not (port.isascii() and port.isdigit() and len(port) <= 9):
        raise ValueError("an endpoint with a port number, such as tcp:8091:interface=127.0.0.1")
    return int(port)


def _http_path(text: str) -> str:
    if not re.fullmatch(r"/([A-Za-z0-9._~-]+/)*", text):
        raise ValueError("a path that begins and ends with a slash, such as /websocket/")
    return text


def _pem_file(text: str) -> str:
    try:
        if text and b"-----BEGIN " not in Path(text).read_bytes():
            raise ValueError("the path of a PEM file, or nothing")
    except OSError as error:
        raise ValueError(f"the path of a file that can be read, or nothing ({error.strerror})") from error
    return text


def _instance(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", text):
        raise ValueError("a name or number of at most 64 letters, digits, dots, dashes and underscores")
    return text


def _name(text: str) -> str:
    if not (text and len(text.encode()) <= 255 and text.isprintable()):
        raise ValueError("a name of 1 to 255 bytes")
    return text


Duration = Annotated[float, _text(_duration)]
"""Seconds, above 0."""

DurationOrNever = Annotated[float, _text(_duration_or_never)]
"""Seconds, or 0.0, written without a unit, for never."""

Heartbeat = Annotated[float, _text(_heartbeat)]
"""Seconds, at least one and no more than AMQP can count (0-9-1, connection.tune)."""

Size = Annotated[int, _text(_size)]
"""Bytes; ``KB`` is 1024 of them."""

Flag = Annotated[bool, _text(_flag)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], _text(_networks)]

Origins = Annotated[tuple[str, ...], _text(_origins)]
"""Patterns of what browsers send as ``Origin``, in the spelling of browsers."""

BrokerUrls = Annotated[tuple[BrokerUrl, ...], _text(_urls)]

Subprotocols = Annotated[tuple[str, ...], _text(_subprotocols)]
"""Names of subprotocols of a WebSocket, which are tokens (RFC 6455 section 4.1)."""

EventName = Annotated[str, _text(_event_name)]
"""The name of a server-sent event that no other event of a stream has."""

Endpoint = Annotated[str, _text(_endpoint)]
"""A Twisted server endpoint string."""

HostNames = Annotated[tuple[str, ...], _text(_host_names)]
"""In lower case, without ports."""

HttpPath = Annotated[str, _text(_http_path)]

PemFile = Annotated[str, _text(_pem_file)]
"""The path of a readable file, or ``""``."""

InstanceName = Annotated[str, _text(_instance)]

Name = Annotated[str, _text(_name)]
"""The name of an exchange, queue or channel (AMQP 0-9-1 shortstr: at most 255 bytes)."""


def whole(least: int, most: int) -> BeforeValidator:
    """Annotate a whole number between two bounds, both allowed."""

    def parse(text: str) -> int:
        if text.isascii() and text.isdigit() and len(text) <= len(str(most)) and least <= int(text) <= most:
            return int(text)
        raise ValueError(f"a whole number from {least} to {most}")

    return _text(parse)
