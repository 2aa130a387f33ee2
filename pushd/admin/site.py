"""The admin port on twisted.web: from a request to the page at its path, and its answer back.

This file and channel.py alone know twisted.web. This one holds the limits for every page: the Host header
must be a name of this machine (a page that rebinds its own name to 127.0.0.1 sends its own),
bodies are bounded, and no header ever allows another origin.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping, Sequence
from http import HTTPStatus
from io import BytesIO

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from pushd.admin.channel import AdminChannel
from pushd.admin.exchange import Answer, Ask, Page, refuse

__all__ = ["AdminSite"]

_log = Logger()

_WASTE = 1024 * 1024
"""Bytes beyond the limit that are still read and dropped, so that the peer gets to read its 413."""

_ABSOLUTE = re.compile(r"https?://([^/?#]*)([^?#]*)", re.IGNORECASE)
_AUTHORITY = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^:@]*))(?::[0-9]*)?")

_ALWAYS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class _BoundedRequest(Request):
    """A request whose body is kept in memory up to a limit.

    Attributes:
        limit: The most bytes kept; set by the site.
        size: How many have come.
        body: What was kept.
    """

    body: BytesIO
    limit: int
    size = 0

    def process(self) -> None:
        """Let the pages answer ``OPTIONS *``, too; twisted.web's own answer lacks their headers."""
        if self.path == b"*":
            self.path = b"/"
        super().process()

    def gotLength(self, length: int | None) -> None:  # noqa: ARG002  # twisted.web's signature
        """Never use a temporary file, as twisted.web does for large bodies and those of unknown length."""
        self.body = self.content = BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        self.size += len(data)
        if self.size <= self.limit:
            super().handleContentChunk(data)
        elif self.size > self.limit + _WASTE:
            self.loseConnection()


class AdminSite(Site):
    """Serves pages by exact path.

    Args:
        pages: What stands where.
        clock: Paces the timeouts of idle connections.
        hosts: Names, besides loopback's and addresses, under which this port may be asked.
        body_limit: The most bytes of a request's body.
    """

    noisy = False
    protocol = AdminChannel  # type: ignore[assignment]  # Twisted declares the wrapper that also speaks HTTP/2

    def __init__(
        self,
        pages: Mapping[str, Page],
        clock: IReactorTime,
        *,
        body_limit: int,
        hosts: Collection[str] = (),
    ) -> None:
        request = type("_Request", (_BoundedRequest,), {"limit": body_limit})
        super().__init__(_Root(pages, hosts), requestFactory=request, reactor=clock, timeout=60)

    def log(self, request: Request) -> None:  # type: ignore[override]
        """Write no line for each request."""


class _Root(Resource):
    """Everything below ``/``: finds the page, checks what is common to all, and writes the answer."""

    isLeaf = True

    def __init__(self, pages: Mapping[str, Page], hosts: Collection[str]) -> None:
        super().__init__()
        self._pages = pages
        self._hosts = {"localhost", *(host.lower() for host in hosts)}

    def render(self, request: _BoundedRequest) -> int:
        """Answer in this turn or when the page's Deferred fires, unless the peer has left by then."""
        gone: list[Failure] = []
        request.notifyFinish().addErrback(gone.append)

        def deliver(answer: Answer) -> None:
            if not gone:
                _write(request, answer)

        Deferred.fromCoroutine(self._answer(request)).addErrback(_fault).addCallback(deliver)
        return NOT_DONE_YET

    async def _answer(self, request: _BoundedRequest) -> Answer:
        hosts = _header(request, b"host")
        if len(hosts) > 1 or (not hosts and request.clientproto == b"HTTP/1.1"):
            return refuse(400, "a request of HTTP/1.1 needs one Host header", connection="close")
        host, path = _target(request)
        if not self._at_home(hosts if host is None else [host]):
            return refuse(421, "this port does not answer under that name")
        if path == "*" and request.method == b"OPTIONS":
            return Answer(200, b"", {"Allow": "GET, HEAD, POST, OPTIONS"})
        page = self._pages.get(path)
        if page is None:
            return refuse(404, "nothing is here")
        if request.method.decode("latin-1") not in page.methods:
            return refuse(405, "the method is not allowed here", allow=", ".join(page.methods))
        if request.size > request.limit:
            return refuse(413, f"the body must not exceed {request.limit} bytes", connection="close")
        kind = "".join(_header(request, b"content-type")[-1:])
        answer = page.answer(Ask(kind.partition(";")[0].strip().lower(), request.body.read()))
        return await answer if isinstance(answer, Deferred) else answer

    def _at_home(self, hosts: Sequence[str]) -> bool:
        """Return True if the host is one that no foreign page can have made a browser send.

        A rebinding attack needs a name; an address in the header is an address that was asked for.
        Without a host there is no browser (RFC 9112 section 3.2).
        """
        if not hosts:
            return True
        parts = _AUTHORITY.fullmatch(hosts[0].strip(" \t").lower())
        name = (parts[1] or parts[2]) if parts else ""
        return name in self._hosts or _is_address(name)


def _target(request: Request) -> tuple[str | None, str]:
    """Return host and path of a request's target.

    Returns:
        The host, or None if the target names none. In the absolute form it takes the place of the Host
        header (RFC 9112 section 3.2.2). ``*`` is also what ``OPTIONS`` with a host alone asks about.
    """
    text = request.uri.decode("latin-1")
    absolute = _ABSOLUTE.match(text)
    if not absolute:
        return None, text.partition("?")[0]
    alone = absolute.end() == len(text) and request.method == b"OPTIONS"
    return absolute[1], absolute[2] or ("*" if alone else "/")


def _header(request: Request, name: bytes) -> list[str]:
    """Give a header's values. Its bytes may be any: twisted.web would fail on those that are not UTF-8."""
    return [value.decode("latin-1") for value in request.requestHeaders.getRawHeaders(name, [])]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _fault(failure: Failure) -> Answer:
    """A page failed: the log has it all, the peer only that."""
    _log.failure("a page of the admin port failed", failure=failure)
    return refuse(500, "internal error; the log has the details")


def _write(request: _BoundedRequest, answer: Answer) -> None:
    request.setResponseCode(answer.status, HTTPStatus(answer.status).phrase.encode())
    headers = {**_ALWAYS, **answer.headers, "Content-Length": str(len(answer.body))}
    for name, value in headers.items():
        request.setHeader(name, value)
    request.responseHeaders.removeHeader("server")
    if answer.headers.get("Connection") == "close":
        request.channel.persistent = False  # twisted.web does not heed its own header
    request.write(answer.body)  # twisted.web leaves the body out when the method is HEAD
    request.finish()
