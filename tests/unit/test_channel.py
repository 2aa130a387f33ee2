"""What a channel may be called."""

from __future__ import annotations

import pytest

from pushd.channel import fault


@pytest.mark.parametrize("name", ["222", "a", "order:7/x,y", "频道", "x" * 255])
def test_good_names(name: str) -> None:
    """Printable words of any script are names."""
    assert "" == fault(name)


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
