from __future__ import annotations

import pytest

from pushd import disconnect
from pushd.disconnect import Disconnect

REASONS = [value for value in vars(disconnect).values() if isinstance(value, Disconnect)]


@pytest.fixture(params=REASONS, ids=lambda reason: reason.name)
def reason(request: pytest.FixtureRequest) -> Disconnect:
    """Give each reason in turn."""
    found: Disconnect = request.param
    return found


def test_the_table_is_whole() -> None:
    """Every reason is exported, under a name of its own."""
    assert len(REASONS) == len({reason.name for reason in REASONS})
    assert {reason.name.upper() for reason in REASONS} | {"Disconnect"} == set(disconnect.__all__)


def test_centrifugo_clients_do_what_the_reason_says(reason: Disconnect) -> None:
    """They stay away after 3500 to 3999 and 4500 to 4999, and come back after any other code."""
    assert 3000 <= reason.centrifugo <= 4999
    final = 3500 <= reason.centrifugo <= 3999 or 4500 <= reason.centrifugo <= 4999
    assert reason.reconnect is not final


def test_plain_websockets_are_told_alike(reason: Disconnect) -> None:
    """Our own codes are final from 4500 on; registered ones are those that an endpoint may send."""
    if reason.code < 4000:
        assert reason.code in {1002, 1007, 1008, 1009, 1011, 1012}
    else:
        assert reason.reconnect is (reason.code < 4500)


def test_the_text_fits_a_close_frame(reason: Disconnect) -> None:
    """With the code, in the 125 bytes of a control frame (RFC 6455 section 5.5), and it is plain ASCII."""
    assert reason.text.isascii()
    assert reason.text.isprintable()
    assert 0 < len(reason.text) <= 123
