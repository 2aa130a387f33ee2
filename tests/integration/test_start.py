"""Starting and stopping a real twistd: exit codes, and what a person or journald reads."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.support.rabbitmq import free_port
from tests.support.wait import wait_for

_ROOT = Path(__file__).parents[2]
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"


@pytest.fixture
def environ() -> dict[str, str]:
    """Give an environment in which the three listeners have free ports."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PUSHD_")}
    ports = {name: free_port() for name in ("PUBLIC", "ADMIN", "CONTROL")}
    listen = {f"PUSHD_LISTEN_{name}": f"tcp:{port}:interface=127.0.0.1" for name, port in ports.items()}
    return clean | listen | {"PYTHONPATH": str(_ROOT)}


@pytest.fixture
def taken() -> Iterator[int]:
    """Give a port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def _start(
    environ: Mapping[str, str],
    folder: Path,
    *arguments: str,
    twistd: tuple[str, ...] = ("--nodaemon", "--pidfile="),
    wrapper: tuple[str, ...] = (),
) -> subprocess.Popen[str]:
    program = str(Path(sys.executable).with_name("twistd"))
    return subprocess.Popen(
        [*wrapper, sys.executable, program, *twistd, "pushd", *arguments],
        cwd=folder,
        env=dict(environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _run(environ: Mapping[str, str], folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Run it to its end: exit code, standard output, standard error."""
    with _start(environ, folder, *arguments) as process:
        output, errors = process.communicate(timeout=60)
        return process.returncode, output, errors


def _run_and_stop(
    environ: Mapping[str, str], folder: Path, number: signal.Signals
) -> tuple[int, list[str], str]:
    """Start it, stop it once it lives, and give its exit code, the lines of its output, and its errors."""
    port = int(environ["PUSHD_LISTEN_ADMIN"].split(":")[1])
    with _start(environ, folder) as process:
        wait_for(lambda: _lives(port), "answer from the admin port")
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
        return process.returncode, output.splitlines(), errors


def _lives(port: int) -> bool:
    with urlopen(f"http://127.0.0.1:{port}/live", timeout=5) as response:
        return response.status == HTTPStatus.OK


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_drained_daemon_ends_well(environ: dict[str, str], tmp_path: Path, number: signal.Signals) -> None:
    """Either signal drains; the exit code is 0; every line has time, level and place."""
    code, lines, errors = _run_and_stop(environ, tmp_path, number)

    assert (0, "") == (code, errors)
    assert [] == [line for line in lines if not re.match(rf"{_TIME} [a-z]+ +\[pushd[.\w]*\] ", line)]


_OTHERS = (signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGRTMIN)


@pytest.mark.parametrize("wrapper", [(), ("nohup",)])
@pytest.mark.parametrize("last", [signal.SIGTERM, signal.SIGINT])
def test_no_other_signal_ends_it(
    environ: dict[str, str], tmp_path: Path, wrapper: tuple[str, ...], last: signal.Signals
) -> None:
    """Each is ignored with a line, but for what nohup ignores already; the daemon still drains afterwards."""
    port = int(environ["PUSHD_LISTEN_ADMIN"].split(":")[1])
    with _start(environ, tmp_path, wrapper=wrapper) as process:
        wait_for(lambda: _lives(port), "answer from the admin port")
        for number in _OTHERS:
            process.send_signal(number)
            assert _lives(port)
        process.send_signal(last)
        output, _ = process.communicate(timeout=60)
    assert 0 == process.returncode
    said = [
        line.rpartition("] ")[2].partition(" is ignored")[0]
        for line in output.splitlines()
        if "ignored" in line
    ]
    names = ["SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGRTMIN"]
    assert sorted(names if wrapper else ["SIGHUP", *names]) == sorted(said)
    assert "stopped" in output


def test_json_lines_are_all_json(environ: dict[str, str], tmp_path: Path) -> None:
    """A collector can read every line of a run."""
    code, lines, _ = _run_and_stop(environ | {"PUSHD_LOG_FORMAT": "json"}, tmp_path, signal.SIGTERM)

    assert 0 == code
    assert all({"time", "level", "namespace", "message"} <= json.loads(line).keys() for line in lines)


@pytest.mark.parametrize(
    ("name", "reuse"), [("public", "no"), ("public", "yes"), ("admin", "no"), ("control", "no")]
)
def test_a_port_in_use_ends_the_start(
    environ: dict[str, str], tmp_path: Path, taken: int, name: str, reuse: str
) -> None:
    """One line names the listener, the exit code is 1, there is no traceback. Sharing takes two who agree."""
    endpoint = {
        f"PUSHD_LISTEN_{name.upper()}": f"tcp:{taken}:interface=127.0.0.1",
        "PUSHD_LISTEN_REUSE_PORT": reuse,
    }
    code, output, errors = _run(environ | endpoint, tmp_path)

    assert (1, "") == (code, errors)
    assert f"[listen] {name}: cannot listen on 127.0.0.1:{taken}: [Errno 98] Address already in use" in output
    assert "Traceback" not in output


def test_a_port_in_use_ends_the_start_in_the_background(
    environ: dict[str, str], tmp_path: Path, taken: int
) -> None:
    """A twistd that goes to the background tells of it too, and leaves nothing running."""
    endpoint = {"PUSHD_LISTEN_ADMIN": f"tcp:{taken}:interface=127.0.0.1"}
    with _start(environ | endpoint, tmp_path, twistd=("--pidfile=pid",)) as process:
        _, errors = process.communicate(timeout=60)

    assert 1 == process.returncode
    assert "CannotListenError" in errors
    # Its parent ends as soon as it has told of the failure, while it still tidies up.
    wait_for(lambda: not (tmp_path / "pid").exists(), "end of the background process")


def test_mistakes_are_all_that_is_printed(environ: dict[str, str], tmp_path: Path) -> None:
    """Every mistake in a line on standard error, and the exit code for it; neither usage nor traceback."""
    path = tmp_path / "pushd.ini"
    path.write_text("[limits]\nconnections = many\nhandshake_timeout = 5x\n")
    code, output, errors = _run(environ, tmp_path, "--config", str(path))

    assert (os.EX_CONFIG, "") == (code, output)
    assert [f"{path}:2: [limits] connections = many", f"{path}:3: [limits] handshake_timeout = 5x"] == [
        line.partition(": expected")[0] for line in errors.splitlines()
    ]


def test_check_tells_in_its_exit_code(environ: dict[str, str], tmp_path: Path) -> None:
    """``--check`` ends with 0 and the effective configuration, or with 1 and the mistakes."""
    good = _run(environ, tmp_path, "--check")
    bad = _run(environ, tmp_path, "--check", "--instance", "2")

    assert (0, "") == (good[0], good[2])
    assert f"public = {environ['PUSHD_LISTEN_PUBLIC']}  <- PUSHD_LISTEN_PUBLIC" in good[1].splitlines()
    assert (1, "") == bad[:2]
    assert bad[2].startswith("--instance: [pushd] instance = 2: expected 1")
