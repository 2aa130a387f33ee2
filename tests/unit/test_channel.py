"""What a channel may be called."""

from __future__ import annotations

import pytest

from pushd.channel import fault


@pytest.mark.parametrize("name", ["222", "a", "order:7/x,y", "频道", "x" * 255])
def test_good_names(name: str) -> None:
    """Printable words of any script are names."""
    assert "" == fault(name)


@pytest.mark.parametrize(
    "name",
    [
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\u0645\u064e\u200c\u064e\u0645",
        "\u0915\u094d\u200d\u0937",
        "\u0915\u094d\u200c\u0937",
        "\u0dc1\u0dca\u200d\u0dbb\u0dd3",
    ],
)
def test_joiners_where_a_script_needs_them(name: str) -> None:
    """Persian's non-joiner between letters that would join, both joiners behind an Indic virama."""
    assert "" == fault(name)


@pytest.mark.parametrize(
    "name",
    [
        "a\u200db", "a\u200cb", "\u200d", "\u200c\u0645", "\u0645\u200c", "\u062f\u200c\u0645",
        "\U0001f468\u200d\U0001f469", "\u0378\u200d", "\u0645\u200c\u0645\u202e",
        "\u0645" + "\u200c" * 300 + "\u0645",
    ],
)  # fmt: skip
def test_joiners_that_show_nothing(name: str) -> None:
    """Two names would look the same."""
    assert "a channel's name must have no spaces and no unprintable characters" == fault(name)


def test_empty() -> None:
    """The empty name means a broadcast and is no channel."""
    assert "a channel's name must not be empty" == fault("")


@pytest.mark.parametrize("name", ["a b", "a\tb", "a\n", "\0", "a\u2028b", "\ud800", "\u202e"])
def test_unprintable(name: str) -> None:
    """Spaces, controls, separators, surrogates and direction marks are refused."""
    assert "a channel's name must have no spaces and no unprintable characters" == fault(name)


def test_length_counts_bytes() -> None:
    """The bound is in bytes of UTF-8, as it is on the wire."""
    assert "" == fault("频" * 85)
    assert "a channel's name must not exceed 255 bytes" == fault("频" * 86)
    assert "a channel's name must not exceed 2 bytes" == fault("abc", longest=2)
