"""The effective configuration for an operator's eyes: each value with its origin, secrets masked."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from pushd.config.load import Effective
from pushd.config.settings import Setting

__all__ = ["show"]


def show(effective: Effective) -> str:
    """Give the text of ``--check``: a line per key, its origin behind an arrow."""
    return "\n".join(_lines(effective))


def _lines(effective: Effective) -> Iterator[str]:
    for section, settings in groupby(effective.settings, lambda setting: setting.section):
        yield f"[{section}]"
        for setting in settings:
            yield f"{setting.key} = {_shown(setting, effective)}  <- {setting.origin}"
        yield ""


def _shown(setting: Setting, effective: Effective) -> str:
    """Mask only the passwords of URLs that are known to be right; in others, it may be anywhere."""
    if (setting.section, setting.key) == ("broker", "url"):
        return ", ".join(str(url) for url in effective.config.broker.urls)
    return setting.shown
