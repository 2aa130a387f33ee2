"""Describes where the figures come from, so that nobody compares them with another machine's."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["describe"]

_PACKAGES = ("pushd", "twisted", "autobahn", "pika", "orjson")
_SETTINGS = ("net/core/somaxconn", "net/ipv4/tcp_wmem", "net/ipv4/tcp_rmem", "net/ipv4/ip_local_port_range")


def _cpu_model() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return found[1] if found else platform.machine()


def _memory() -> str:
    total = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text(encoding="utf-8"))
    return f"{int(total[1]) / 1024**2:.0f} GB" if total else "unknown"


def _versions() -> dict[str, str]:
    found = {"CPython": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def describe() -> dict[str, str]:
    """Give the machine's properties that matter, in words."""
    settings = {name: Path("/proc/sys", name).read_text(encoding="utf-8") for name in _SETTINGS}
    return {
        "CPU": f"{_cpu_model()}, {os.cpu_count()} cores",
        "memory": _memory(),
        "kernel": platform.release().split("-")[0],
        "load before the run": f"{os.getloadavg()[0]:.2f}",
        "versions": ", ".join(f"{name} {number}" for name, number in _versions().items()),
        **{name.replace("/", "."): " ".join(text.split()) for name, text in settings.items()},
    }
