from __future__ import annotations

from math import inf
from typing import Any

import jwt
import pytest

from pushd.client.auth import (
    ANYBODY,
    Anonymous,
    ExpiredTokenError,
    Identity,
    InvalidTokenError,
    Tokens,
)

SECRET = "a secret that is long enough for it"


def sign(secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    """Make a token that ends at 2000."""
    return jwt.encode({"exp": 2000, **claims}, secret, algorithm=algorithm)


def tokens(audience: str = "", issuer: str = "", now: float = 1000.0) -> Tokens:
    """Make a judge of tokens."""
    return Tokens(SECRET, audience, issuer, lambda: now)


def test_anonymous_takes_everybody() -> None:
    """Without tokens, whatever is shown opens everything for ever."""
    assert ANYBODY == Anonymous().connection("whatever")
    assert inf == Anonymous().subscription("whatever", "news", "")


def test_anybody_may_use_every_channel() -> None:
    """An identity without a list of channels may use all of them."""
    assert ANYBODY.may_use("news")


def test_a_token_names_the_user_and_its_end() -> None:
    """A connection's token gives the user and when it ends."""
    assert Identity("42", 2000) == tokens().connection(sign(sub="42"))


def test_a_token_may_list_the_only_channels() -> None:
    """A list of channels closes all others."""
    identity = tokens().connection(sign(sub="42", channels=["news"]))
    assert identity.may_use("news")
    assert not identity.may_use("sports")


@pytest.mark.parametrize("channels", ["news", [1], {"news": 1}])
def test_a_list_of_channels_that_is_none_is_refused(channels: object) -> None:
    """Channels that are no list of names make the token invalid."""
    with pytest.raises(InvalidTokenError):
        tokens().connection(sign(channels=channels))


def test_a_token_whose_time_is_over_has_expired() -> None:
    """The end itself is past the end."""
    with pytest.raises(ExpiredTokenError):
        tokens(now=2000.0).connection(sign())


def test_a_token_may_begin_later() -> None:
    """A token that holds only from later on does not hold yet."""
    with pytest.raises(InvalidTokenError):
        tokens().connection(sign(nbf=1001))
    assert "" == tokens().connection(sign(nbf=1000)).user


@pytest.mark.parametrize("end", ["soon", True, None, 10**400, float("inf"), float("nan")])
def test_an_end_that_is_no_number_is_refused(end: object) -> None:
    """The end must be a number."""
    with pytest.raises(InvalidTokenError):
        tokens().connection(jwt.encode({"exp": end}, SECRET))


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x.y.z",
        sign(secret="another secret that is long enough"),
        sign(algorithm="HS512", secret=SECRET * 2),
        jwt.encode({"exp": 2000}, None, algorithm="none"),
        jwt.encode({"sub": "42"}, SECRET),
        jwt.encode({"exp": 2000, "sub": 42}, SECRET),
        jwt.encode({"exp": 2000, "sub": "\ud800"}, SECRET),
    ],
    ids=[
        "absent",
        "garbled",
        "another secret",
        "another algorithm",
        "unsigned",
        "endless",
        "odd user",
        "half a character",
    ],
)
def test_a_bad_token_is_refused(token: str) -> None:
    """Whatever is not signed with the secret by HS256, or lacks its end, is invalid."""
    with pytest.raises(InvalidTokenError):
        tokens().connection(token)


def test_audience_and_issuer_are_required_when_configured() -> None:
    """A token for somebody else is invalid; without a configured audience any will do."""
    judge = tokens(audience="push", issuer="me")
    assert "42" == judge.connection(sign(sub="42", aud="push", iss="me")).user
    for claims in (
        {"aud": "push"},
        {"iss": "me"},
        {"aud": "other", "iss": "me"},
        {"aud": "push", "iss": "you"},
    ):
        with pytest.raises(InvalidTokenError):
            judge.connection(sign(**claims))
    assert "" == tokens().connection(sign(aud="push", iss="me")).user


def test_a_subscription_token_opens_one_channel_to_one_user() -> None:
    """It says until when, and is invalid for another channel or user."""
    token = sign(sub="42", channel="news")
    assert 2000 == tokens().subscription(token, "news", "42")
    for channel, user in (("sports", "42"), ("news", "43")):
        with pytest.raises(InvalidTokenError):
            tokens().subscription(token, channel, user)


def test_a_channel_that_is_no_text_is_refused() -> None:
    """A token for something else than a channel's name opens nothing."""
    with pytest.raises(InvalidTokenError):
        tokens().subscription(sign(channel=7), "7", "")
