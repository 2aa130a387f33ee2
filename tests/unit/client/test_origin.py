from __future__ import annotations

import pytest

from pushd.client.origin import Origins


@pytest.mark.parametrize(
    ("allowed", "origin", "right"),
    [
        ("*", "https://anywhere.example", True),
        ("*", "null", True),
        ("https://example.com", "https://example.com", True),
        ("https://example.com", "https://EXAMPLE.com:443", True),
        ("https://example.com:443", "https://example.com", True),
        ("http://example.com", "http://example.com:80", True),
        ("https://example.com", "http://example.com", False),
        ("https://example.com", "https://example.com:8443", False),
        ("https://example.com", "https://example.com.evil.example", False),
        ("https://example.com", "https://evil.example/https://example.com", False),
        ("https://example.com", "null", False),
        ("null", "null", True),
        ("https://*.example.com", "https://a.b.example.com", True),
        ("https://*.example.com", "https://example.com", False),
        ("https://*.example.com", "https://evilexample.com", False),
        ("https://*.example.com", "https://evil.example/.example.com", False),
        ("https://*.example.com", "http://a.example.com", False),
        ("https://*.example.com:8443", "https://a.example.com:8443", True),
        ("https://*.example.com:8443", "https://a.example.com", False),
        ("http://[::1]:8080", "http://[::1]:8080", True),
        ("app://shell", "app://shell", True),
        ("https://example.com", "", True),
    ],
)
def test_an_origin_is_compared_as_a_whole(allowed: str, origin: str, *, right: bool) -> None:
    """Scheme, host and port, with the port told or not; without an origin it is no browser that asks."""
    assert right == Origins([allowed]).allow(origin)


def test_nonsense_is_no_origin_of_a_list() -> None:
    """It counts as a page without an origin."""
    assert not Origins(["https://*.example.com", "https://example.com"]).allow("nonsense")


def test_any_of_a_list_will_do() -> None:
    """Exact ones and patterns may be mixed."""
    origins = Origins(["https://one.example", "https://*.two.example"])
    assert origins.allow("https://one.example")
    assert origins.allow("https://a.two.example")


def test_an_answer_is_shared_with_the_page_that_asked() -> None:
    """With all when all are allowed, but never with their cookies; else with that one, cookies included."""
    one = "https://example.com"
    assert () == Origins(["*"]).sharing("")
    for allowed in (["*"], ["*", one]):
        assert (("Access-Control-Allow-Origin", "*"),) == Origins(allowed).sharing(one)
    for allowed in ([one], ["https://*.com"]):
        assert (
            ("Access-Control-Allow-Origin", one),
            ("Vary", "Origin"),
            ("Access-Control-Allow-Credentials", "true"),
        ) == Origins(allowed).sharing(one)


@pytest.mark.parametrize("origin", ["", "https://evil.example", "null", "nonsense"])
def test_caches_know_that_an_answer_depends_on_the_page(origin: str) -> None:
    """Also the answer that is shared with nobody."""
    assert (("Vary", "Origin"),) == Origins(["https://example.com"]).sharing(origin)


def test_an_empty_list_lets_no_page_in() -> None:
    """Only clients that are no browsers."""
    assert Origins([]).allow("")
    assert not Origins([]).allow("null")


def test_a_page_may_send_a_token_its_position_and_json() -> None:
    """A browser that asks first is told so, with the methods of the route."""
    answer = Origins(["*"]).preflight(("GET", "POST"))
    assert (200, b"") == (answer.status, answer.body)
    assert {
        "Access-Control-Allow-Methods": "GET, POST",
        "Access-Control-Allow-Headers": "Authorization, Cache-Control, Content-Type, Last-Event-ID",
        "Access-Control-Max-Age": "86400",
    } == dict(answer.headers)
