"""The composition root, the only place that sees the whole configuration: all else gets values of it."""

from __future__ import annotations

from pushd.service.assembly import assemble, build
from pushd.service.daemon import Pushd

__all__ = ["Pushd", "assemble", "build"]
