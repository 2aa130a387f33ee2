"""The audit client as the tool that is shipped."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.daemon import Daemon
from tests.support.wait import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENTS = 6


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    """One instance with the memory broker."""
    with Daemon() as daemon:
        yield daemon


@pytest.mark.parametrize(("numbers", "code"), [((1, 2, 3), 0), ((1, 3, 3), 1)], ids=["whole", "faulty"])
def test_the_tool_tells_whether_anything_was_lost(
    daemon: Daemon, numbers: tuple[int, ...], code: int
) -> None:
    """One JSON line for each client, a summary, and an exit code that a script can use."""
    wait_for(lambda: daemon.metric("pushd_connections") == 0, "the last test's clients gone")
    before = daemon.metric("pushd_deliveries_total")
    command = [sys.executable, "-m", "pushd.audit", "--url", f"http://127.0.0.1:{daemon.public}"]
    pipe = subprocess.PIPE
    with subprocess.Popen([*command, "--clients", str(CLIENTS)], stdout=pipe, stderr=pipe, text=True) as tool:
        wait_for(lambda: daemon.metric("pushd_connections") == CLIENTS, "clients")
        for number in numbers:
            assert daemon.post("/api/broadcast", {"data": {"n": number}})[0] == 200
        due = before + CLIENTS * len(numbers)
        wait_for(lambda: daemon.metric("pushd_deliveries_total") == due, "deliveries")
        tool.send_signal(signal.SIGINT)
        rows, summary = tool.communicate(timeout=20)
    assert code == tool.returncode
    assert [3] * CLIENTS == [json.loads(row)["received"] for row in rows.splitlines()]
    assert f"{CLIENTS} clients: received {CLIENTS * 3}" in summary
