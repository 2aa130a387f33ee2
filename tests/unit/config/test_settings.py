"""Substitution, and what of a value is shown."""

from __future__ import annotations

import pytest

from pushd.config.settings import Problem, Setting, settle
from pushd.config.source import Raw

_KNOWN = {
    "pushd": {"instance": "1"},
    "listen": {"public": "tcp:809${instance}"},
    "broker": {"exchange": "x", "stream": "${exchange}.h", "other": "${listen:public}"},
}


def _texts(*written: Raw) -> dict[tuple[str, str], str]:
    settings, problems = settle(_KNOWN, written, frozenset())
    assert [] == problems
    return {place: setting.text for place, setting in settings.items()}


def test_defaults_are_substituted() -> None:
    """The instance in every section, keys of the same section, and keys of another one."""
    assert {
        ("pushd", "instance"): "1",
        ("listen", "public"): "tcp:8091",
        ("broker", "exchange"): "x",
        ("broker", "stream"): "x.h",
        ("broker", "other"): "tcp:8091",
    } == _texts()


def test_later_values_win_and_are_substituted() -> None:
    """Whoever wrote it last decides, for what is made of it too."""
    texts = _texts(
        Raw("pushd", "instance", "2", "file:1"),
        Raw("broker", "exchange", "y$$", "file:2"),
        Raw("pushd", "instance", "3", "--instance"),
    )

    assert ("3", "tcp:8093", "y$.h") == (
        texts["pushd", "instance"],
        texts["listen", "public"],
        texts["broker", "stream"],
    )


def test_origin_is_that_of_the_last_writer() -> None:
    """Values remember who wrote them; the others are defaults."""
    settings, _ = settle(
        _KNOWN, [Raw("broker", "exchange", "y", "a:1"), Raw("broker", "exchange", "z", "ENV")], frozenset()
    )

    assert ("ENV", "default") == (settings["broker", "exchange"].origin, settings["broker", "stream"].origin)


@pytest.mark.parametrize(
    "text", ["$", "a$b", "${", "${unknown}", "${listen:unknown}", "${x:y:z}", "${stream}"]
)
def test_wrong_dollars_are_problems(text: str) -> None:
    """What cannot be substituted is said with its place, not raised."""
    _, problems = settle(_KNOWN, [Raw("broker", "stream", text, "f:7")], frozenset({("broker", "stream")}))

    assert [f"f:7: [broker] stream = ***: expected {problems[0].expected}"] == [
        str(problem) for problem in problems
    ]


@pytest.mark.parametrize(
    ("text", "secret", "shown"),
    [
        ("plain", False, "plain"),
        ("a\nb\x1b", False, r"a\nb\x1b"),
        ("hunter2", True, "***"),
        ("", True, ""),
    ],
)
def test_text_is_shown_on_one_line_and_secrets_not_at_all(text: str, secret: bool, shown: str) -> None:
    """What is shown can neither break a line nor tell a secret; that there is none may be told."""
    assert shown == Setting("s", "k", text, "o", secret).shown


def test_a_problem_is_one_line() -> None:
    """Origin, section, key, value and what was expected."""
    assert "f:1: [s] k = v: expected w" == str(Problem(Setting("s", "k", "v", "f:1"), "w"))
