"""The audit as a tool: connect clients, let somebody publish numbered messages, say what was lost.

Publish JSON objects ``{"n": 1}``, ``{"n": 2}``, … to whatever the clients listen to; several
publishers tell their numbers apart by a name, ``{"n": 1, "series": "billing"}``. Meanwhile
restart, kill and disconnect what you like. Exits 1 when anything was missing, came twice or
came out of order.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pushd.audit.client import Backoff, Client
from pushd.audit.crowd import PROTOCOLS, Crowd, make_client

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pushd.audit.ledger import Report

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool.

    Returns:
        The exit code.
    """
    options = _parser().parse_args(arguments)
    protocols = options.protocol or list(PROTOCOLS)
    channels = options.channel or ["audit"]
    backoff = Backoff(options.backoff_least, options.backoff_most)
    crowd = Crowd(
        make_client(protocols[i % len(protocols)], options.url, channels, backoff, options.token)
        for i in range(options.clients)
    )
    asyncio.run(_run(crowd, options.seconds))
    reports = crowd.reports()
    for client, report in zip(crowd.clients, reports, strict=True):
        print(json.dumps(_row(client, report)))
    print(_summary(reports), file=sys.stderr)
    return 0 if all(report.clean for report in reports) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pushd.audit",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--url", default="http://127.0.0.1:86", help="where pushd is reached (default: %(default)s)")
    add("--protocol", action="append", choices=PROTOCOLS, help="may be repeated (default: all, in turn)")
    add("--clients", type=int, default=30, metavar="N", help="how many (default: %(default)s)")
    add("--channel", action="append", metavar="NAME", help='may be repeated (default: "audit")')
    add("--token", default="", help="the JWT of every client")
    add("--seconds", type=float, help="how long to stay (default: until interrupted)")
    add("--backoff-least", type=float, default=0.5, metavar="SECONDS", help="(default: %(default)s)")
    add("--backoff-most", type=float, default=20.0, metavar="SECONDS", help="(default: %(default)s)")
    return parser


async def _run(crowd: Crowd, seconds: float | None) -> None:
    over = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    crowd.start()
    try:
        async with asyncio.timeout(seconds):
            await over.wait()
    except TimeoutError:
        pass
    await crowd.stop()


def _row(client: Client, report: Report) -> dict[str, Any]:
    row = asdict(report) | {"missing": sorted(report.missing)}
    return {"url": client.url, "connects": client.connects, "ends": client.ends, "final": client.final, **row}


def _summary(reports: Sequence[Report]) -> str:
    return (
        f"{len(reports)} clients: received {sum(r.received for r in reports)}, "
        f"missing {sum(len(r.missing) for r in reports)}, "
        f"duplicates {sum(r.duplicates for r in reports)}, "
        f"out of order {sum(r.out_of_order for r in reports)}, "
        f"resets {sum(r.resets for r in reports)}, "
        f"breaks {sum(r.breaks for r in reports)}"
    )


if __name__ == "__main__":
    sys.exit(main())
