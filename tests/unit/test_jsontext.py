"""JSON as its text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushd.jsontext import Form, compact, depth, form, last_member, loads

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def _is_json(text: str) -> bool:
    """Return True if Python's own parser takes a text as JSON by RFC 8259."""

    def refuse(name: str) -> None:
        raise ValueError(name)

    try:
        json.loads(text, parse_constant=refuse)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    "text",
    [
        '"\\ud83d"',
        '{"\\udead":["\\ud83d\\ud83d"]}',
        "1e400",
        "-1e99999",
        "18446744073709551616",
        "9" * 5000,
        "0." + "1" * 5000,
        '{"a":1,"a":2}',
        "-0",
        '"\x7f"',
        '"\u2028"',
        " [1] ",
        "[" * 600 + "]" * 600,
    ],
)
def test_json(text: str) -> None:
    """All that RFC 8259 allows is JSON, whatever a parser can make of it."""
    assert Form.JSON is form(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "hello",
        "NaN",
        "[1,-Infinity]",
        "\ufeff1",
        '"\x01"',
        "1 x",
        "01",
        "1.",
        "-",
        "[1,]",
        '"\\ud83"',
        '"\\x"',
        "1\0",
        '\x0b"x"',
        "1e400x",
        '["\\ud83d"',
    ],
)
def test_text(text: str) -> None:
    """A text that RFC 8259 does not allow is no JSON, even where some parser takes it."""
    assert Form.TEXT is form(text.encode())


@pytest.mark.parametrize("text", ["[" * 5000 + "]" * 5000, '{"a":' * 100_000 + "1" + "}" * 100_000])
def test_deep(text: str) -> None:
    """A text that is nested beyond every parser is told apart, without an exception."""
    assert Form.DEEP is form(text.encode())


@given(st.text(alphabet='{}[],:"\\u0d83e19.-+ tnNaN', max_size=12))
def test_agrees_with_another_parser(text: str) -> None:
    """Short texts made of JSON's own characters are judged as by Python's parser."""
    assert _is_json(text) is (form(text.encode()) is Form.JSON)


@given(VALUES)
def test_every_value(value: Any) -> None:
    """Whatever can be written is JSON, compact or not, and keeps its meaning when it is made compact."""
    text = json.dumps(value, indent=1)
    assert Form.JSON is form(text.encode())
    assert json.loads(compact(text)) == value
    assert compact(text) == json.dumps(value, separators=(",", ":"))


@given(VALUES, VALUES)
def test_a_member_is_found(value: Any, other: Any) -> None:
    """A value is given as it is written, whatever stands beside it."""
    text = json.dumps({"id": 1, "a": {"z": other, "b": value, "c": other}, "n": other}, indent=1)
    found = last_member(text, "a", "b")
    assert found is not None
    assert json.loads(found) == value


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a":{"b":1.10, "b": 2e0 }}', "2e0"),
        (' { "a" : { } } ', None),
        ('{"c":{"b":1}}', None),
        ('{"a":[1]}', None),
        ('{"a":{"b":"}\\""}}', '"}\\""'),
    ],
)
def test_members(text: str, found: str | None) -> None:
    """The last of several counts, as for other parsers; what is not there is not found."""
    assert found == last_member(text, "a", "b")


def test_loads() -> None:
    """Numbers of any length and half a character do not stop the reading of what is beside them."""
    assert {"a": "\ud83d", "id": 7} == loads(b'{"a":"\\ud83d","id":7}')
    assert [10**20, float("inf")] == loads(b"[100000000000000000000," + b"9" * 5000 + b"]")


@pytest.mark.parametrize(
    ("text", "levels"), [("1", 0), ("[]", 1), ('{"a":[1,[],"[[[[\\"[["],"b":[]}', 3), ('"[["', 0)]
)
def test_depth(text: str, levels: int) -> None:
    """Brackets in strings do not count."""
    assert levels == depth(text)
