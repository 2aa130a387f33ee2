"""What --check prints."""

from __future__ import annotations

from pushd.config import load, show


def test_every_key_is_shown_with_its_origin() -> None:
    """A line per key under its section; passwords are masked, the rest of a URL is not."""
    environ = {
        "PUSHD_BROKER_URL": "amqp://u:hunter2@a, amqp://u:hunter2@b/v",
        "PUSHD_AUTH_JWT_SECRET": "hunter2",
        "PUSHD_LIMITS_CONNECTIONS": "5",
    }
    effective = load(environ=environ)
    lines = show(effective).splitlines()

    assert "hunter2" not in show(effective)
    assert "[pushd]" == lines[0]
    assert "url = amqp://u:***@a:5672/%2F, amqp://u:***@b:5672/v  <- PUSHD_BROKER_URL" in lines
    assert "jwt_secret = ***  <- PUSHD_AUTH_JWT_SECRET" in lines
    assert "connections = 5  <- PUSHD_LIMITS_CONNECTIONS" in lines
    assert "public = tcp:8091:interface=127.0.0.1  <- default" in lines
    assert len(effective.settings) == sum(" <- " in line for line in lines)
