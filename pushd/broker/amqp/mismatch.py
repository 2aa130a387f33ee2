"""Reads RabbitMQ's refusal of a declaration that differs from what exists. Pure.

AMQP 0-9-1 has no method that reads the arguments of a queue or an exchange. The text of the refusal (reply
code 406) is the only source. It names the first argument that differs, with both values, and RabbitMQ cuts it
at 255 bytes, so that a long name of a queue leaves no room for them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Mismatch", "TableValue", "advice", "parse", "seconds"]

TableValue = str | int | bool
"""A value of a declaration's argument."""

_HEAD = re.compile(r"inequivalent arg '([^']+)' for (queue|exchange) ")
_VALUE = re.compile(r"(?:the value )?'(.*?)'(?: of type '(\w+)')?")

_INTEGERS = frozenset(
    {"byte", "long", "short", "signedint", "unsignedbyte", "unsignedint", "unsignedshort", "timestamp"}
)
_AGE = re.compile(r"([0-9]{1,12})([YMDhms])", re.ASCII)
_UNITS = {"Y": 365 * 86_400, "M": 30 * 86_400, "D": 86_400, "h": 3600, "m": 60, "s": 1}

_ATTRIBUTES = frozenset({"auto_delete", "durable", "exclusive", "internal"})


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The first difference between a declaration and what exists.

    Attributes:
        name: The argument, or the attribute such as ``durable``.
        what: ``queue`` or ``exchange``.
        readable: Whether the text still holds the values. If not, they are ``None`` here.
        ours: The value that was declared; ``None`` for none.
        theirs: The value that exists; ``None`` for none.
        kind: RabbitMQ's name for the type of ``theirs``; ``""`` when it is the type of ``ours``.
    """

    name: str
    what: str
    readable: bool = False
    ours: str | None = None
    theirs: str | None = None
    kind: str = ""

    def value(self, like: object) -> TableValue | None:
        """Return what exists as a value to declare, or ``None`` for none.

        Args:
            like: The value that was declared. It has the same type when ``kind`` is empty.

        Raises:
            ValueError: The text is no value of that type.
        """
        if self.theirs is None:
            return None
        if self.kind in _INTEGERS or (not self.kind and isinstance(like, int)):
            return int(self.theirs)
        if self.kind == "bool":
            return self.theirs == "true"
        if self.kind in {"", "longstr"}:
            return self.theirs
        raise ValueError("a type that no argument of a stream has")


def parse(text: str) -> Mismatch | None:
    """Read the text of a refusal. Returns: ``None`` when the refusal has another reason."""
    head = _HEAD.search(text)
    if head is None:
        return None
    before, current, theirs = text.rpartition(" but current is ")
    ours, existing = _value(before.rpartition(": received ")[2]), _value(theirs)
    if not current or ours is None or existing is None:
        return Mismatch(head[1], head[2])
    return Mismatch(head[1], head[2], readable=True, ours=ours[0], theirs=existing[0], kind=existing[1])


def advice(found: Mismatch) -> str:
    """Say which side has what, and what an operator can do about it."""
    if found.name == "type":
        return "pushd needs a fanout exchange: delete this one, or name another in [broker] exchange"
    both = "the two differ"
    if found.readable:
        both = f"the {found.what} has {_said(found.theirs)}, pushd declares {_said(found.ours)}"
    if found.name in _ATTRIBUTES:
        return f"{found.name}: {both}; delete the {found.what} or declare it alike"
    if found.what == "exchange":
        return f"{found.name}: {both}; declare the exchange without this argument, and set it by a policy"
    return f"it was declared with other arguments, {found.name}: {both}; delete it or declare it alike"


def seconds(age: object) -> int | None:
    """Return the seconds of a value of ``x-max-age``, such as ``1h``; ``None`` for what is none."""
    found = _AGE.fullmatch(age) if isinstance(age, str) else None
    return int(found[1]) * _UNITS[found[2]] if found else None


def _value(text: str) -> tuple[str | None, str] | None:
    """Read one side. Returns: the value and its type, ``(None, "")`` for none, ``None`` if it is cut off."""
    if text == "none":
        return None, ""
    found = _VALUE.fullmatch(text)
    return (found[1], found[2] or "") if found else None


def _said(value: str | None) -> str:
    return "none" if value is None else value
