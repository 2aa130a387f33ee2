"""The sections: frozen, closed, and without contradictions."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from pushd.config import BrokerUrl, ConfigError, Limits, load


def test_values_are_frozen() -> None:
    """Nobody changes the configuration of a running daemon."""
    limits = Limits(connections=5)

    with pytest.raises(ValidationError):
        limits.connections = 6  # type: ignore[misc]  # the mistake under test


def test_sections_are_closed() -> None:
    """A key that does not exist cannot be given in code either."""
    with pytest.raises(ValidationError):
        Limits.model_validate({"conections": 5})


def test_defaults_are_those_of_the_first_instance() -> None:
    """Without a file: instance 1, memory broker, and the reply the original gave."""
    config = load().config

    assert ("1", (BrokerUrl("memory"),)) == (config.pushd.instance, config.broker.urls)
    assert '{"Received: ": "1"}' == config.websocket.heartbeat_reply
    assert ("com.jihaixiang.test", "com.jihaixiang.test.history") == (
        config.broker.exchange,
        config.broker.stream,
    )


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        (
            {"PUSHD_PUSHD_INSTANCE": "2"},
            (
                "PUSHD_PUSHD_INSTANCE: [pushd] instance = 2: expected 1 with the memory broker, "
                "whose messages no second instance sees; set url of [broker]"
            ),
        ),
        (
            {"PUSHD_LISTEN_REUSE_PORT": "yes", "PUSHD_LISTEN_PUBLIC": "unix:/run/pushd.sock"},
            (
                "PUSHD_LISTEN_REUSE_PORT: [listen] reuse_port = yes: expected no unless public is a tcp or "
                "tcp6 endpoint"
            ),
        ),
        (
            {"PUSHD_LISTEN_REUSE_PORT": "yes", "PUSHD_LISTEN_PUBLIC": "systemd:domain=INET:name=ws"},
            (
                "PUSHD_LISTEN_REUSE_PORT: [listen] reuse_port = yes: expected no unless public is a tcp or "
                "tcp6 endpoint"
            ),
        ),
        (
            {"PUSHD_BROKER_CERTIFICATE": "own.pem"},
            "default: [broker] private_key = : expected certificate and private_key both, or neither",
        ),
        (
            {"PUSHD_BROKER_PRIVATE_KEY": "own.pem"},
            "default: [broker] certificate = : expected certificate and private_key both, or neither",
        ),
        (
            {"PUSHD_AUTH_MODE": "jwt", "PUSHD_AUTH_JWT_SECRET": "hunter2"},
            (
                "PUSHD_AUTH_JWT_SECRET: [auth] jwt_secret = ***: expected at least 32 bytes when mode is jwt "
                "(RFC 7518 section 3.2)"
            ),
        ),
        (
            {"PUSHD_BROKER_STREAM_MAX_AGE": "9m", "PUSHD_BROKER_URL": "amqp://broker"},
            (
                "PUSHD_BROKER_STREAM_MAX_AGE: [broker] stream_max_age = 9m: expected no less than max_age "
                "of [history], which is read from the stream"
            ),
        ),
    ],
)
def test_contradictions_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], problem: str
) -> None:
    """Values that are right by themselves and wrong together are refused."""
    (tmp_path / "own.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load(environ=environ)

    assert problem == str(caught.value)


@pytest.mark.parametrize("broker", [{}, {"PUSHD_BROKER_URL": "amqp://x", "PUSHD_BROKER_QUEUE": "exclusive"}])
def test_without_a_stream_its_age_does_not_matter(broker: dict[str, str]) -> None:
    """Memory may hold messages for longer when no stream is read back."""
    config = load(environ=broker | {"PUSHD_HISTORY_MAX_AGE": "2h"}).config

    assert 7200.0 == config.history.max_age
