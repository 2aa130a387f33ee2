"""Nchan: starts a private nginx with one worker and publishes to it over HTTP, as its users do.

Only the worker's CPU counts; this process merely holds the schedule. The messages of a burst
go out as pipelined requests in one write. Without nginx or the module it ends with a message.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.peers.asyncio_peer import obey
from bench.peers.contract import free_port, ready

_MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
_CONFIGURATION = """
# Room to spare: with less than a sixteenth of them free, nginx closes connections that look idle.
load_module {module};
worker_processes 1;
worker_rlimit_nofile 20000;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
daemon off;
user root;
events {{ worker_connections 32768; multi_accept on; }}
http {{
    access_log off;
    keepalive_requests 1000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        nchan_channel_id everybody;
        nchan_subscriber_first_message newest;
        location = / {{ nchan_subscriber websocket; }}
        location = /publish {{ nchan_publisher http; nchan_message_buffer_length 100; }}
    }}
}}
"""


def request(payload: bytes) -> bytes:
    """Give one publishing request."""
    head = "POST /publish HTTP/1.1\r\nHost: nchan\r\nContent-Type: text/plain\r\n"
    return f"{head}Content-Length: {len(payload)}\r\n\r\n".encode() + payload


def worker_of(master: int) -> list[int]:
    """Give the worker processes of an nginx."""
    children = Path(f"/proc/{master}/task/{master}/children").read_text()
    return [int(pid) for pid in children.split()]


def version_of(nginx: str) -> str:
    """Tell what is measured, as nginx and the package say it."""
    said = subprocess.run([nginx, "-v"], capture_output=True, text=True, check=True).stderr
    package = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", "libnginx-mod-nchan"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    return f"{package or 'unknown'}, nginx {re.sub('.*/', '', said).strip()}"


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect the publisher as soon as nginx listens."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)


async def discard(reader: asyncio.StreamReader) -> None:
    """Read the answers, so that the connection does not fill."""
    while await reader.read(1 << 16):
        pass


@contextmanager
def running(nginx: str, port: int) -> Iterator[int]:
    """Run a private nginx, and give its process number."""
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder, "nginx.conf")
        configuration.write_text(_CONFIGURATION.format(module=_MODULE, folder=folder, port=port), "utf-8")
        server = subprocess.Popen([nginx, "-e", f"{folder}/error.log", "-p", folder, "-c", configuration])
        try:
            yield server.pid
        finally:
            server.terminate()
            server.wait(10)


async def serve(nginx: str, port: int, pid: int) -> None:
    """Publish what is ordered until standard input ends."""
    reader, writer = await connected(port)
    answers = asyncio.create_task(discard(reader))

    def publish(payloads: Sequence[bytes]) -> None:
        writer.write(b"".join(map(request, payloads)))

    ready(port, version_of(nginx), worker_of(pid))
    await obey(publish)
    answers.cancel()


def main() -> None:
    """Serve until standard input ends."""
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if nginx is None or not _MODULE.exists():
        sys.exit("nginx with the nchan module is not installed (Debian: libnginx-mod-nchan)")
    port = free_port()
    with running(nginx, port) as pid:
        asyncio.run(serve(nginx, port, pid))


if __name__ == "__main__":
    main()
