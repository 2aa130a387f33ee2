"""What documents promise exists: README's commands, the configuration's reference, the help."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from pushd.config import load, sections
from tools.coverage_floor import below
from tools.render_config import render_document, render_ini

_ROOT = Path(__file__).parents[2]


def _targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):.*## ", (_ROOT / "Makefile").read_text(), re.MULTILINE))


def _commands(document: str) -> set[str]:
    return set(re.findall(r"\bmake ([a-z]+)\b(?=\s{2}|`|$)", (_ROOT / document).read_text(), re.MULTILINE))


def test_readme_names_only_what_make_knows() -> None:
    """README's commands, run and test among them, are targets of the Makefile."""
    assert {"run", "test"} <= _commands("README.md") <= _targets()


def test_contributing_names_only_what_make_knows() -> None:
    """So are those of CONTRIBUTING."""
    assert {"lint", "config"} <= _commands("CONTRIBUTING.md") <= _targets()


def test_links_lead_somewhere() -> None:
    """Every relative link in README leads to a file."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", (_ROOT / "README.md").read_text())

    assert [] == [link for link in links if not (_ROOT / link).exists()]


def test_shipped_file_is_up_to_date() -> None:
    """etc/pushd.ini is what the list of keys makes of it ("make config")."""
    assert render_ini() == (_ROOT / "etc" / "pushd.ini").read_text(encoding="utf-8")


def test_reference_is_up_to_date() -> None:
    """docs/configuration.md describes every key ("make config")."""
    text = (_ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")

    assert render_document(text) == text


def test_shipped_file_holds_every_key_at_its_default() -> None:
    """Read as a configuration, the shipped file has all keys, and changes none."""
    path = str(_ROOT / "etc" / "pushd.ini")
    shipped = load(path)

    assert load().config == shipped.config
    assert sum(len(section.model_fields) for section in sections().values()) == len(shipped.settings)
    assert all(setting.origin.startswith(path) for setting in shipped.settings)


def test_every_key_has_a_meaning() -> None:
    """No key goes without a sentence for the operator."""
    keys = [field for section in sections().values() for field in section.model_fields.values()]

    assert all(key.description for key in keys)


def test_help_names_the_options() -> None:
    """``twistd pushd --help`` works without a configuration and names every option."""
    twistd = str(Path(sys.executable).with_name("twistd"))
    command = [sys.executable, twistd, "pushd", "--help"]
    environ = os.environ | {"PYTHONPATH": str(_ROOT)}
    result = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)

    assert all(option in result.stdout for option in ("--config=", "--instance=", "--check"))


def test_modules_below_the_floor_are_named() -> None:
    """The check of coverage names every module under the floor, the worst first, and no other."""
    percents = {"good.py": 95.0, "poor.py": 94.9, "worse.py": 10.0}
    report = {
        "files": {name: {"summary": {"percent_covered": percent}} for name, percent in percents.items()}
    }

    assert ["worse.py: 10.0 %", "poor.py: 94.9 %"] == below(report, 95.0)
