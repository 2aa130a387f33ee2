"""The configuration: INI text and environment in, frozen values out, or every mistake in readable lines."""

from __future__ import annotations

from pushd.config.broker_url import BrokerUrl
from pushd.config.load import ConfigError, Effective, load, sections
from pushd.config.settings import Setting
from pushd.config.show import show
from pushd.config.values import (
    Auth,
    Broker,
    Centrifugo,
    Config,
    History,
    Limits,
    Listen,
    Log,
    Pushd,
    Sse,
    WebSocket,
)

__all__ = [
    "Auth",
    "Broker",
    "BrokerUrl",
    "Centrifugo",
    "Config",
    "ConfigError",
    "Effective",
    "History",
    "Limits",
    "Listen",
    "Log",
    "Pushd",
    "Setting",
    "Sse",
    "WebSocket",
    "load",
    "sections",
    "show",
]
