"""A private nginx that runs the shipped ``etc/nginx.conf``.

Only what must differ between a machine and a test is substituted, and each substitution must
find its text, so that the shipped file cannot drift away from what is tested:

* ``listen 86`` gets an address of its own in 127.0.0.0/8 (and another port when we are not root);
* the ``server`` lines of the upstream get the ports of the test's instances;
* the pid file, the logs and nginx's temporary folders go to a temporary folder.
"""

from __future__ import annotations

import os
import random
import re
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.program import Program
from tests.support.rabbitmq import free_port
from tests.support.wait import wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ORIGINAL_LOCATION", "SHIPPED", "Nginx"]

SHIPPED = Path(__file__).parents[2] / "etc" / "nginx.conf"

ORIGINAL_LOCATION = """
location /websocket/222 {
    proxy_pass http://backend;
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection "upgrade";
    proxy_set_header Host $host:$server_port;
    proxy_connect_timeout 60s;
    proxy_read_timeout 60s;
    proxy_send_timeout 60s;
}
"""
"""The location of the system pushd grew from; it must keep working as it stands."""

_TEMPORARY = ("client_body", "proxy", "fastcgi", "scgi", "uwsgi")


class Nginx(Program):
    """One nginx for tests.

    Args:
        ports: The public ports of the instances, on 127.0.0.1.
        locations: More ``location`` blocks for the shipped server.

    Attributes:
        host, port: Where it listens: port 86 when we may, so that ``$server_port`` is the shipped one.
    """

    def __init__(self, ports: Sequence[int], locations: str = "") -> None:
        super().__init__("nginx")
        # An address nobody else uses: several test runs can listen on port 86 side by side.
        self.host = f"127.86.{random.randrange(256)}.{random.randrange(1, 255)}"
        self.port = 86 if os.geteuid() == 0 else free_port()
        self.folder.chmod(0o755)  # its workers run as nobody
        self.config = self.folder / "nginx.conf"
        self.config.write_text(self._substituted(ports, locations))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """``host:port``, as it stands in a URL."""
        return f"{self.host}:{self.port}"

    @property
    def access_log(self) -> str:
        """What was logged about requests that are over."""
        return (self.folder / "access.log").read_text()

    @property
    def error_log(self) -> str:
        """What was logged about errors."""
        return (self.folder / "error.log").read_text()

    def serve(self) -> None:
        """Start it and return once it takes connections."""
        command = ("nginx", "-c", str(self.config), "-g", "daemon off;")
        # Its workers outlive a killed master, so a dying test run must end it in good order.
        self._process = self.spawn(*command, output="error.log", dies_by="TERM")
        wait_for(self._answers, "nginx")

    def end(self) -> None:
        """End it in good order."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def check(self) -> str:
        """Run ``nginx -t`` on the configuration and give what it says; raises if it finds fault."""
        done = subprocess.run(["nginx", "-t", "-c", self.config], capture_output=True, text=True, check=True)
        return done.stderr

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"nginx ended:\n{self.error_log}"
        socket.create_connection((self.host, self.port), 1.0).close()
        return True

    def _substituted(self, ports: Sequence[int], locations: str) -> str:
        text = SHIPPED.read_text()
        folders = "".join(f"    {name}_temp_path {self.folder}/{name};\n" for name in _TEMPORARY)
        servers = "".join(f"        server 127.0.0.1:{port} max_fails=0;\n" for port in ports)
        for pattern, replacement in (
            (r"^http \{\n", f"http {{\n{folders}"),
            (r"(^        server 127\.0\.0\.1:\d+ max_fails=0;\n)+", servers),
            (r"listen 86 ", f"listen {self.address} "),
            (r"/var/log/nginx/", f"{self.folder}/"),
            (r"/run/nginx\.pid", f"{self.folder}/nginx.pid"),
            (r"^        location /websocket/ \{", rf"{locations}\g<0>"),
        ):
            text, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
            assert count, f"the shipped nginx.conf has no {pattern!r} any more"
        return text
