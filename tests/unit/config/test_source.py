"""What is written, and where: the INI file and the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from pushd.config.source import Raw, from_environment, from_file

_KNOWN = {"listen": {"public": "", "admin": ""}, "limits": {"connections": ""}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the path of a file that does not exist yet."""
    return tmp_path / "pushd.ini"


def _complaints(path: Path, text: str) -> list[str]:
    path.write_text(text, encoding="utf-8")
    return [f"{raw.origin}: {raw.complaint}".removeprefix(str(path)) for raw in from_file(str(path), _KNOWN)]


def test_values_know_their_line(path: Path) -> None:
    """Each value comes with its file and line, whatever stands between."""
    path.write_text("; comment\n\n[listen]\n# comment\nPublic = tcp:1 ; kept\n\n[limits]\n\nconnections=5\n")

    assert [
        Raw("listen", "public", "tcp:1 ; kept", f"{path}:5"),
        Raw("limits", "connections", "5", f"{path}:9"),
    ] == from_file(str(path), _KNOWN)


def test_only_line_ends_make_lines(path: Path) -> None:
    """An editor counts no form feed and no line separator in a comment."""
    path.write_text("# a\f\u2028\x85b\r\n[listen]\nadmin = 1\n", encoding="utf-8", newline="")

    assert [f"{path}:3"] == [raw.origin for raw in from_file(str(path), _KNOWN)]


def test_a_mark_at_the_beginning_is_no_text(path: Path) -> None:
    """What editors on Windows put there does not hide the first section."""
    path.write_text("[listen]\nadmin = 1\n", encoding="utf-8-sig")

    assert [Raw("listen", "admin", "1", f"{path}:2")] == from_file(str(path), _KNOWN)


def test_values_may_go_on_indented(path: Path) -> None:
    """A long list stands on several lines, of which the first is its place."""
    path.write_text("[listen]\npublic = a,\n  b = c\nadmin = d\n")

    assert [("a,\nb = c", f"{path}:2"), ("d", f"{path}:4")] == [
        (raw.text, raw.origin) for raw in from_file(str(path), _KNOWN)
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[listn]\nx = 1\n", ":1: no section is named [listn]; did you mean 'listen'?"),
        ("\n[other]\n", ":2: no section is named [other]"),
        ("[DEFAULT]\nx = 1\n", ":1: no section is named [DEFAULT]"),
        ("[listen]\npublc = 1\n", ":2: [listen] has no key 'publc'; did you mean 'public'?"),
        ("[listen]\nconnections = 1\n", ":2: [listen] has no key 'connections'; it belongs to [limits]"),
        ("[listen]\nxyz = 1\n", ":2: [listen] has no key 'xyz'"),
        ("[listen]\n[limits]\n[listen]\n", ":3: [listen] stands here a second time"),
        ("[listen]\nadmin = 1\nadmin = 2\n", ":3: [listen] admin stands here a second time"),
        ("public = 1\n[listen]\n", ":1: expected a [section] before the first key"),
        ("[listen]\nhunter2\n", ":2: expected key = value, a [section] or a comment"),
        ("[listen]\n= hunter2\n", ":2: expected key = value, a [section] or a comment"),
    ],
)
def test_mistakes_are_said_in_one_line(path: Path, text: str, complaint: str) -> None:
    """Each mistake names its line, and the nearest name that exists."""
    assert [complaint] == _complaints(path, text)


def test_all_unknown_names_are_said(path: Path) -> None:
    """One round of corrections is enough."""
    assert 3 == len(_complaints(path, "[listn]\n[listen]\na = 1\nb = 2\n"))


def test_a_file_must_be_readable(path: Path, tmp_path: Path) -> None:
    """A missing file, a folder and other encodings are told apart."""
    missing, folder = from_file(str(path), _KNOWN), from_file(str(tmp_path), _KNOWN)
    path.write_bytes(b"[listen]\npublic = \xff\n")
    binary = from_file(str(path), _KNOWN)

    assert [
        "cannot be read: No such file or directory",
        "cannot be read: Is a directory",
        "byte 18 is not UTF-8",
    ] == [raw.complaint for (raw,) in (missing, folder, binary)]


def test_environment_is_read_by_name() -> None:
    """Variables are named by section and key; the others belong to somebody else."""
    environ = {
        "PUSHD_LIMITS_CONNECTIONS": "5",
        "PUSHD_LISTEN_PUBLIC": "",
        "PUSHD_SERVICE_HOST": "x",
        "LISTEN_FDS": "1",
    }

    assert [
        Raw("limits", "connections", "5", "PUSHD_LIMITS_CONNECTIONS"),
        Raw("listen", "public", "", "PUSHD_LISTEN_PUBLIC"),
    ] == from_environment(environ, _KNOWN)


def test_variable_must_be_utf8() -> None:
    """Other bytes, as in a secret that was written in Latin-1, are no text."""
    (raw,) = from_environment({"PUSHD_LISTEN_PUBLIC": "\udcff"}, _KNOWN)

    assert ("PUSHD_LISTEN_PUBLIC", "is not UTF-8", "") == (raw.origin, raw.complaint, raw.text)


def test_variable_of_a_section_must_name_a_key() -> None:
    """A mistyped variable is not passed over."""
    (raw,) = from_environment({"PUSHD_LISTEN_PUBLC": "x"}, _KNOWN)

    assert "names no key; did you mean 'PUSHD_LISTEN_PUBLIC'?" == raw.complaint
