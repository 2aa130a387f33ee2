"""Every section and key of the configuration: its type, its default as the INI file writes it, its meaning.

The only list of keys there is: the loader, ``etc/pushd.ini`` and ``docs/configuration.md`` all come
from it. Values are frozen; the rest of the daemon gets a section, or single values, never a file.
A section made in code (by a test) checks its values alike, but substitutes no ``${…}``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pushd.config.types import (
    BrokerUrls,
    Duration,
    DurationOrNever,
    Endpoint,
    Flag,
    Heartbeat,
    HostNames,
    HttpPath,
    InstanceName,
    Name,
    Networks,
    Origins,
    PemFile,
    Size,
    whole,
)

__all__ = [
    "Auth",
    "Broker",
    "Centrifugo",
    "Config",
    "History",
    "Limits",
    "Listen",
    "Log",
    "Pushd",
    "Section",
    "Sse",
    "WebSocket",
    "contradictions",
]


def key(default: str, meaning: str, *, secret: bool = False) -> Any:
    """Declare a key by its default, written as in the file, and its meaning, written for an operator.

    Args:
        secret: Nobody is shown the value; it is left out of ``repr`` too.
    """
    return Field(
        default=default,
        description=meaning,
        validate_default=True,
        repr=not secret,
    )


class Section(BaseModel):
    """One section of the file. Its docstring is the comment above it."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Pushd(Section):
    """The instance."""

    instance: InstanceName = key(
        "1",
        "A name or number; --instance wins. It is what heartbeats answer, and ${instance} elsewhere.",
    )


class Listen(Section):
    """Where to listen: Twisted endpoint strings (tcp, tcp6, unix, ssl, systemd)."""

    public: Endpoint = key("tcp:809${instance}:interface=127.0.0.1", "Browsers, through nginx.")
    admin: Endpoint = key(
        "tcp:819${instance}:interface=127.0.0.1", "Operators: /live, /ready, /metrics, /api/, the dashboard."
    )
    admin_hosts: HostNames = key(
        "",
        "Names under which the admin port may be asked, besides localhost and addresses, such as those by "
        "which Prometheus knows it; separated by commas.",
    )
    control: Endpoint = key("tcp:829${instance}:interface=127.0.0.1", "Operators, over telnet.")
    reuse_port: Flag = key(
        "no",
        "Share the public port with other instances (SO_REUSEPORT; tcp and tcp6 only), see docs/scaling.md.",
    )
    demo: Flag = key("no", "Serve the demo page at / of the public port.")


class Broker(Section):
    """Where messages come from and are published to."""

    url: BrokerUrls = key(
        "memory:",
        "memory: (embedded, for a single instance), amqp://user:password@host:5672/vhost or amqps://…; "
        "several nodes of one cluster are separated by commas. A slash inside a name is %2F.",
        secret=True,
    )
    exchange: Name = key("com.jihaixiang.test", "The durable fanout exchange that applications publish to.")
    queue: Literal["stream", "exclusive"] = key(
        "stream",
        "stream: all instances read one stream and can resume; exclusive: a queue per instance.",
    )
    stream: Name = key("${exchange}.history", "The name of the stream.")
    stream_max_age: Duration = key("1h", "How long the stream keeps messages.")
    stream_max_bytes: Size = key("1GB", "How much the stream keeps.")
    prefetch: Annotated[int, whole(1, 65535)] = key(
        "500", "Unacknowledged messages under way to this instance."
    )
    heartbeat: Heartbeat = key("30s", "How often an idle connection to the broker proves that it lives.")
    ca_file: PemFile = key("", "amqps: the certificates to trust (PEM); empty means the system's.")
    certificate: PemFile = key("", "amqps: our own certificate (PEM), when the broker asks for one.")
    private_key: PemFile = key("", "amqps: the key of our certificate (PEM).")

    @property
    def urls(self) -> BrokerUrls:
        """The nodes to try, in this order."""
        return self.url


class History(Section):
    """Recent messages held in memory for clients that come back."""

    max_bytes: Size = key("64MB", "Memory for bodies; the oldest go first.")
    max_messages: Annotated[int, whole(1, 100_000_000)] = key("100000", "How many messages are held.")
    max_age: Duration = key(
        "10m", "How long; also how far back a starting instance reads the stream before it is ready."
    )


class WebSocket(Section):
    """WebSockets."""

    path: HttpPath = key("/websocket/", "The raw route; what follows in the URL is a channel.")
    ping_interval: Duration = key("25s", "Ping silent clients; below nginx's proxy_read_timeout.")
    ping_timeout: Duration = key("20s", "How long the answer may take.")
    heartbeat_reply: str = key(
        '{"Received: ": "${instance}"}', "What a text frame from a client on the raw route is answered with."
    )
    compression: Flag = key(
        "no",
        "Deflate messages (permessage-deflate) for clients that ask for it, each once for all of them. Not "
        "where a secret and a stranger's text share a message: its length would tell about the secret.",
    )
    compression_min_size: Size = key("1KB", "Smaller messages are never deflated.")


class Centrifugo(Section):
    """Clients that speak Centrifugo's JSON protocol."""

    broadcast: Name = key("broadcast", "The server-side subscription on which broadcasts arrive.")
    publish: Flag = key("no", "Let clients publish to channels they are subscribed to.")
    presence: Flag = key("yes", "Tell clients who else is on a channel of this instance.")
    join_leave: Flag = key("no", "Tell subscribers of a channel who comes and goes.")


class Sse(Section):
    """Server-sent events."""

    retry: Duration = key("3s", "After how long a browser should come back, give or take a random share.")


class Limits(Section):
    """What one instance takes on."""

    connections: Annotated[int, whole(1, 10_000_000)] = key("50000", "Client connections at once.")
    connections_per_ip: Annotated[int, whole(1, 10_000_000)] = key("1000", "Those of one address.")
    handshake_timeout: Duration = key("5s", "From accepting a connection to the end of its handshake.")
    accept_rate: Annotated[int, whole(0, 10_000_000)] = key(
        "10000", "New clients per second; others get 503 and nginx tries the next instance. 0 means no limit."
    )
    message_size: Size = key("64KB", "A message from a client.")
    buffered_bytes: Size = key("256KB", "Bytes waiting in one client's connection before it counts as slow.")
    connection_age: DurationOrNever = key("24h", "Ask older connections to come back; 0 means never.")
    subscriptions: Annotated[int, whole(1, 1_000_000)] = key("128", "Channels of one connection.")
    channel_length: Annotated[int, whole(1, 255)] = key("255", "Bytes in the name of a channel.")
    stall_timeout: Duration = key("30s", "How long a slow client may read nothing at all.")
    slow_clients: Literal["close", "gap", "latest"] = key(
        "close",
        "When what a slow client needs next is no longer held: close it resumably, skip the gap and say so, "
        "or give it only the newest message of each channel.",
    )
    recovery_bytes: Size = key("1MB", "The most that one resuming client is given at once.")
    catch_up_readers: Annotated[int, whole(1, 100)] = key(
        "4", "How many read the stream at once for clients that missed more than memory holds."
    )
    close_timeout: Duration = key("5s", "How long a client may take to answer a closing handshake.")
    drain_timeout: Duration = key("25s", "How long a stopping instance takes to send its clients away.")
    control_sessions: Annotated[int, whole(1, 10_000)] = key("16", "Sessions on the control port at once.")
    control_idle: Duration = key("10m", "After how long an idle control session is closed.")


class Auth(Section):
    """Who may connect."""

    mode: Literal["anonymous", "jwt"] = key("anonymous", "jwt: a signed token says who and what for.")
    allowed_origins: Origins = key(
        "*",
        "Origins whose pages may connect, such as https://example.com, https://*.example.com; * means all.",
    )
    trusted_proxies: Networks = key(
        "127.0.0.0/8, ::1/128",
        "Who may tell a client's address in X-Forwarded-For; a proxy on a unix socket always may.",
    )
    jwt_secret: str = key("", "jwt: the shared secret (HS256) that signs tokens.", secret=True)
    jwt_audience: str = key("", "jwt: the audience a token must name; empty means any.")
    jwt_issuer: str = key("", "jwt: the issuer a token must name; empty means any.")
    default_rights: Literal["none", "all"] = key(
        "none",
        "jwt: the channels that a connection's token without the claim channels opens. Either way broadcasts "
        "reach every connection, and a subscription's token opens its channel.",
    )


class Log(Section):
    """What is logged, to stdout."""

    level: Literal["debug", "info", "warn", "error", "critical"] = key("info", "The least that is logged.")
    format: Literal["text", "json"] = key(
        "text", "text: a line per event for people and journald; json: an object per line for collectors."
    )


class Config(Section):
    """Everything, as one frozen value."""

    pushd: Pushd
    listen: Listen
    broker: Broker
    history: History
    websocket: WebSocket
    centrifugo: Centrifugo
    sse: Sse
    limits: Limits
    auth: Auth
    log: Log


def contradictions(config: Config) -> Iterator[tuple[str, str, str]]:
    """Find values that are right by themselves and wrong together.

    Yields:
        Section, key, and what was expected of it.
    """
    broker, auth, listen = config.broker, config.auth, config.listen
    if broker.urls[0].scheme == "memory" and config.pushd.instance != "1":
        expected = "1 with the memory broker, whose messages no second instance sees; set url of [broker]"
        yield "pushd", "instance", expected
    if listen.reuse_port and not listen.public.startswith(("tcp:", "tcp6:")):
        yield "listen", "reuse_port", "no unless public is a tcp or tcp6 endpoint"
    if bool(broker.certificate) != bool(broker.private_key):
        missing = "private_key" if broker.certificate else "certificate"
        yield "broker", missing, "certificate and private_key both, or neither"
    if auth.mode == "jwt" and len(auth.jwt_secret.encode()) < 32:
        yield "auth", "jwt_secret", "at least 32 bytes when mode is jwt (RFC 7518 section 3.2)"
    streams = broker.queue == "stream" and broker.urls[0].scheme != "memory"
    if streams and broker.stream_max_age < config.history.max_age:
        yield "broker", "stream_max_age", "no less than max_age of [history], which is read from the stream"
