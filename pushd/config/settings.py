"""The text of every value after substitution, with its origin: what ``--check`` shows and errors quote.

``${instance}``, ``${key}`` of the same section and ``${section:key}`` are substituted in every value,
wherever it was written; a dollar sign itself is written ``$$``.
"""

from __future__ import annotations

from collections.abc import Iterable
from configparser import ConfigParser, ExtendedInterpolation, InterpolationError
from dataclasses import dataclass

from pushd.config.source import Known, Raw

__all__ = ["Place", "Problem", "Setting", "settle"]

Place = tuple[str, str]
"""Section and key."""

_DOLLAR = "${instance}, ${key} or ${section:key} to name a value, and $$ for a dollar sign"


@dataclass(frozen=True, slots=True)
class Setting:
    """The text of one value and where it was written.

    Attributes:
        secret: Its text is shown to nobody.
    """

    section: str
    key: str
    text: str
    origin: str
    secret: bool = False

    @property
    def shown(self) -> str:
        """The text as anybody may see it, on one line."""
        if self.secret and self.text:
            return "***"
        return self.text if self.text.isprintable() else repr(self.text)[1:-1]


@dataclass(frozen=True, slots=True)
class Problem:
    """A setting that cannot be used, and what was expected instead."""

    setting: Setting
    expected: str

    def __str__(self) -> str:
        """Give the line an operator reads."""
        it = self.setting
        return f"{it.origin}: [{it.section}] {it.key} = {it.shown}: expected {self.expected}"


class _Substitution(ExtendedInterpolation):
    """Judges a value when it is used, not when it is stored: only then is its place at hand."""

    # A hook of configparser.
    def before_set(self, parser: object, section: str, option: str, value: str) -> str:  # noqa: ARG002
        return value


def settle(
    known: Known, written: Iterable[Raw], secrets: frozenset[Place]
) -> tuple[dict[Place, Setting], list[Problem]]:
    """Lay what was written over the defaults, later over earlier, and substitute.

    Returns:
        A setting for every known key, and the problem of each that cannot be substituted.
    """
    latest = {(raw.section, raw.key): raw for raw in written}
    instance = latest.get(("pushd", "instance"))
    # As a key of the default section, which no file can name, the instance is known in every section.
    parser = ConfigParser(
        {"instance": instance.text if instance else known["pushd"]["instance"]},
        interpolation=_Substitution(),
        default_section="",
    )
    parser.read_dict(known)
    for raw in latest.values():
        parser.set(raw.section, raw.key, raw.text)
    settings: dict[Place, Setting] = {}
    problems = []
    for place in ((section, key) for section in known for key in known[section]):
        origin = latest[place].origin if place in latest else "default"
        try:
            text = parser.get(*place)
        except InterpolationError:
            text = parser.get(*place, raw=True)
            problems.append(Problem(Setting(*place, text, origin, place in secrets), _DOLLAR))
        settings[place] = Setting(*place, text, origin, place in secrets)
    return settings, problems
