"""The admin port on twisted.web: from a request to the page at its path, and its answer back.

This is the only file that knows twisted.web. It holds the limits for every page: the Host header
must be a name of this machine (a page that rebinds its own name to 127.0.0.1 sends its own),
bodies are bounded, and no header ever allows another origin.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from http import HTTPStatus
from io import BytesIO

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from pushd.admin.exchange import Answer, Ask, Page, refuse

__all__ = ["AdminSite"]

_log = Logger()

_WASTE = 1024 * 1024
"""Bytes beyond the limit that are still read and dropped, so that the peer gets to read its 413."""

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
        if not self._at_home(_header(request, b"host")):
            return refuse(421, "this port does not answer under that name")
        page = self._pages.get(request.path.decode("latin-1"))
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
        """Whether the Host header is one that no foreign page can have made a browser send.

        A rebinding attack needs a name; an address in the header is an address that was asked for.
        Without the header there is no browser (RFC 9112 section 3.2).
        """
        if len(hosts) != 1:
            return not hosts
        host = hosts[0].strip().lower()
        name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
        return name in self._hosts or _is_address(name)


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
    request.write(answer.body)  # twisted.web leaves the body out when the method is HEAD
    request.finish()
