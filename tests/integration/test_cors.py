"""Pages of other origins that speak with ``fetch``: a real browser asks before it sends their headers."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.support.browser import chromium
from tests.support.daemon import Daemon

if TYPE_CHECKING:
    from collections.abc import Iterator

_EVENTS = """
const [url, done] = arguments;
const source = new EventSource(url, {withCredentials: true});
source.addEventListener("heartbeat", ({data}) => done(data));
source.onerror = () => done("error");
"""
"""Listen with cookies, and give the data of the first heartbeat, or an error."""

_FETCH = """
const [url, headers, done] = arguments;
fetch(url, {headers}).then(async (answer) => {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "", part;
  do { part = await reader.read(); text += part.value ?? ""; } while (!part.done && !text.endsWith("\\n\\n"));
  done([answer.status, text]);
}, (error) => done([0, error.name]));
"""
"""Ask, and give the status and the text up to its first empty line; 0 and an error where that may not be."""


class Page(BaseHTTPRequestHandler):
    """An empty page, whatever is asked for."""

    def do_GET(self) -> None:
        """Show it."""
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any, **more: Any) -> None:
        """Say nothing."""


@contextmanager
def pages() -> Iterator[int]:
    """Serve pages: the port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_a_page_of_an_allowed_origin_sends_headers_and_reads_answers() -> None:
    """Its position is heeded, and it reads why it is refused; a page of another origin gets nothing."""
    with pages() as port:
        settings = {"auth.allowed_origins": f"http://127.0.0.1:{port}"}
        with Daemon("1", settings) as daemon, chromium() as browser:
            url = f"http://127.0.0.1:{daemon.public}/events?channel=news"

            def ask(position: str) -> list[Any]:
                headers = {"Last-Event-ID": position, "Authorization": "Bearer none"}
                answer: list[Any] = browser.execute_async_script(_FETCH, url, headers)
                return answer

            browser.get(f"http://127.0.0.1:{port}/")
            status, events = ask("another:41")
            assert 200 == status
            assert "event: reset" in events
            status, text = ask("nonsense")
            assert (400, True) == (status, text.startswith("a position is written epoch:offset"))

            browser.get(f"http://localhost:{port}/")
            assert [0, "TypeError"] == ask("another:41")


def test_a_page_of_an_allowed_origin_sends_cookies_and_sees_heartbeats() -> None:
    """With ``withCredentials``, which a browser forbids where all origins are allowed."""
    with pages() as port:
        for origins, heard in (
            (f"http://127.0.0.1:{port}", "{}"),
            (f"http://*:{port}", "{}"),
            ("*", "error"),
        ):
            settings = {"auth.allowed_origins": origins, "sse.heartbeat_interval": "200ms"}
            with Daemon("1", settings) as daemon, chromium() as browser:
                browser.get(f"http://127.0.0.1:{port}/")
                url = f"http://127.0.0.1:{daemon.public}/events"
                assert heard == browser.execute_async_script(_EVENTS, url)
