"""The audit as a tool, from its arguments to its exit code."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from websockets.sync.server import ServerConnection, serve

from pushd.audit.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Leave the handling of signals as it was: the tool's event loop takes it over."""
    wakeup = signal.set_wakeup_fd(-1)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    signal.set_wakeup_fd(wakeup)


@pytest.mark.parametrize(
    ("numbers", "code", "faults"),
    [
        ((1, 2), 0, "missing 0, duplicates 0, out of order 0"),
        ((1, 3, 3), 1, "missing 1, duplicates 1, out of order 0"),
    ],
)
def test_a_fault_is_told_by_the_exit_code(
    numbers: tuple[int, ...], code: int, faults: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A terminated tool gives a line of JSON for each client, and a summary beside them."""

    def handler(client: ServerConnection) -> None:
        for number in numbers:
            client.send(json.dumps({"n": number}))
        client.ping().wait(10)  # answered: the client has everything
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in client:
            pass

    with serve(handler, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        limit = ["--clients", "1", "--seconds", "20"]
        assert code == main(["--url", url, "--protocol", "raw", "--channel", "222", *limit])
    written = capsys.readouterr()
    row = json.loads(written.out)
    assert (len(numbers), 1) == (row["received"], row["connects"])
    assert [["", 2]] * code == row["missing"]
    assert f"1 clients: received {len(numbers)}, {faults}, resets 0, breaks 0\n" == written.err


def test_it_stays_as_long_as_it_is_told_to(capsys: pytest.CaptureFixture[str]) -> None:
    """A client for each protocol in turn; where nobody answers, nothing is lost either."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and never listens
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        assert 0 == main(["--url", url, "--clients", "3", "--seconds", "0.05"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    routes = ["/websocket/audit?", "/events?channel=audit", "/connection/websocket"]
    assert [url.replace("http", scheme, 1) for scheme in ("ws", "http", "ws")] == [
        row["url"].removesuffix(route) for row, route in zip(rows, routes, strict=True)
    ]
    assert all(row["ends"] for row in rows)


def test_an_unknown_protocol_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With the usage, as command-line tools do."""
    with pytest.raises(SystemExit) as caught:
        main(["--protocol", "stomp"])
    assert 2 == caught.value.code
    assert "usage: python -m pushd.audit" in capsys.readouterr().err
