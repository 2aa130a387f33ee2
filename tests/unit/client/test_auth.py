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


def test_an_identity_has_no_rights_by_itself() -> None:
    """Each right is granted by a token or by the configuration."""
    assert not Identity("42").may_use("news")


def test_a_token_names_the_user_and_its_end() -> None:
    """A connection's token gives the user and when it ends."""
    assert Identity("42", 2000) == tokens().connection(sign(sub="42"))


@pytest.mark.parametrize(("rights", "expected"), [(frozenset(), False), (None, True)])
def test_the_configuration_says_what_a_token_without_channels_opens(
    rights: frozenset[str] | None, expected: bool
) -> None:
    """All channels or none; a list in the token is all that it grants, even an empty one."""
    judge = Tokens(SECRET, "", "", lambda: 1000.0, rights)
    assert expected == judge.connection(sign()).may_use("news")
    assert not judge.connection(sign(channels=[])).may_use("news")
    assert judge.connection(sign(channels=["news"])).may_use("news")


def test_a_token_may_list_the_only_channels() -> None:
    """A list of channels closes all others."""
    identity = tokens().connection(sign(sub="42", channels=["news"]))
    assert identity.may_use("news")
    assert not identity.may_use("sports")


@pytest.mark.parametrize(
    "channels", ["news", "", None, True, 0, 7, [1], [None], ["news", 1], [["news"]], {"news": 1}, {}]
)
@pytest.mark.parametrize("rights", [frozenset(), None])
def test_a_list_of_channels_that_is_none_is_refused(rights: frozenset[str] | None, channels: object) -> None:
    """Channels that are no list of names make the token invalid, whatever the configuration grants."""
    with pytest.raises(InvalidTokenError):
        Tokens(SECRET, "", "", lambda: 1000.0, rights).connection(sign(channels=channels))


@pytest.mark.parametrize("channel", ["news", "", None, 7, ["news"]])
@pytest.mark.parametrize("now", [1000.0, 3000.0])
def test_a_subscriptions_token_opens_no_connection(channel: object, now: float) -> None:
    """With or without a list of channels, and when its time is over, which would ask for a newer one."""
    for more in ({}, {"channels": ["news"]}):
        with pytest.raises(InvalidTokenError) as caught:
            tokens(now=now).connection(sign(channel=channel, **more))
        assert InvalidTokenError is caught.type


@pytest.mark.parametrize("claims", [{}, {"channels": ["news"]}, {"channel": "news", "channels": ["news"]}])
def test_a_connections_token_opens_no_subscription(claims: dict[str, object]) -> None:
    """A token of both kinds is of neither."""
    for channel in ("news", ""):
        with pytest.raises(InvalidTokenError):
            tokens().subscription(sign(sub="42", **claims), channel, "42")


@pytest.mark.parametrize(
    ("typ", "connects", "subscribes"),
    [
        ("JWT", True, True),
        ("at+jwt", True, True),
        ("pushd-connection+jwt", True, False),
        ("pushd-subscription+jwt", False, True),
        ("application/Pushd-Subscription+JWT", False, True),
        (7, False, False),
    ],
)
def test_a_type_may_tell_the_kinds_apart(typ: Any, connects: bool, subscribes: bool) -> None:
    """RFC 8725 section 3.11. What names neither kind says nothing."""

    def opens(**claims: object) -> bool:
        token = jwt.encode({"exp": 2000, **claims}, SECRET, headers={"typ": typ})
        try:
            if "channel" in claims:
                tokens().subscription(token, "news", "")
            else:
                tokens().connection(token)
        except InvalidTokenError:
            return False
        return True

    assert (connects, subscribes) == (opens(), opens(channel="news"))


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
