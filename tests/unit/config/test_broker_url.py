"""Broker URLs: RabbitMQ's rules, and no password where anybody reads."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushd.config.broker_url import BrokerUrl


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("memory:", BrokerUrl("memory")),
        ("amqp://host", BrokerUrl("amqp", "host", 5672, "/", "guest", "guest")),
        ("amqps://host", BrokerUrl("amqps", "host", 5671, "/", "guest", "guest")),
        ("amqp://host/", BrokerUrl("amqp", "host", 5672, "", "guest", "guest")),
        ("amqp://host:5673/%2F", BrokerUrl("amqp", "host", 5673, "/", "guest", "guest")),
        ("amqp://u%40x:p%2F%3A@host/a%2Fb", BrokerUrl("amqp", "host", 5672, "a/b", "u@x", "p/:")),
        ("amqp://u:%E6%B5%8B@host/v", BrokerUrl("amqp", "host", 5672, "v", "u", "测")),
        ("amqp://u:@[::1]:5673/v", BrokerUrl("amqp", "::1", 5673, "v", "u", "")),
    ],
)
def test_urls_are_read_by_the_rules(text: str, expected: BrokerUrl) -> None:
    """Defaults, ports and percent-encoding are RabbitMQ's."""
    assert expected == BrokerUrl.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "memory",
        "http://host",
        "amqp:host",
        "amqp://",
        "amqp://u:hunter2@",
        "amqp://u:hunter2@host:0",
        "amqp://u:hunter2@host:65536",
        "amqp://u:hunter2@host:port",
        "amqp://u:hunter2@[::1",
        "amqp://u:hunter2@host\u2100x",
        "amqp://u:hunter2@host/a/b",
        "amqp://u:hunter2%FF@host",
        "amqp://u:hunter2?x@host",
        "amqp://u:hunter2@host/v#x",
        "amqp://u:hunter2",
    ],
)
def test_wrong_urls_are_refused_without_being_quoted(text: str) -> None:
    """What was expected is said; what was written, which may be a password, is not."""
    with pytest.raises(ValueError, match=r"amqp|broker URL") as caught:
        BrokerUrl.parse(text)

    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("memory:", "memory:"),
        ("amqp://u%3A:hunter2@host/a%2Fb", "amqp://u%3A:***@host:5672/a%2Fb"),
        ("amqps://[::1]", "amqps://guest:***@[::1]:5671/%2F"),
    ],
)
def test_password_is_masked(text: str, shown: str) -> None:
    """Neither form for people holds the password."""
    url = BrokerUrl.parse(text)

    assert shown == str(url)
    assert "hunter2" not in repr(url)


@given(st.text())
def test_any_text_is_a_url_or_a_value_error(text: str) -> None:
    """Nothing but ValueError comes out of wrong text."""
    with suppress(ValueError):
        BrokerUrl.parse("amqp://" + text)
