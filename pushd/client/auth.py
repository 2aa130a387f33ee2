"""Who a client is: anybody, or whom a signed token names (JWT, RFC 7519, HMAC with SHA-256 only).

A right is what a token or the configuration grants; the absence of a claim grants nothing by itself. A token
is judged once, when it is shown. The session compares ``Identity.expires_at`` with the clock, and ends in
time. Nothing of a token is ever echoed.
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


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a token is for.

    Attributes:
        required: A claim that it must have, or ``""``.
        foreign: A claim that only the other kind has.
        foreign_type: The header ``typ`` that names the other kind, in lower case.
    """

    required: str
    foreign: str
    foreign_type: str


_CONNECTION = _Kind("", "channel", "pushd-subscription+jwt")
_SUBSCRIPTION = _Kind("channel", "channels", "pushd-connection+jwt")


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
        channels: The channels that it may use without a token of their own, or ``None`` for all. Broadcasts
            reach every connection.
    """

    user: str = ""
    expires_at: float = inf
    channels: frozenset[str] | None = frozenset()

    def may_use(self, channel: str) -> bool:
        """Whether ``channel`` is open to it without a token of its own."""
        return self.channels is None or channel in self.channels


ANYBODY = Identity(channels=None)
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
    The claims ``channel`` and ``channels`` tell the two kinds apart, so a token of one kind never passes for
    the other (RFC 8725 section 3.12). So does the header ``typ``, where it names a kind (section 3.11).

    Args:
        secret: The shared secret; RFC 7518 section 3.2 asks for at least 32 bytes.
        audience: What ``aud`` must contain, or ``""`` for any.
        issuer: What ``iss`` must be, or ``""`` for any.
        now: Gives the time in seconds since the Unix epoch.
        default_rights: Channels that a connection's token without ``channels`` opens, or ``None`` for all.
    """

    def __init__(
        self,
        secret: str,
        audience: str,
        issuer: str,
        now: Callable[[], float],
        default_rights: frozenset[str] | None = frozenset(),
    ) -> None:
        self._secret = secret
        self._audience = audience or None
        self._issuer = issuer or None
        self._now = now
        self._default_rights = default_rights

    def connection(self, token: str) -> Identity:
        """See :meth:`Authenticator.connection`."""
        claims = self._claims(token, _CONNECTION)
        return Identity(_text(claims, "sub"), claims["exp"], self._rights(claims))

    def subscription(self, token: str, channel: str, user: str) -> float:
        """See :meth:`Authenticator.subscription`."""
        claims = self._claims(token, _SUBSCRIPTION)
        if _text(claims, "channel") != channel or _text(claims, "sub") != user:
            raise InvalidTokenError("made for somebody or something else")
        expires_at: float = claims["exp"]
        return expires_at

    def _rights(self, claims: dict[str, Any]) -> frozenset[str] | None:
        """Give the channels that a connection's token opens.

        Only an absent claim leaves them to the configuration. One of a wrong type, null among them, is a
        mistake of the issuer, which meant to limit the token.
        """
        if "channels" not in claims:
            return self._default_rights
        channels = claims["channels"]
        if not (isinstance(channels, list) and all(isinstance(name, str) for name in channels)):
            raise InvalidTokenError("channels")
        return frozenset(channels)

    def _claims(self, token: str, kind: _Kind) -> dict[str, Any]:
        """Check the signature, the kind and the times.

        Returns:
            The claims, of which ``exp`` is a number.
        """
        content = self._verified(token)
        claims: dict[str, Any] = content["payload"]
        # First, because a token of the other kind is not acceptable at any time: a newer one is no remedy.
        _check_kind(kind, content["header"], claims)
        _check_times(claims, self._now())
        return claims

    def _verified(self, token: str) -> dict[str, Any]:
        """Give the header and the claims (``payload``) of a token whose signature and names are right."""
        required = ["exp", *(["aud"] if self._audience else []), *(["iss"] if self._issuer else [])]
        try:
            content: dict[str, Any] = jwt.decode_complete(
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
        return content


def _check_kind(kind: _Kind, header: dict[str, Any], claims: dict[str, Any]) -> None:
    """Refuse a token that says by its claims or by its type that it is of the other kind."""
    if kind.foreign in claims:
        raise InvalidTokenError("a claim of the other kind of token")
    if kind.required and kind.required not in claims:
        raise InvalidTokenError("the claim of its kind is missing")
    typ = header.get("typ", "")
    if not isinstance(typ, str):
        raise InvalidTokenError("typ")
    # RFC 7515 section 4.1.9: a media type, whose case does not matter, mostly without "application/".
    if typ.lower().removeprefix("application/") == kind.foreign_type:
        raise InvalidTokenError("the type of the other kind of token")


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
