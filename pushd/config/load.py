"""From texts to one :class:`Config`, or to one :class:`ConfigError` that lists every mistake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from pydantic import ValidationError

from pushd.config.settings import Place, Problem, Setting, settle
from pushd.config.source import Raw, from_environment, from_file
from pushd.config.values import Config, Section, contradictions

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

__all__ = ["ConfigError", "Effective", "load", "sections"]


class ConfigError(Exception):
    """The configuration cannot be used; the text has one line per mistake."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))


@dataclass(frozen=True, slots=True)
class Effective:
    """The configuration in force.

    Attributes:
        settings: Every key, in the order of the sample file.
    """

    config: Config
    settings: tuple[Setting, ...]


def load(
    path: str | None = None, instance: str | None = None, environ: Mapping[str, str] | None = None
) -> Effective:
    """Put the configuration together.

    Args:
        path: The INI file; ``None`` for the defaults.
        instance: Wins over every other ``instance``.
        environ: Its variables ``PUSHD_<SECTION>_<KEY>`` win over the file.

    Raises:
        ConfigError: Something in it is wrong.
    """
    known = {section: {key: str(field.default) for key, field in fields} for section, fields in _keys()}
    secrets = frozenset(
        (section, key) for section, fields in _keys() for key, field in fields if _secret(field)
    )
    written = from_file(path, known) if path is not None else []
    written += from_environment(environ or {}, known)
    if instance is not None:
        written.append(Raw("pushd", "instance", instance, "--instance"))
    if complaints := [f"{raw.origin}: {raw.complaint}" for raw in written if raw.complaint]:
        raise ConfigError(complaints)
    settings, problems = settle(known, written, secrets)
    if problems:
        raise _error(problems)
    return Effective(_validated(settings), tuple(settings.values()))


def sections() -> dict[str, type[Section]]:
    """Give the class of each section, in the order of the sample file."""
    return {name: cast("type[Section]", field.annotation) for name, field in Config.model_fields.items()}


def _keys() -> Iterator[tuple[str, list[tuple[str, FieldInfo]]]]:
    for name, section in sections().items():
        yield name, list(section.model_fields.items())


def _secret(field: FieldInfo) -> bool:
    return not field.repr


def _validated(settings: Mapping[Place, Setting]) -> Config:
    values: dict[str, dict[str, str]] = {}
    for (section, key), setting in settings.items():
        values.setdefault(section, {})[key] = setting.text
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        raise _error([_problem(fault, settings) for fault in error.errors()]) from None
    found = [Problem(settings[section, key], expected) for section, key, expected in contradictions(config)]
    if found:
        raise _error(found)
    return config


def _problem(fault: ErrorDetails, settings: Mapping[Place, Setting]) -> Problem:
    """Say what pydantic, or a type of ours, expected."""
    section, key, *_ = fault["loc"]
    cause = fault.get("ctx", {}).get("error")
    expected = str(cause) if isinstance(cause, ValueError) else fault["msg"].removeprefix("Input should be ")
    return Problem(settings[str(section), str(key)], expected)


def _error(problems: list[Problem]) -> ConfigError:
    """Make the error; of the instance alone if it is wrong, as other values are made from it."""
    root = [problem for problem in problems if problem.setting.key == "instance"]
    return ConfigError([str(problem) for problem in root or problems])
