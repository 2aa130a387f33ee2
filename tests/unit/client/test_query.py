from __future__ import annotations

import pytest

from pushd.client.head import Request
from pushd.client.http import HttpError
from pushd.client.query import IGNORED, flag, read


def asked(query: str) -> Request:
    """Make a request."""
    return Request("GET", "/events", query)


def test_known_parameters_are_read() -> None:
    """Beside those by which libraries get around caches."""
    noise = "&".join(f"{name}=1" for name in IGNORED)
    assert {"channel": ["a", "b"]}.items() <= read(asked(f"channel=a&channel=b&{noise}"), ["channel"]).items()
    assert {} == read(asked(""), ())


@pytest.mark.parametrize(
    "query",
    ["chanel=a", "Channel=a", "channel%5B%5D=a", "channel=a&x", "channels=a,b", "=a", "%3Cscript%3E=a"],
)
def test_an_unknown_parameter_is_refused(query: str) -> None:
    """In words of ours, with those that would do: what is misspelled would be missed in silence."""
    with pytest.raises(HttpError) as refusal:
        read(asked(query), ["token", "channel"])
    text = "the query has a parameter that is not known here; known are: channel, token"
    assert (400, text) == (refusal.value.status, refusal.value.text)


@pytest.mark.parametrize(
    ("query", "right"), [("", False), ("x=true", True), ("x=1", True), ("x=false", False), ("x=1&x=0", False)]
)
def test_a_flag(query: str, *, right: bool) -> None:
    """Its last value counts."""
    assert right == flag(read(asked(query), ["x"]), "x")


@pytest.mark.parametrize("value", ["", "yes", "TRUE"])
def test_what_is_no_flag_is_refused(value: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(HttpError, match="x must be true or false"):
        flag({"x": [value]}, "x")
