"""Origins of web pages as browsers write them (RFC 6454 section 6.2, WHATWG URL), and patterns of them.

A browser sends scheme, host and port in one spelling: lower case, punycode, addresses in their shortest form,
no default port. A pattern of the configuration is brought to the same spelling. What no browser would ever
send is an error that names the right spelling, because such a pattern shuts out the site it was written for.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from ipaddress import IPv6Address

# The codec of the standard library follows IDNA 2003, which turns "ß" into "ss". Browsers follow UTS 46.
import idna

__all__ = ["ANY", "OriginPattern", "read_pattern", "spelling"]

ANY = "*"
"""The pattern of all origins, ``null`` included."""

_WHOLE = frozenset({ANY, "null", "file://"})
"""Patterns that are no scheme, host and port."""

_PORTS = {"http": "80", "https": "443"}
_SCHEME = r"[a-z][a-z0-9+.-]*"
_LABEL = r"[a-z0-9_-]{1,63}"
_NAME = rf"(?:{_LABEL}\.)*{_LABEL}"
_SENT = re.compile(rf"({_SCHEME})://(\[[0-9a-f:.]+\]|{_NAME})(?::([0-9]{{1,5}}))?")
_WRITTEN = re.compile(rf"(?:({_SCHEME})://)?([^/?#\\]*)(.*)", re.DOTALL | re.IGNORECASE)
_AUTHORITY = re.compile(r"(.*@)?(\[[^\]]*\]|[^:]*)(?::([0-9]{0,5}|\*))?", re.DOTALL)
_PATTERN_NAME = re.compile(r"(?:[a-z0-9_*-]{1,63}\.)*[a-z0-9_*-]{1,63}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LARGEST_PORT = 65535
_LONGEST_NAME = 253


@dataclass(frozen=True, slots=True)
class OriginPattern:
    """A rule that says which origins may connect.

    Attributes:
        text: The pattern in the spelling of browsers.
        regex: A regular expression of the :func:`spelling` that matches. ``""`` for :data:`ANY`, ``null`` and
            ``file://``, which are compared as a whole.
    """

    text: str
    regex: str = ""


def spelling(origin: str) -> str | None:
    """Return an origin that a browser sent in one spelling, with its port written out.

    Returns:
        ``null`` and ``file://`` as they are, None for what is no origin.
    """
    if not origin.isascii():  # lower() would turn some other letters into ASCII
        return None
    origin = origin.lower()
    if origin in {"null", "file://"}:
        return origin
    parts = _SENT.fullmatch(origin)
    if not parts or int(parts[3] or 0) > _LARGEST_PORT:
        return None
    host = parts[2]
    if host.startswith("["):
        try:
            host = _address(host)
        except ValueError:
            return None
    return f"{parts[1]}://{host}:{int(parts[3]) if parts[3] else _PORTS.get(parts[1], '')}"


def read_pattern(text: str) -> OriginPattern:
    """Read a pattern of the configuration.

    A ``*`` as a host's first label stands for one or more labels, as any other label for exactly one, within
    a label for some characters of it, and as a port for any port.

    Raises:
        ValueError: No browser sends such an origin. The text names the right spelling, if there is one.
    """
    if text.lower() in _WHOLE:
        return OriginPattern(text.lower())
    scheme, authority, rest = _split(text)
    parts = _AUTHORITY.fullmatch(authority)
    if scheme == "file":
        raise ValueError("file://, because the origin of a file has no path")
    if scheme in _OPAQUE:
        raise ValueError("null, because browsers send that for such a page")
    if not parts or (not scheme and _BROKEN_SCHEME.search(text)):
        raise ValueError(_EXAMPLE)
    user, written_host, port = parts.groups(default="")
    host, fault = _host(written_host)
    pattern = _pattern(_PAGES.get(scheme, scheme), host, _port(port))
    faults = [
        "an origin begins with a scheme" if not scheme else "",
        "the origin is that of the page, not of the socket" if scheme in {"ws", "wss"} else "",
        "an origin has no user" if user else "",
        fault,
        "an origin has no path" if rest else "",
    ]
    if any(faults):
        raise ValueError(f"{pattern.text}, because {' and '.join(filter(None, faults))}")
    return pattern


_EXAMPLE = "https://example.com or https://*.example.com:8443, for example"

_OPAQUE = frozenset({"about", "blob", "data", "javascript"})
_BROKEN_SCHEME = re.compile(r":[/\\]")

_PAGES = {"": "https", "ws": "http", "wss": "https"}
"""The schemes of pages that are meant where a pattern has none, or a socket's."""


def _split(text: str) -> tuple[str, str, str]:
    """Return scheme, authority and the rest; scheme and rest may be empty."""
    written = _WRITTEN.fullmatch(text)
    assert written
    scheme, authority, rest = written.groups(default="")
    return scheme.lower(), authority, rest


def _pattern(scheme: str, host: str, port: str) -> OriginPattern:
    if port == _PORTS.get(scheme):
        port = ""
    text = f"{scheme}://{host}:{port}" if port else f"{scheme}://{host}"
    ports = "[0-9]*" if port == "*" else port or _PORTS.get(scheme, "")
    return OriginPattern(text, f"{re.escape(scheme)}://{_host_regex(host)}:{ports}")


def _host_regex(host: str) -> str:
    if host == "*":
        return r"(?:[^:/]+|\[[^\]]+\])"
    if host.startswith("["):
        return re.escape(host)
    first, *others = host.split(".")
    regexes = [_label_regex(label) for label in others]
    regexes.insert(0, _NAME if first == "*" else _label_regex(first))
    return r"\.".join(regexes)


def _label_regex(label: str) -> str:
    """Return a regular expression of one label, in which each ``*`` is one character or more."""
    return "[a-z0-9_-]+".join(map(re.escape, label.split("*")))


def _port(text: str) -> str:
    if text in {"", "*"}:
        return text
    if not 0 < int(text) <= _LARGEST_PORT:
        raise ValueError(f"an origin with a port of 1 to {_LARGEST_PORT}")
    return str(int(text))


def _host(text: str) -> tuple[str, str]:
    """Return a host as browsers write it, and what was wrong about it, or ``""``.

    Raises:
        ValueError: It cannot be a host.
    """
    if text.startswith("["):
        address, zone, _ = text.strip("[]").partition("%")
        try:
            return _address(f"[{address}]"), "an origin has no zone" if zone else ""
        except ValueError as error:
            raise ValueError(_EXAMPLE) from error
    try:
        # Not idna.encode(): it refuses names that browsers take, such as names with an emoji.
        name = idna.uts46_remap(re.sub(r"\*+", "*", text), std3_rules=False, transitional=False)
    except idna.IDNAError as error:
        raise ValueError(_EXAMPLE) from error
    bare = name.strip(".")
    host = ".".join(map(_label, bare.split(".")))
    if not _PATTERN_NAME.fullmatch(host) or len(host) > _LONGEST_NAME:
        raise ValueError(_EXAMPLE)
    if _NUMBER.fullmatch(host.rpartition(".")[2]) and "*" not in host:
        address = _shortest(host)
        return address, "browsers write an address in four numbers" if address != name else ""
    return host, "a name neither begins nor ends with a dot" if bare != name else ""


def _label(label: str) -> str:
    """Return a label in ASCII (RFC 3492).

    Raises:
        ValueError: It has a wildcard in a label of another script, or punycode that no browser would write.
    """
    if label.isascii() and not label.startswith("xn--"):
        return label
    if "*" in label:
        raise ValueError(f"no * within a label of another script; {_EXAMPLE}")
    try:
        meant = label[4:].encode().decode("punycode") if label.isascii() else label
        meant = idna.uts46_remap(meant, std3_rules=False, transitional=False)
    except (UnicodeError, idna.IDNAError) as error:
        raise ValueError(_PUNYCODE) from error
    written = "xn--" + meant.encode("punycode").decode()
    if label.isascii() and (written != label or meant.isascii()):
        raise ValueError(_PUNYCODE)
    return written


_PUNYCODE = "a name in punycode that a browser would write, or the same name in its own script"


def _shortest(host: str) -> str:
    """Return an IPv4 address in four decimal numbers, which is how browsers write all of its forms."""
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError as error:
        raise ValueError(_EXAMPLE) from error


def _address(host: str) -> str:
    """Return an address of IPv6, in brackets, in the spelling of the URL standard: all hexadecimal, shortest.

    Raises:
        ValueError: It is none.
    """
    address = IPv6Address(host[1:-1])
    if mapped := address.ipv4_mapped:  # newer versions of Python would write its end in decimal
        return f"[::ffff:{int(mapped) >> 16:x}:{int(mapped) & 0xFFFF:x}]"
    return f"[{address.compressed}]"
