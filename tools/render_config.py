"""Write ``etc/pushd.ini`` and the table in ``docs/configuration.md`` from the list of keys.

Run by ``make config`` after a key has changed; a test fails until it has been.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from pushd.config import sections

__all__ = ["render_ini", "render_table"]

_ROOT = Path(__file__).parents[1]
_INI = _ROOT / "etc" / "pushd.ini"
_DOCUMENT = _ROOT / "docs" / "configuration.md"
_BEGIN, _END = "<!-- keys: written by make config -->\n", "<!-- end of keys -->\n"

_INI_HEAD = """\
; pushd: every key with its default. Durations carry a unit (ms, s, m, h, d), sizes too (B, KB, MB, GB).
; ${instance} is this instance's name, ${key} another key of the section, ${section:key} of another one;
; a dollar sign is $$. Comments stand on lines of their own: a ; or # inside a value belongs to it.
; A variable PUSHD_<SECTION>_<KEY> in the environment wins over this file.
; "twistd pushd --config FILE --check" shows what is in force and where it comes from.
"""


def render_ini() -> str:
    """Give the text of the shipped file."""
    return _INI_HEAD + "".join(_ini_lines())


def render_table() -> str:
    """Give the reference of all keys in Markdown."""
    return "".join(_table_lines())


def render_document(text: str) -> str:
    """Replace the reference in the document ``text``."""
    before, _, rest = text.partition(_BEGIN)
    after = rest.partition(_END)[2]
    return f"{before}{_BEGIN}\n{render_table()}\n{_END}{after}"


def _ini_lines() -> Iterator[str]:
    for name, section in sections().items():
        yield f"\n; {section.__doc__}\n[{name}]\n"
        for key, field in section.model_fields.items():
            yield textwrap.fill(field.description or "", 108, initial_indent="; ", subsequent_indent="; ")
            yield f"\n{key} = {field.default}".rstrip() + "\n"


def _table_lines() -> Iterator[str]:
    for name, section in sections().items():
        yield f"\n### [{name}]\n\n{section.__doc__}\n\n| key | default | meaning |\n|---|---|---|\n"
        for key, field in section.model_fields.items():
            default = f"`{field.default}`" if field.default else ""
            meaning = re.sub(r"([*|<>])", r"\\\1", field.description or "")
            yield f"| `{key}` | {default} | {meaning} |\n"


def main() -> None:
    """Write both files."""
    _INI.write_text(render_ini(), encoding="utf-8")
    _DOCUMENT.write_text(render_document(_DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
