"""Who may have which channels, where the request itself says it all: raw and server-sent events.

A token stands in ``Authorization: Bearer``, or in the query as ``token``, where browsers can put it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime

from pushd.client.auth import Authenticator, ExpiredTokenError, InvalidTokenError
from pushd.client.head import Request
from pushd.client.http import HttpError

__all__ = ["Gate", "unauthorized"]

_BEARER = "bearer "
"""The scheme, whose case does not matter (RFC 9110 section 11.1)."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Judges requests.

    Attributes:
        auth: Judges their tokens.
        clock: Tells the time that deadlines are compared with.
        now: Gives the time in seconds since the Unix epoch, which tokens speak of.
    """

    auth: Authenticator
    clock: IReactorTime
    now: Callable[[], float]

    def __call__(self, request: Request, channels: Iterable[str]) -> float:
        """Let a request through to ``channels``.

        Returns:
            What the session's ``expires_at`` has to be.

        Raises:
            HttpError: It may not have them.
        """
        try:
            identity = self.auth.connection(_token(request))
        except InvalidTokenError as error:
            raise unauthorized(error) from error
        if not all(map(identity.may_use, channels)):
            raise HttpError(403, "the token does not open the channel")
        return self.clock.seconds() + identity.expires_at - self.now()


def unauthorized(error: InvalidTokenError) -> HttpError:
    """Give the answer to a token that is not accepted (RFC 6750 section 3)."""
    text = "the token has expired" if isinstance(error, ExpiredTokenError) else "a valid token is needed"
    return HttpError(401, text, ("WWW-Authenticate", "Bearer"))


def _token(request: Request) -> str:
    header = request.header("authorization")
    if header[: len(_BEARER)].lower() == _BEARER:
        return header[len(_BEARER) :]
    return next(iter(request.parameters().get("token", ())), "")
