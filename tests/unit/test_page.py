"""Pages of ours and the headers that lock them down."""

from __future__ import annotations

import base64
import hashlib
import sys
from pathlib import Path

import pytest

from pushd.page import load


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give a package that ships two pages."""
    folder = tmp_path / "pages_for_test"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "one.html").write_text("<p title='{{name}}'>\u00e9</p><script>go()</script>", encoding="utf-8")
    (folder / "still.html").write_text("<p>still</p>", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop(folder.name, None)
    return folder.name


def test_values_are_escaped(package: str) -> None:
    """A value takes its place without being able to become markup."""
    page = load(package, "one.html", name="'><b>")
    assert "<p title='&#x27;&gt;&lt;b&gt;'>\u00e9</p><script>go()</script>" == page.body.decode()


def test_the_policy_names_the_script_by_hash(package: str) -> None:
    """Only the script that was shipped may run."""
    digest = base64.b64encode(hashlib.sha256(b"go()").digest()).decode()
    headers = dict(load(package, "one.html").headers)
    assert f"script-src 'sha256-{digest}';" in headers["Content-Security-Policy"]
    assert "text/html; charset=utf-8" == headers["Content-Type"]


def test_a_page_without_script(package: str) -> None:
    """Where there is no script none may run."""
    assert "script-src 'none';" in dict(load(package, "still.html").headers)["Content-Security-Policy"]


def test_a_missing_page(package: str) -> None:
    """A page that is not shipped is found out when it is loaded, not when it is asked for."""
    with pytest.raises(FileNotFoundError):
        load(package, "gone.html")


@pytest.mark.parametrize(
    ("owner", "name"), [("pushd.client", "demo.html"), ("pushd.admin", "dashboard.html")]
)
def test_our_pages_are_whole(owner: str, name: str) -> None:
    """Each page we ship has one inline script, no handler in an attribute and nothing from elsewhere."""
    text = load(owner, name).body.decode()
    assert text.count("<script") == text.count("<script>") == 1
    for forbidden in (
        " onclick=",
        " onload=",
        " src=",
        "@import",
        "innerHTML",
        "http://",
        "https://",
        "eval(",
    ):
        assert forbidden not in text
