"""What a channel may be called: one rule for every port that takes a name from somebody.

A name has to survive as an AMQP routing key (a short string of at most 255 bytes, AMQP 0-9-1
section 4.2.5.3), as one word on the control port and as one line of a log.
"""

from __future__ import annotations

__all__ = ["LONGEST", "fault"]

LONGEST = 255
"""Bytes of UTF-8 that an AMQP short string holds."""


def fault(name: str, longest: int = LONGEST) -> str:
    """Tell what is wrong with a channel's name.

    Args:
        name: What somebody called it.
        longest: The most bytes of UTF-8 it may take.

    Returns:
        A sentence that quotes nothing, or ``""`` when the name is good.
    """
    if not name:
        return "a channel's name must not be empty"
    # A lone surrogate is not printable: what passes here can always be encoded.
    if " " in name or not name.isprintable():
        return "a channel's name must have no spaces and no unprintable characters"
    if len(name.encode()) > longest:
        return f"a channel's name must not exceed {longest} bytes"
    return ""
