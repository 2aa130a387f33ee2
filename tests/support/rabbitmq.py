"""A private RabbitMQ node: own ports, own folders, own epmd, gone when the test run is gone.

Nothing of it touches a RabbitMQ that may run on the same machine. The node tells when it
is ready over its systemd notification socket, so nobody polls or sleeps for it.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.support.program import Program

__all__ = ["RabbitNode", "free_port"]

_BIN = Path("/usr/lib/rabbitmq/bin")


def free_port() -> int:
    """Find a TCP port on the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RabbitNode(Program):
    """One RabbitMQ node for tests.

    Args:
        plugins: Plugins to enable, for example ``rabbitmq_management``.
        settings: More lines for ``rabbitmq.conf``.
        tls: Paths under the names ``cacertfile``, ``certfile`` and ``keyfile``: also listen with TLS.

    Attributes:
        host, port: Where AMQP is spoken; the user ``guest`` with the password ``guest`` may do everything.
        tls_port: The same with TLS, or 0.
    """

    def __init__(
        self,
        *,
        plugins: tuple[str, ...] = (),
        settings: Mapping[str, str] | None = None,
        tls: Mapping[str, Path] | None = None,
    ) -> None:
        super().__init__("rabbit")
        self.host = "127.0.0.1"
        self.port = free_port()
        self.tls_port = free_port() if tls else 0
        self._epmd_port = free_port()
        self._epmd: subprocess.Popen[bytes] | None = None
        self._node: subprocess.Popen[bytes] | None = None
        (self.folder / "plugins").write_text(f"[{','.join(plugins)}].\n")
        lines = {"disk_free_limit.absolute": "10MB", "log.file.level": "warning", **(settings or {})}
        if tls:
            lines["listeners.ssl.1"] = f"127.0.0.1:{self.tls_port}"
            lines |= {f"ssl_options.{name}": str(path) for name, path in tls.items()}
        (self.folder / "rabbitmq.conf").write_text("".join(f"{k} = {v}\n" for k, v in lines.items()))

    @property
    def url(self) -> str:
        """The address of the default virtual host, for ``pika.URLParameters``."""
        return f"amqp://guest:guest@{self.host}:{self.port}/%2F"

    @property
    def pid(self) -> int:
        """The process of the running node, to stop it with SIGSTOP for instance."""
        assert self._node is not None, "the node is not running"
        return self._node.pid

    @property
    def log(self) -> str:
        """What the node wrote to its log."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("log/*.log")))

    def start(self, timeout: float = 60.0) -> None:
        """Start the node and return once it takes connections.

        After a restart every use of a stream is refused with 404 for about half a second more, as in life.
        """
        if self._epmd is None:
            self._epmd = self._spawn("/usr/bin/epmd", "-address", "127.0.0.1")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            path = self.folder / "notify"
            path.unlink(missing_ok=True)
            ready.bind(str(path))
            ready.settimeout(timeout)
            self._node = self._spawn(str(_BIN / "rabbitmq-server"), NOTIFY_SOCKET=str(path))
            try:
                while b"READY=1" not in ready.recv(4096):
                    pass
            except TimeoutError:
                raise RuntimeError(f"RabbitMQ did not start:\n{self.log}\n{self._output}") from None

    def stop(self, timeout: float = 60.0) -> None:
        """Shut the node down in good order."""
        self._end(signal.SIGTERM, timeout)

    def settle(self) -> None:
        """Have the node write its registry of streams to disk.

        RabbitMQ 3.10 does so only every few seconds: killed before, it never again finds a stream
        that is younger than that. Call this between declaring a stream and :meth:`kill`.
        """
        self.ctl("eval", "lists:foreach(fun dets:sync/1, dets:all()).")

    def kill(self) -> None:
        """End the node as a crash would."""
        self._end(signal.SIGKILL, 10.0)

    def restart(self) -> None:
        """Stop in good order and start again; data and users stay."""
        self.stop()
        self.start()

    def serve(self) -> None:
        """Start it, and return once it takes connections."""
        self.start()

    def end(self) -> None:
        """End everything that was started."""
        self.kill()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait()
            self._epmd = None

    def ctl(self, *arguments: str, timeout: float = 60.0) -> str:
        """Run ``rabbitmqctl`` on this node.

        Returns:
            What it printed.

        Raises:
            RuntimeError: It failed; the text says how.
        """
        done = subprocess.run(
            [_BIN / "rabbitmqctl", "--quiet", *arguments],
            env=self._environment(),
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if done.returncode:
            raise RuntimeError(f"rabbitmqctl {arguments!r}: {done.stdout}{done.stderr}")
        return done.stdout

    def add_vhost(self) -> str:
        """Make a virtual host with an unused name, open to ``guest``; cheap isolation for one test."""
        name = f"test-{secrets.token_hex(4)}"
        self.ctl("add_vhost", name)
        self.allow("guest", name)
        return name

    def add_user(self, name: str, password: str) -> None:
        """Make a user who may do nothing yet."""
        self.ctl("add_user", name, password)

    def allow(
        self, user: str, vhost: str = "/", *, configure: str = ".*", write: str = ".*", read: str = ".*"
    ) -> None:
        """Give a user rights in a virtual host, as regular expressions of resource names."""
        self.ctl("set_permissions", "--vhost", vhost, user, configure, write, read)

    @property
    def _output(self) -> str:
        return (self.folder / "output").read_text(errors="replace")

    def _environment(self) -> dict[str, str]:
        folder = self.folder
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),  # the Erlang cookie is made here
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"{folder.name}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": self.host,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CTL_DIST_PORT_MIN": "40000",
            "RABBITMQ_CTL_DIST_PORT_MAX": "49999",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            # One scheduler that sleeps when idle: tests share their cores with the node.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +SDcpu 1:1 +sbwt none +sbwtdcpu none",
        }

    def _spawn(self, *command: str, **more: str) -> subprocess.Popen[bytes]:
        environment = self._environment() | more
        return self.spawn(*command, output="output", env=environment, start_new_session=True)

    def _end(self, number: int, timeout: float) -> None:
        node, self._node = self._node, None
        if node is None:
            return
        node.send_signal(signal.SIGCONT)  # a test may have stopped it
        node.send_signal(number)
        try:
            node.wait(timeout)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(node.pid, signal.SIGKILL)
            node.wait()
