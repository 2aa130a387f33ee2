from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushd.client.origin import Origins
from pushd.config.origins import read_pattern, spelling


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("*", "*"),
        ("NULL", "null"),
        ("file://", "file://"),
        ("https://Example.COM", "https://example.com"),
        ("HTTPS://example.com:443", "https://example.com"),
        ("http://example.com:0080", "http://example.com"),
        ("http://example.com:443", "http://example.com:443"),
        ("https://example.com:", "https://example.com"),
        ("https://example.com:*", "https://example.com:*"),
        ("https://münchen.de", "https://xn--mnchen-3ya.de"),
        ("https://MÜNCHEN。de", "https://xn--mnchen-3ya.de"),
        ("https://*.münchen.de", "https://*.xn--mnchen-3ya.de"),
        ("https://XN--mnchen-3ya.de", "https://xn--mnchen-3ya.de"),
        ("https://faß.de", "https://xn--fa-hia.de"),
        ("https://i❤.ws", "https://xn--i-7iq.ws"),
        ("https://测试.example", "https://xn--0zwm56d.example"),
        ("https://**.example.com", "https://*.example.com"),
        ("http://[0:0::1]:8080", "http://[::1]:8080"),
        ("http://[2001:DB8::A]:80", "http://[2001:db8::a]"),
        ("http://[::ffff:1.2.3.4]", "http://[::ffff:102:304]"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("chrome-extension://abcdef", "chrome-extension://abcdef"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("https://a_b.example", "https://a_b.example"),
    ],
)
def test_a_pattern_is_spelled_as_browsers_do(written: str, read: str) -> None:
    """Lower case, punycode by the rules of browsers, the shortest address, no default port."""
    pattern = read_pattern(written)
    assert read == pattern.text
    assert pattern == read_pattern(pattern.text)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("https://example.com/", "https://example.com, because an origin has no path"),
        ("https://example.com/a?b#c", "https://example.com, because an origin has no path"),
        ("https://example.com?a", "https://example.com, because an origin has no path"),
        ("https://münchen.de:8443/a", "https://xn--mnchen-3ya.de:8443, because an origin has no path"),
        ("https://user:pass@example.com", "https://example.com, because an origin has no user"),
        ("example.com:8443", "https://example.com:8443, because an origin begins with a scheme"),
        ("*.example.com", "https://*.example.com, because an origin begins with a scheme"),
        (
            "wss://example.com",
            "https://example.com, because the origin is that of the page, not of the socket",
        ),
        ("ws://x:80", "http://x, because the origin is that of the page, not of the socket"),
        ("https://good.org.", "https://good.org, because a name neither begins nor ends with a dot"),
        ("https://.good.org", "https://good.org, because a name neither begins nor ends with a dot"),
        ("http://127.1", "http://127.0.0.1, because browsers write an address in four numbers"),
        ("http://0x7f.1", "http://127.0.0.1, because browsers write an address in four numbers"),
        ("http://[fe80::1%25eth0]", "http://[fe80::1], because an origin has no zone"),
        ("file:///home", "file://, because the origin of a file has no path"),
        ("data://x", "null, because browsers send that for such a page"),
        ("user@x", "https://x, because an origin begins with a scheme and an origin has no user"),
    ],
)
def test_what_no_browser_sends_is_corrected(written: str, expected: str) -> None:
    """The error has the right spelling in it, which can be taken as it stands."""
    with pytest.raises(ValueError, match="because") as refusal:
        read_pattern(written)
    assert expected == str(refusal.value)
    read_pattern(expected.partition(",")[0])


@pytest.mark.parametrize(
    "written",
    [
        "https://", "https://:443", "https://a..good.org", "https://a b", "https://exa%6dple.com", "http:/x",
        "http:\\\\x", "://", "*://example.com", "https://[::1", "https://[x]", "https://x:8x", "https://x:0",
        "https://x:65536", "https://x:*1", "https://1.2.3.4.5", "https://256.1.1.1", "https://xn--a",
        "https://xn--bogus-", "https://xn--mnchen-3YA-.de", "https://xn--*.de", "https://mü*.de",
        "https://\ufffe", "https://" + "a" * 64, "https://" + ".".join(["a" * 63] * 4) + ".a",
    ],
)  # fmt: skip
def test_what_is_no_origin_at_all_is_refused(written: str) -> None:
    """It has no right spelling."""
    with pytest.raises(ValueError, match=r"an origin|example\.com|punycode"):
        read_pattern(written)


@pytest.mark.parametrize(
    ("pattern", "origin", "right"),
    [
        ("https://*.good.org", "https://a.good.org", True),
        ("https://*.good.org", "https://a.b.good.org", True),
        ("https://*.good.org", "https://good.org", False),
        ("https://*.good.org", "https://.good.org", False),
        ("https://*.good.org", "https://a..good.org", False),
        ("https://*.good.org", "https://a.good.org.", False),
        ("https://*.good.org", "https://ä.good.org", False),
        ("https://*.good.org", "https://a.good.org:65536", False),
        ("https://*.good.org", "https://evil.org/.good.org", False),
        ("https://*.good.org", "https://evil.org:.good.org", False),
        ("https://*.good.org", "https://a@b.good.org", False),
        ("https://*.\u212a.org", "https://a.k.org", True),
        ("https://k.org", "https://\u212a.org", False),
        ("https://*.*.good.org", "https://a.b.good.org", True),
        ("https://*.*.good.org", "https://a.b.c.good.org", True),
        ("https://*.*.good.org", "https://a.good.org", False),
        ("https://a.*.good.org", "https://a.b.good.org", True),
        ("https://a.*.good.org", "https://a.b.c.good.org", False),
        ("https://pr-*-web.*.good.org:*", "https://pr-17-web.x.good.org:8443", True),
        ("https://pr-*-web.good.org", "https://pr-1.2-web.good.org", False),
        ("https://pr-*.good.org", "https://pr-.good.org", False),
        ("https://good.*", "https://good.org", True),
        ("https://good.*", "https://good.org.evil", False),
        ("http://192.168.1.*:8080", "http://192.168.1.7:8080", True),
        ("https://x:*", "https://x", True),
        ("https://x:*", "https://x:8443", True),
        ("https://x:*", "http://x", False),
        ("https://x:*", "https://x.evil:8443", False),
        ("https://*", "https://anything.example", True),
        ("https://*", "https://[::1]", True),
        ("https://*", "https://anything.example:8443", False),
        ("https://*:*", "https://anything.example:8443", True),
        ("https://*:*", "null", False),
        ("https://*:*", "file://", False),
        ("http://[::1]:8080", "http://[0:0:0:0:0:0:0:1]:8080", True),
        ("http://[::1]", "http://[::2]", False),
        ("http://[::1]", "http://[::1", False),
        ("http://[::1]", "http://[:1:]", False),
        ("null", "null", True),
        ("null", "file://", False),
        ("file://", "file://", True),
        ("file://", "null", False),
        ("https://münchen.de", "https://xn--mnchen-3ya.de", True),
        ("app://shell", "app://SHELL", True),
        ("app://shell:*", "app://shell:1", True),
    ],
)
def test_a_pattern_matches_what_browsers_send(pattern: str, origin: str, *, right: bool) -> None:
    """As a whole, label by label; what is no origin passes no wildcard."""
    assert right == Origins([pattern]).allow(origin)


LABELS = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True).filter(lambda x: x[2:4] != "--")
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
SCHEMES = st.sampled_from(["http", "https", "app"])
PORTS = st.one_of(st.just(""), st.integers(1, 65535).map(lambda port: f":{port}"))
LETTERS = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])
PIECES = st.sampled_from(
    [
        "http",
        "https",
        "://",
        ":",
        "/",
        "*",
        ".",
        "@",
        "[",
        "]",
        "::1",
        "null",
        "file",
        "xn--",
        "443",
        "%",
        "ü",
    ]
)
PATTERNS = st.lists(st.one_of(PIECES, st.text(LETTERS, max_size=5)), max_size=8).map("".join)


@given(SCHEMES, NAMES, PORTS)
def test_what_a_browser_sends_may_be_listed_as_it_is(scheme: str, name: str, port: str) -> None:
    """In any case, and with any of its labels or its port for a wildcard."""
    origin = f"{scheme}://{name}{port}"
    first, _, rest = name.partition(".")
    for pattern in (origin, origin.upper(), f"{scheme}://{name}:*", f"{scheme}://*:*"):
        assert Origins([pattern]).allow(origin)
    if rest:
        assert Origins([f"{scheme}://*.{rest}{port}"]).allow(origin)
        assert not Origins([f"{scheme}://*.{rest}{port}"]).allow(f"{scheme}://{first}{rest}{port}")


@given(PATTERNS)
def test_no_pattern_lets_in_what_it_does_not_say(text: str) -> None:
    """Whatever is accepted matches itself, never ``null`` unasked, and never fails on a request."""
    try:
        pattern = read_pattern(text)
    except ValueError:
        return
    origins = Origins([text])
    for whole in ("null", "file://"):
        assert origins.allow(whole) == (pattern.text in {"*", whole})
    filled = re.sub(r"\*", "7", pattern.text.replace("://*", "://a", 1))
    assert origins.allow(filled) or "*" in pattern.text[:1]
    for strange in ("https://.good.org", "https://a..b", "https://b.", "nonsense", "https://", "\xff://a"):
        assert not origins.allow(strange) or pattern.text == "*"


@given(st.text(LETTERS, max_size=30), st.text(max_size=30))
def test_no_header_makes_a_pattern_fail(name: str, noise: str) -> None:
    """A browser's word is judged, whatever it is."""
    origins = Origins(["https://*.good.org", "null", "http://[::1]:*"])
    for origin in (noise, f"https://{name}", f"https://{name}.good.org", f"http://[{noise}]"):
        assert origins.allow(origin) in {True, False}
        spelled = spelling(origin)
        assert spelled is None or spelling(spelled.removesuffix(":")) == spelled
