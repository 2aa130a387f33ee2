"""A page of ours: one HTML file shipped in the package, with the headers that lock it down.

A page carries its own style and script and loads nothing from anywhere. Its
Content-Security-Policy names its script by hash, so that no other script can ever run in it.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from dataclasses import dataclass
from importlib import resources

__all__ = ["Page", "load"]

_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Page:
    """A document ready to be sent.

    Attributes:
        body: The HTML, in UTF-8.
        headers: Every header it needs besides ``Content-Length``.
    """

    body: bytes
    headers: tuple[tuple[str, str], ...]


def load(package: str, name: str, /, **values: str) -> Page:
    """Read a page from the package's data.

    Args:
        package: The package that ships it, such as ``pushd.client``.
        name: Its file name.
        values: What ``{{key}}`` becomes in it; escaped for HTML, never used inside its script.

    Raises:
        FileNotFoundError: The package does not ship it.
    """
    text = resources.files(package).joinpath(name).read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace("{{" + key + "}}", html.escape(value))
    return Page(text.encode(), (("Content-Type", "text/html; charset=utf-8"), *_locks(text)))


def _locks(text: str) -> tuple[tuple[str, str], ...]:
    """Give the headers that keep foreign content out of the page and the page out of foreign frames."""
    scripts = [f"'sha256-{_digest(script)}'" for script in _SCRIPT.findall(text)] or ["'none'"]
    policy = (
        "default-src 'none'",
        f"script-src {' '.join(scripts)}",
        "style-src 'unsafe-inline'",
        "img-src data:",
        # Not every browser takes 'self' to include the WebSocket schemes.
        "connect-src 'self' ws: wss:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    return (
        ("Content-Security-Policy", "; ".join(policy)),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "no-cache"),
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
