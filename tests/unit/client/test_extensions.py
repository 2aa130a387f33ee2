from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushd.client.extensions import agree
from pushd.client.http import HttpError

AGREED = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
TWELVE = f"{AGREED}; server_max_window_bits=12"


@pytest.mark.parametrize(
    ("offers", "answer"),
    [
        # As browsers, `ws`, Autobahn and `websockets` offer it.
        ("permessage-deflate", AGREED),
        ("permessage-deflate; client_max_window_bits", AGREED),
        ("permessage-deflate; client_no_context_takeover; client_max_window_bits", AGREED),
        ("permessage-deflate; server_max_window_bits=12; client_max_window_bits=12", TWELVE),
        # However it is written.
        ("permessage-deflate;server_max_window_bits=15", TWELVE),
        ('permessage-deflate;\tserver_max_window_bits = "1\\5" ;client_max_window_bits=8', TWELVE),
        (", permessage-deflate ,,", AGREED),
        # The first one of several that is acceptable.
        ("x-mystery; a; b=c; d, permessage-deflate", AGREED),
        ("permessage-deflate; server_max_window_bits=9, permessage-deflate", AGREED),
        ("permessage-deflate; server_max_window_bits=14, permessage-deflate", TWELVE),
    ],
)
def test_an_offer_is_accepted(offers: str, answer: str) -> None:
    """Without context takeover, and in one window, which is named if the client asks for it."""
    assert answer == agree(offers)


@pytest.mark.parametrize(
    "offers",
    [
        "",
        ", ,",
        "x-webkit-deflate-frame",
        "Permessage-Deflate",
        "permessage-deflate; server_max_window_bits=11",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=012",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover=yes",
        "permessage-deflate; client_max_window_bits; client_max_window_bits",
        "permessage-deflate; memory_level=4",
        "permessage-deflate; mystery",
    ],
)
def test_an_offer_is_declined(offers: str) -> None:
    """It is none of ours, cannot be met, or says what the extension does not know (RFC 7692 section 7.1)."""
    assert "" == agree(offers)


@pytest.mark.parametrize(
    "offers",
    [
        "permessage-deflate;",
        "; server_no_context_takeover",
        "permessage deflate",
        "permessage-deflate; =12",
        "permessage-deflate; server_max_window_bits=",
        'permessage-deflate; server_max_window_bits=""',
        'permessage-deflate; server_max_window_bits="12',
        "permessage-deflate; server_max_window_bits=12 12",
        'permessage-deflate, x; a="b,c"',
        'x; a="b;c"',
        "x; a=b=c",
        "permessage-deflate, (x)",
    ],
)
def test_what_is_no_offer_is_refused(offers: str) -> None:
    """Also when it stands after one that is acceptable (RFC 6455 section 9.1)."""
    with pytest.raises(HttpError) as caught:
        agree(offers)
    assert (400, "bad Sec-WebSocket-Extensions") == (caught.value.status, caught.value.text)


PIECES = st.sampled_from(
    ["permessage-deflate", "server_max_window_bits", "client_max_window_bits", ";", ",", "=", '"', "\\", " ",
     "\t", "12", "15", "x"]
)  # fmt: skip


TEXT = st.text(st.characters(min_codepoint=9, max_codepoint=126))


@given(st.lists(PIECES, max_size=20).map("".join) | TEXT)
def test_whatever_is_offered(offers: str) -> None:
    """It is accepted, declined or refused, and nothing else happens."""
    with suppress(HttpError):
        assert agree(offers) in {"", AGREED, TWELVE}
