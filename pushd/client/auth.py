"""Who a client is: anybody, or whom a signed token names (JWT, RFC 7519, HMAC with SHA-256 only).

A token is judged once, when it is shown; that it ends in time is the session's business,
which compares ``Identity.expires_at`` with the clock. Nothing of a token is ever echoed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol

import jwt

__all__ = [
    "ANYBODY",
    "Anonymous",
    "Authenticator",
    "ExpiredTokenError",
    "Identity",
    "InvalidTokenError",
    "Tokens",
]


_END_OF_TIME = 1e15
"""Seconds since the Unix epoch that no token means, nor infinity, nor what is no number at all."""


class InvalidTokenError(Exception):
    """The token is malformed, wrongly signed, or not for this service or purpose."""


class ExpiredTokenError(InvalidTokenError):
    """The token was good, and its time is over."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a connection belongs to.

    Attributes:
        user: The token's ``sub``; ``""`` for anybody.
        expires_at: When the token ends, in seconds since the Unix epoch, or infinity.
        channels: The only channels it may use, or ``None`` for all. Broadcasts reach everybody.
    """

    user: str = ""
    expires_at: float = inf
    channels: frozenset[str] | None = None

    def may_use(self, channel: str) -> bool:
        """Whether ``channel`` is open to it without a token of its own."""
        return self.channels is None or channel in self.channels


ANYBODY = Identity()
"""A client that showed nothing, where nothing needs to be shown."""


class Authenticator(Protocol):
    """What judges tokens."""

    def connection(self, token: str) -> Identity:
        """Tell whom ``token`` names.

        Raises:
            ExpiredTokenError: Its time is over.
            InvalidTokenError: It is not acceptable at all; an absent one (``""``) may be.
        """

    def subscription(self, token: str, channel: str, user: str) -> float:
        """Tell until when ``token`` opens ``channel`` to ``user``, in seconds since the Unix epoch.

        Raises:
            ExpiredTokenError: Its time is over.
            InvalidTokenError: It is not acceptable, or was made for another channel or user.
        """


class Anonymous:
    """Takes everybody, whatever they show: ``[auth] mode = anonymous``."""

    def connection(self, token: str) -> Identity:  # noqa: ARG002  # nobody is asked
        """See :meth:`Authenticator.connection`."""
        return ANYBODY

    def subscription(self, token: str, channel: str, user: str) -> float:  # noqa: ARG002  # nobody is asked
        """See :meth:`Authenticator.subscription`."""
        return inf


class Tokens:
    """Takes whoever shows a JWT signed with the shared secret: ``[auth] mode = jwt``.

    A connection's token carries ``exp`` and optionally ``sub`` (the user) and ``channels`` (a list: the
    only ones open to it). A subscription's token carries ``exp``, ``channel``, and the connection's ``sub``.

    Args:
        secret: The shared secret; RFC 7518 section 3.2 asks for at least 32 bytes.
        audience: What ``aud`` must contain, or ``""`` for any.
        issuer: What ``iss`` must be, or ``""`` for any.
        now: Gives the time in seconds since the Unix epoch.
    """

    def __init__(self, secret: str, audience: str, issuer: str, now: Callable[[], float]) -> None:
        self._secret = secret
        self._audience = audience or None
        self._issuer = issuer or None
        self._now = now

    def connection(self, token: str) -> Identity:
        """See :meth:`Authenticator.connection`."""
        claims = self._claims(token)
        channels = claims.get("channels")
        if channels is None:
            return Identity(_text(claims, "sub"), claims["exp"])
        if not (isinstance(channels, list) and all(isinstance(name, str) for name in channels)):
            raise InvalidTokenError("channels")
        return Identity(_text(claims, "sub"), claims["exp"], frozenset(channels))

    def subscription(self, token: str, channel: str, user: str) -> float:
        """See :meth:`Authenticator.subscription`."""
        claims = self._claims(token)
        if _text(claims, "channel") != channel or _text(claims, "sub") != user:
            raise InvalidTokenError("made for somebody or something else")
        expires_at: float = claims["exp"]
        return expires_at

    def _claims(self, token: str) -> dict[str, Any]:
        """Check the signature and the times; ``exp`` is a number in what comes back."""
        required = ["exp", *(["aud"] if self._audience else []), *(["iss"] if self._issuer else [])]
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=["HS256"],
                audience=self._audience,
                issuer=self._issuer,
                # The time is compared below, with the clock that was given.
                options={
                    "require": required,
                    "verify_aud": bool(self._audience),
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.PyJWTError as error:
            raise InvalidTokenError("not verified") from error
        _check_times(claims, self._now())
        return claims


def _check_times(claims: dict[str, Any], now: float) -> None:
    """Compare ``exp`` and ``nbf`` (RFC 7519 sections 4.1.4 and 4.1.5) with ``now``."""
    if _number(claims["exp"]) <= now:
        raise ExpiredTokenError("expired")
    if _number(claims.get("nbf", now)) > now:
        raise InvalidTokenError("not valid yet")


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _END_OF_TIME:
        raise InvalidTokenError("a time must be a number")
    return value


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name, "")
    # JSON can name half a surrogate pair, which nobody could be told: it would fail whoever lists its user.
    if not isinstance(value, str) or any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidTokenError(name)
    return value
