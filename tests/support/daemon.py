"""A real pushd: ``twistd`` in a subprocess, with ports, configuration and log of its own."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.control import ControlSession
from tests.support.program import Program
from tests.support.rabbitmq import free_port
from tests.support.wait import wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Daemon", "start_all"]

_CHECKOUT = Path(__file__).parents[2]
_SAMPLE = re.compile(r"^(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$")


class Daemon(Program):
    """One instance for tests; it serves when ``/ready`` says so.

    It can be started again after :meth:`stop` or :meth:`kill`, on the same ports.

    Args:
        instance: Its name, which heartbeats answer.
        settings: Keys of the configuration as ``section.key``, on top of free ports.

    Attributes:
        public, admin, control_port: Its ports, on 127.0.0.1.
    """

    def __init__(self, instance: str = "1", settings: Mapping[str, str] | None = None) -> None:
        super().__init__(f"pushd-{instance}")
        self.instance = instance
        self.public, self.admin, self.control_port = free_port(), free_port(), free_port()
        self._log = self.folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        keys = {
            "pushd.instance": instance,
            "listen.public": f"tcp:{self.public}:interface=127.0.0.1",
            "listen.admin": f"tcp:{self.admin}:interface=127.0.0.1",
            "listen.control": f"tcp:{self.control_port}:interface=127.0.0.1",
        }
        self._configure(keys | dict(settings or {}))

    @property
    def log(self) -> str:
        """Everything it has logged, over all of its starts."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process; :meth:`wait_ready` tells when it serves."""
        assert not self.running
        twistd = str(Path(sys.executable).with_name("twistd"))
        options = ("--nodaemon", "--pidfile=", "pushd", "--config", str(self.folder / "pushd.ini"))
        self._process = self.spawn(
            sys.executable,
            twistd,
            *options,
            output="log",
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(_CHECKOUT)},
        )

    def serve(self) -> None:
        """Start it, and return once it is ready."""
        self.start()
        self.wait_ready()

    def wait_ready(self, timeout: float = 30.0) -> None:
        """Return once ``/ready`` answers 200; fail at once, with the log, if the process ends."""
        wait_for(self._ready, f"instance {self.instance} ready", timeout)

    def terminate(self) -> None:
        """Ask it to drain and end, without waiting for it."""
        self._signal(signal.SIGTERM)

    def freeze(self) -> None:
        """Let it do nothing more, as a machine that hangs would; :meth:`kill` still ends it."""
        self._signal(signal.SIGSTOP)

    def ended(self, timeout: float = 40.0) -> int:
        """Wait until the process has ended and give its exit code."""
        assert self._process is not None
        return self._process.wait(timeout)

    def stop(self, timeout: float = 40.0) -> int:
        """Drain it and give its exit code."""
        self.terminate()
        return self.ended(timeout)

    def kill(self) -> None:
        """End it as a crash would."""
        self._signal(signal.SIGKILL)
        self.ended(10.0)

    def end(self) -> None:
        """End it, whatever it does."""
        if self.running:
            self.kill()

    def get(self, path: str, timeout: float = 5.0) -> tuple[int, str]:
        """Ask the admin port.

        Returns:
            The status and the body.

        Raises:
            OSError: Nobody answers.
        """
        return self._request("GET", path, None, timeout)

    def post(self, path: str, value: object, timeout: float = 10.0) -> tuple[int, str]:
        """Post a JSON value to the admin port and give the status and the body."""
        return self._request("POST", path, json.dumps(value).encode(), timeout)

    def metrics(self) -> dict[str, float]:
        """Read ``/metrics``: the value of each sample; a sample with labels is named ``name{labels}``."""
        samples = {}
        for line in self.get("/metrics")[1].splitlines():
            found = _SAMPLE.match(line)
            if found:
                labels = f"{{{found['labels']}}}" if found["labels"] else ""
                samples[found["name"] + labels] = float(found["value"])
        return samples

    def metric(self, name: str) -> float:
        """Sum the samples of one metric over its labels; 0 when there is none yet."""
        return sum(value for key, value in self.metrics().items() if key.partition("{")[0] == name)

    def control(self) -> ControlSession:
        """Open a session on the control port."""
        return ControlSession(self.control_port)

    def _request(self, method: str, path: str, body: bytes | None, timeout: float) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=timeout)
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except http.client.HTTPException as error:
            raise ConnectionError(repr(error)) from error
        finally:
            connection.close()

    def _ready(self) -> bool:
        assert self.running, f"instance {self.instance} ended:\n{self.log}"
        return self.get("/ready")[0] == 200

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _configure(self, keys: Mapping[str, str]) -> None:
        sections: dict[str, list[str]] = {}
        for key, value in keys.items():
            section, _, name = key.partition(".")
            sections.setdefault(section, []).append(f"{name} = {value}\n")
        text = "".join(f"[{name}]\n{''.join(lines)}\n" for name, lines in sections.items())
        (self.folder / "pushd.ini").write_text(text)


def start_all(daemons: list[Daemon]) -> None:
    """Start several at once and return when all are ready."""
    for daemon in daemons:
        daemon.start()
    for daemon in daemons:
        daemon.wait_ready()
