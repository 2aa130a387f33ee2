from __future__ import annotations

from math import inf
from typing import Any, cast

import pytest
from twisted.internet.task import Clock

from pushd.client.auth import Anonymous, Authenticator
from pushd.client.gate import Gate
from pushd.client.head import Request
from pushd.client.http import HttpError
from tests.unit.client.centrifugo.talk import Vouchers


def gate(auth: Authenticator) -> Gate:
    """Make a gate at 5 seconds past its start, which is 1005 for tokens."""
    clock = Clock()
    clock.advance(5)
    return Gate(auth, cast("Any", clock), lambda: 1005.0)


def request(query: str = "", **headers: str) -> Request:
    """Make a request."""
    return Request("GET", "/events", query, headers=headers)


def test_anybody_may_pass_where_nothing_is_asked() -> None:
    """And their time never ends."""
    assert inf == gate(Anonymous())(request(), {"x"})


@pytest.mark.parametrize(
    "asked",
    [
        request("token=anna"),
        request("token=bad", authorization="Bearer anna"),
        request(authorization="bearer anna"),
    ],
)
def test_a_token_stands_in_the_header_or_the_query(asked: Request) -> None:
    """The header wins, however its scheme is written; the session ends when the token does."""
    assert 1000.0 == gate(Vouchers())(asked, {"x"})


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("", 401, "a valid token is needed"),
        ("token=old", 401, "the token has expired"),
        ("token=only", 403, "the token does not open the channel"),
    ],
)
def test_who_may_not_pass_is_told(query: str, status: int, text: str) -> None:
    """In an HTTP error, before anything is opened."""
    with pytest.raises(HttpError) as refusal:
        gate(Vouchers())(request(query), {"open", "x"})
    assert (status, text) == (refusal.value.status, refusal.value.text)


def test_a_scheme_that_is_not_bearer_is_no_token() -> None:
    """Only bearer tokens are known here."""
    with pytest.raises(HttpError):
        gate(Vouchers())(request(authorization="Basic anna"), ())
