"""``/metrics``: the counters and gauges under the names and units of Prometheus's conventions.

Nothing is counted here: a scrape reads :class:`pushd.stats.Stats` and the hub. Labels come from
our own short vocabularies, never from a peer, so that the number of series is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from pushd import __version__
from pushd.admin.exchange import Answer, Ask
from pushd.admin.loop import LoopLag
from pushd.stats import Stats
from pushd.status import Status

__all__ = ["Metrics"]

_COUNTERS = {
    "messages": ("pushd_messages_received", "Messages received from the broker."),
    "message_bytes": ("pushd_messages_received_bytes", "Bytes of the bodies of messages received."),
    "deliveries": ("pushd_deliveries", "Messages handed to a client's socket, counted per client."),
    "passes": ("pushd_hub_flushes", "Flushes of the hub, each of everything that arrived in a turn."),
    "slow": ("pushd_socket_full", "Times a client's socket was full."),
    "lost": ("pushd_log_resets", "Times the log was reset under live connections: messages may be missed."),
    "accepted": ("pushd_tcp_connections_accepted", "TCP connections accepted on the public port."),
    "heartbeats": ("pushd_heartbeats", "Heartbeats answered on the raw route."),
    "published": ("pushd_publications_confirmed", "Publications the broker confirmed."),
    "publish_failed": ("pushd_publications_failed", "Publications the broker did not confirm."),
    "attaches": ("pushd_broker_attaches", "Times the broker's consumer became live."),
    "detaches": ("pushd_broker_detaches", "Times the broker's consumer was lost."),
}
"""Attribute of ``Stats`` to name (without ``_total``) and help."""

_LABELLED = {
    "opened": ("pushd_connections_opened", "protocol", "Connections that completed their handshake."),
    "closed": ("pushd_connections_closed", "reason", "Connections ended by this instance."),
    "refused": ("pushd_requests_refused", "code", "Requests answered with an HTTP error."),
    "forwarded": (
        "pushd_forwarded_unreadable",
        "kind",
        "Requests of trusted proxies whose X-Forwarded-For told no address of the client.",
    ),
    "resumes": ("pushd_resumes", "source", "Resumptions: from memory, from the stream, or lost."),
    "unread": (
        "pushd_stream_reads_failed",
        "reason",
        "Requests for what memory no longer holds that the stream could not meet.",
    ),
    "dropped": ("pushd_messages_dropped", "fault", "Messages from the broker that could not be used."),
}
"""Attribute of ``Stats`` to name, label and help."""


class _Instance(Collector):
    """Reads everything at the moment of a scrape.

    Args:
        stats: The counters.
        status: Takes a snapshot.
        lag: How late the reactor is.
    """

    def __init__(self, stats: Stats, status: Callable[[], Status], lag: LoopLag) -> None:
        self._stats = stats
        self._status = status
        self._lag = lag

    def collect(self) -> Iterator[Metric]:
        """Give every metric of ours."""
        for attribute, (name, text) in _COUNTERS.items():
            yield CounterMetricFamily(name, text, getattr(self._stats, attribute))
        for attribute, (name, label, text) in _LABELLED.items():
            counter = CounterMetricFamily(name, text, labels=[label])
            yield _filled(counter, getattr(self._stats, attribute))
        yield from self._gauges(self._status())

    def _gauges(self, status: Status) -> Iterator[Metric]:
        yield InfoMetricFamily(
            "pushd_build",
            "The version that runs, and the instance's name.",
            {"version": __version__, "instance_name": status.instance},
        )
        clients = GaugeMetricFamily("pushd_connections", "Clients connected now.", labels=["protocol"])
        yield _filled(clients, status.clients)
        for name, text, value in (
            ("pushd_channels", "Channels with at least one subscriber.", status.channels),
            ("pushd_position_offset", "Offset of the last message fanned out.", status.position.offset),
            ("pushd_ready", "1 when new clients are welcome.", not status.unready),
            ("pushd_broker_attached", "1 when the broker's consumer is live.", status.attached),
            ("pushd_uptime_seconds", "Seconds since the instance started.", status.uptime),
            ("pushd_longest_slice_seconds", "The longest slice of a fan-out.", self._stats.longest_turn),
            ("pushd_loop_lag_seconds", "The reactor's worst lag in the last minute.", self._lag.worst),
        ):
            yield GaugeMetricFamily(name, text, value)


class Metrics:
    """The page; its registry is its own, so that several can live in one process.

    Args:
        stats: The counters.
        status: Takes a snapshot.
        lag: How late the reactor is.
    """

    methods = ("GET", "HEAD")

    def __init__(self, stats: Stats, status: Callable[[], Status], lag: LoopLag) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Instance(stats, status, lag))
        ProcessCollector(registry=self._registry)

    def answer(self, _: Ask) -> Answer:
        """Give the text format that every Prometheus reads."""
        return Answer(200, generate_latest(self._registry), {"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


def _filled(family: Metric, values: Mapping[str, int]) -> Metric:
    """Add a sample for each key of ``values``."""
    for label, value in sorted(values.items()):
        family.add_metric([str(label)], value)  # type: ignore[attr-defined]  # on each family, not on Metric
    return family
