from __future__ import annotations

import pytest

from pushd.client.centrifugo.errors import BAD_REQUEST, RefusedError
from pushd.client.centrifugo.rules import Rules
from pushd.message import BROADCAST


def test_broadcasts_have_a_name_towards_clients() -> None:
    """The configured name stands for the channel without one, both ways."""
    rules = Rules(broadcast="all")
    assert (BROADCAST, "all") == (rules.channel("all"), rules.name(BROADCAST))
    assert ("news", "news") == (rules.channel("news"), rules.name("news"))


@pytest.mark.parametrize("name", ["", "two words", "x" * 11, "line\nbreak"])
def test_what_is_no_channels_name_is_a_bad_request(name: str) -> None:
    """Names are held to one rule on every port."""
    with pytest.raises(RefusedError) as refusal:
        Rules(channel_length=10).channel(name)
    assert BAD_REQUEST == refusal.value.error
