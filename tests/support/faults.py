"""What happens to a broker in real life, done on purpose to a private node, one virtual host at a time."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.support.wait import wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.daemon import Daemon
    from tests.support.rabbitmq import RabbitNode

__all__ = [
    "FAULTS",
    "close_connections",
    "delete_queues",
    "freeze",
    "queues",
    "restart",
    "unbind",
    "upset_channels",
]


def queues(rabbit: RabbitNode, url: str) -> list[str]:
    """Name the queues of the virtual host in ``url``."""
    vhost = urlsplit(url).path[1:]
    rows = json.loads(rabbit.ctl("list_queues", "--vhost", vhost, "name", "--formatter", "json"))
    return [row["name"] for row in rows]


def delete_queues(rabbit: RabbitNode, url: str, daemons: Sequence[Daemon]) -> None:
    """Delete every queue and stream under its consumers."""
    vhost = urlsplit(url).path[1:]
    # Inside the node, because nobody else may delete an exclusive queue.
    rabbit.ctl(
        "eval",
        f'[rabbit_amqqueue:delete(Q, false, false, <<"test">>) || Q <- rabbit_amqqueue:list(<<"{vhost}">>)].',
    )


def close_connections(rabbit: RabbitNode, url: str, daemons: Sequence[Daemon]) -> None:
    """Close every connection as an administrator."""
    rabbit.ctl("close_all_connections", "--vhost", urlsplit(url).path[1:], "maintenance")


def upset_channels(rabbit: RabbitNode, url: str, daemons: Sequence[Daemon]) -> None:
    """Make every channel fail: the node is told of an acknowledgement that nobody can have sent."""
    rabbit.ctl(
        "eval", "[rabbit_channel:do(C, {'basic.ack', 987654321, false}) || C <- rabbit_channel:list()]."
    )


def freeze(rabbit: RabbitNode, url: str, daemons: Sequence[Daemon]) -> None:
    """Stop the node in its tracks until heartbeats are missed, then let it go on."""
    os.kill(rabbit.pid, signal.SIGSTOP)
    try:
        wait_for(lambda: all(daemon.get("/ready")[0] != 200 for daemon in daemons), "missed heartbeats", 60.0)
    finally:
        os.kill(rabbit.pid, signal.SIGCONT)


def restart(rabbit: RabbitNode, url: str, daemons: Sequence[Daemon]) -> None:
    """Stop the node in good order and start it again."""
    rabbit.restart()


FAULTS = (delete_queues, close_connections, upset_channels, freeze, restart)


def unbind(rabbit: RabbitNode, exchange: str, keep: str = "", vhost: str = "/") -> None:
    """Remove every binding of an exchange but that of the queue ``keep``, as an administrator would.

    Inside the node, because no other connection may unbind an exclusive queue.
    """
    source = f'rabbit_misc:r(<<"{vhost}">>, exchange, <<"{exchange}">>)'
    kept = f'{{resource, <<"{vhost}">>, queue, <<"{keep}">>}}'
    rabbit.ctl(
        "eval",
        f'[rabbit_binding:remove(B, <<"test">>) || B <- rabbit_binding:list_for_source({source}), '
        f"element(4, B) =/= {kept}].",
    )
