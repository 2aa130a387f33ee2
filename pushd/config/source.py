"""Where the text of a value comes from: the default, a line of the INI file, the environment, an option.

Later ones win in that order. Text is taken as it stands; nothing here knows what a value means.
"""

from __future__ import annotations

import configparser
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

__all__ = ["Known", "Raw", "from_environment", "from_file"]

Known = Mapping[str, Mapping[str, str]]
"""The text of each default, by section and key."""


@dataclass(frozen=True, slots=True)
class Raw:
    """One value that somebody wrote, or the complaint about it.

    Attributes:
        origin: ``file:line``, the name of the variable or of the option.
        complaint: Why it cannot be used at all, or ``""``.
    """

    section: str
    key: str
    text: str
    origin: str
    complaint: str = ""


def from_file(path: str, known: Known) -> list[Raw]:
    """Read an INI file.

    Comments stand on lines of their own: a ``;`` or ``#`` inside a value belongs to it.
    """
    # No name can be written for the section whose keys would appear in all others.
    parser = configparser.RawConfigParser(delimiters=("=",), default_section="", empty_lines_in_values=False)
    try:
        text = Path(path).read_text(encoding="utf-8-sig")  # some editors begin with a mark that nobody sees
        parser.read_string(text, path)
    except OSError as error:
        return [_complaint(path, f"cannot be read: {error.strerror}")]
    except UnicodeDecodeError as error:
        return [_complaint(path, f"byte {error.start} is not UTF-8")]
    except configparser.Error as error:
        return [_complaint(*_syntax(path, error))]
    return list(_checked(parser, path, _lines(text), known))


def from_environment(environ: Mapping[str, str], known: Known) -> list[Raw]:
    """Read the variables ``PUSHD_<SECTION>_<KEY>``.

    A variable that names no section of ours is somebody else's; one that does must name a key.
    """
    names = {f"PUSHD_{section}_{key}".upper(): (section, key) for section in known for key in known[section]}
    prefixes = tuple(f"PUSHD_{section}_".upper() for section in known)
    found = []
    for name in sorted(environ):
        if name in names and not _is_utf8(environ[name]):
            found.append(_complaint(name, "is not UTF-8"))
        elif name in names:
            found.append(Raw(*names[name], environ[name], name))
        elif name.startswith(prefixes):
            found.append(_complaint(name, f"names no key{_suggestion(name, names)}"))
    return found


def _is_utf8(text: str) -> bool:
    """Tell whether the environment has it in UTF-8: other bytes come as lone surrogates (PEP 383)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _checked(
    parser: configparser.RawConfigParser, path: str, lines: Mapping[tuple[str, str], int], known: Known
) -> Iterator[Raw]:
    for section in parser.sections():
        if section not in known:
            hint = _suggestion(section, known)
            yield _complaint(
                f"{path}:{lines.get((section, ''), 1)}", f"no section is named [{section}]{hint}"
            )
            continue
        for key, text in parser.items(section):
            origin = f"{path}:{lines.get((section, key), 1)}"
            if key in known[section]:
                yield Raw(section, key, text, origin)
            else:
                hint = _suggestion(key, known[section]) or _elsewhere(key, known)
                yield _complaint(origin, f"[{section}] has no key {key!r}{hint}")


def _lines(text: str) -> dict[tuple[str, str], int]:
    """Find the line of each section (with the key ``""``) and of each key: configparser does not tell."""
    lines: dict[tuple[str, str], int] = {}
    section = ""
    for number, line in enumerate(text.split("\n"), start=1):
        if header := configparser.RawConfigParser.SECTCRE.match(line.strip()):
            section = header["header"]
            lines.setdefault((section, ""), number)
        elif "=" in line:
            lines.setdefault((section, line.partition("=")[0].strip().lower()), number)
    return lines


def _syntax(path: str, error: configparser.Error) -> tuple[str, str]:
    """Give the place and the complaint for what configparser refuses, without the line's own text."""
    match error:
        case configparser.DuplicateSectionError(section=section, lineno=line):
            return f"{path}:{line}", f"[{section}] stands here a second time"
        case configparser.DuplicateOptionError(section=section, option=key, lineno=line):
            return f"{path}:{line}", f"[{section}] {key} stands here a second time"
        case configparser.MissingSectionHeaderError(lineno=line):
            return f"{path}:{line}", "expected a [section] before the first key"
    assert isinstance(error, configparser.ParsingError)
    return f"{path}:{error.errors[0][0]}", "expected key = value, a [section] or a comment"


def _suggestion(name: str, known: Mapping[str, object]) -> str:
    nearest = get_close_matches(name, known, n=1)
    return f"; did you mean {nearest[0]!r}?" if nearest else ""


def _elsewhere(key: str, known: Known) -> str:
    home = next((section for section in known if key in known[section]), "")
    return f"; it belongs to [{home}]" if home else ""


def _complaint(origin: str, complaint: str) -> Raw:
    return Raw("", "", "", origin, complaint)
