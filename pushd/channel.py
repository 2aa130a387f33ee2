"""What a channel may be called: one rule for every port that takes a name from somebody.

A name has to survive as an AMQP routing key (a short string of at most 255 bytes, AMQP 0-9-1
section 4.2.5.3), as one word on the control port and as one line of a log.

Persian and Indic words need the two joiners that show nothing themselves. They are allowed where they change
how a word is written (RFC 5892 appendix A). Anywhere else they would make two names that look the same.
"""

from __future__ import annotations

from idna.core import valid_contextj

__all__ = ["LONGEST", "fault"]

_JOINERS = "\u200c\u200d"
"""Zero width non-joiner and joiner. Python counts both among the unprintable characters."""

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
    if " " in name or not (name.isprintable() or _is_printable_with_joiners(name)):
        return "a channel's name must have no spaces and no unprintable characters"
    if len(name.encode()) > longest:
        return f"a channel's name must not exceed {longest} bytes"
    return ""


def _is_printable_with_joiners(name: str) -> bool:
    """Return True if all that is unprintable are joiners in their places (RFC 5892 appendix A.1 and A.2)."""
    rest = name.translate(dict.fromkeys(map(ord, _JOINERS)))
    # A longer name is refused anyway, and looking around each of many joiners takes quadratic time.
    if not rest.isprintable() or len(name) > LONGEST:
        return False
    # It fails at letters that Unicode does not know, none of which is printable.
    return all(valid_contextj(name, place) for place, letter in enumerate(name) if letter in _JOINERS)
