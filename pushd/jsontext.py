"""JSON as its text: what may stand in a client's JSON as it is, and where a value stands in a command.

No value is decoded and written again. Numbers would lose digits, and half a character (a lone surrogate)
has no form in UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from itertools import accumulate
from json import JSONDecoder
from typing import NoReturn

import orjson

__all__ = ["Form", "compact", "depth", "form", "last_member", "loads"]

_SPACE = re.compile(r"[ \t\n\r]*+")

_STRING_OR_SPACE = re.compile(r'("(?:[^"\\]++|\\.)*+")|[ \t\n\r]++')

_NO_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+"|[^\[\]{}"]++')

_LEVEL = {"[": 1, "{": 1, "]": -1, "}": -1}

_DIGITS = 400
"""Length of the largest integer that is read as a number. The protocol has none of more than 20 digits."""


class Form(Enum):
    """The kinds of text that a client which expects JSON is sent.

    Attributes:
        JSON: JSON by RFC 8259.
        TEXT: No JSON.
        DEEP: Nested too deeply to be checked. Some clients' parsers have the same limit.
    """

    JSON = "json"
    TEXT = "text"
    DEEP = "deep"


def form(body: bytes) -> Form:
    """Tell what a text in UTF-8 is."""
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return _form_of_refused(body)
    return Form.JSON


def _form_of_refused(body: bytes) -> Form:
    """Tell what a text is that orjson refuses: it refuses lone surrogates and 1e400, which are JSON."""
    try:
        _CHECKER.decode(body.decode())
    except RecursionError:
        return Form.DEEP
    except ValueError:
        return Form.TEXT
    return Form.JSON


def loads(line: bytes) -> object:
    """Read JSON as Python's own parser does: with lone surrogates, 1e400, and the names of NaN and infinity.

    Raises:
        ValueError: The line is not even that, or not UTF-8.
        RecursionError: It is nested too deeply.
    """
    value: object = _READER.decode(line.decode())
    return value


def compact(text: str) -> str:
    """Return JSON without the white space between its tokens."""
    return _STRING_OR_SPACE.sub(r"\1", text)


def depth(text: str) -> int:
    """Return how many levels of arrays and objects JSON has."""
    brackets = _NO_BRACKET.sub("", text)
    return max(accumulate(map(_LEVEL.__getitem__, brackets)), default=0)


def last_member(text: str, outer: str, inner: str) -> str | None:
    """Return the text of the member ``inner`` of the object that is the member ``outer`` of an object.

    Args:
        text: JSON that a parser has read.
        outer: A name; of several members with this name the last counts.
        inner: A name; of several members with this name the last counts.

    Returns:
        The value as it is written, or ``None`` if there is no such member.

    Raises:
        ValueError: A value is no JSON by RFC 8259.
        RecursionError: A value is nested too deeply.
    """
    for name in (outer, inner):
        found = None
        for key, begin, end in _members(text):
            if key == name:
                found = text[begin:end]
        if found is None:
            return None
        text = found
    return text


def _members(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield the name of each member of an object, and where its value begins and ends."""
    begin = _skip(text, 0)
    if not text.startswith("{", begin):
        return
    place = _skip(text, begin + 1)
    while not text.startswith("}", place):
        name, place = _CHECKER.raw_decode(text, place)
        first = _skip(text, _skip(text, place) + 1)
        _, end = _CHECKER.raw_decode(text, first)
        yield name, first, end
        place = _skip(text, end)
        if text.startswith(",", place):
            place = _skip(text, place + 1)


def _skip(text: str, place: int) -> int:
    """Return the first place from ``place`` on that is no white space."""
    found = _SPACE.match(text, place)
    return found.end() if found else place


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _DIGITS else float(digits)


_CHECKER = JSONDecoder(parse_int=len, parse_float=len, parse_constant=_refuse)
"""Reads RFC 8259. Numbers are checked and not converted: that would take long for very many digits."""

_READER = JSONDecoder(parse_int=_integer)
