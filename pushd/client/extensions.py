"""What a client offers in ``Sec-WebSocket-Extensions``, and what is agreed (RFC 6455 section 9.1, RFC 7692).

Of all extensions there are, permessage-deflate is spoken here, in one way: without context takeover in
either direction, and towards clients in one window. Whoever cannot live with that gets plain frames.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pushd.client.http import HttpError
from pushd.deflate import WINDOW_BITS

__all__ = ["agree"]

_CHARACTER = r"[!#$%&'*+.^_`|~0-9A-Za-z-]"
_NAME = re.compile(rf"{_CHARACTER}+")
_PARAMETER = re.compile(rf'({_CHARACTER}+)(?:[ \t]*=[ \t]*({_CHARACTER}+|"(?:\\?{_CHARACTER})+"))?')
"""A quoted value is a token, too, once the quotes are off: no comma or semicolon can be in one."""

_DEFLATE = "permessage-deflate"
_ANSWER = f"{_DEFLATE}; server_no_context_takeover; client_no_context_takeover"

_BITS = r"[89]|1[0-5]"
_PARAMETERS = {
    "server_no_context_takeover": re.compile(r""),
    "client_no_context_takeover": re.compile(r""),
    "server_max_window_bits": re.compile(_BITS),
    "client_max_window_bits": re.compile(rf"|{_BITS}"),
}
"""The values of what an offer may say (RFC 7692 section 7.1); ``""`` stands for none."""


def agree(header: str) -> str:
    """Choose of what a client offers.

    Args:
        header: Its header, in one line; may be empty.

    Returns:
        The answer's header, or ``""``: nothing was offered that is spoken here.

    Raises:
        HttpError: The header does not have the form it must have: the handshake fails (RFC 6455 section 9.1).
    """
    offers = [_offer(text) for text in header.split(",") if text.strip(" \t")]
    answers = (_answer(parameters) for name, parameters in offers if name == _DEFLATE)
    return next(filter(None, answers), "")


def _offer(text: str) -> tuple[str, Sequence[tuple[str, str]]]:
    """Split an offer into its name and its parameters."""
    name, *parameters = (part.strip(" \t") for part in text.split(";"))
    if not _NAME.fullmatch(name):
        raise HttpError(400, "bad Sec-WebSocket-Extensions")
    return name, [_parameter(parameter) for parameter in parameters]


def _parameter(text: str) -> tuple[str, str]:
    match = _PARAMETER.fullmatch(text)
    if not match:
        raise HttpError(400, "bad Sec-WebSocket-Extensions")
    return match[1], (match[2] or "").strip('"').replace("\\", "")


def _answer(parameters: Sequence[tuple[str, str]]) -> str:
    """Answer an offer of permessage-deflate, or decline it (RFC 7692 section 7.1) with ``""``."""
    wanted = dict(parameters)
    known = all(name in _PARAMETERS and _PARAMETERS[name].fullmatch(wanted[name]) for name in wanted)
    if not known or len(wanted) < len(parameters):
        return ""
    bits = wanted.get("server_max_window_bits")
    if bits is None:
        return _ANSWER
    return f"{_ANSWER}; server_max_window_bits={WINDOW_BITS}" if int(bits) >= WINDOW_BITS else ""
