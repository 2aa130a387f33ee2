"""The first reader of the public port: takes a request and hands the connection over to whom it is for.

It never waits for anything but the request itself and its turn, and is out of the way afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import ITransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from pushd.client.head import Request, parse, take_head
from pushd.client.http import CONTINUE, HttpError, Response, render
from pushd.client.transport import end_gently

if TYPE_CHECKING:
    from pushd.client.edge import Edge

__all__ = ["Visitor"]

_log = Logger()


class Visitor(Protocol):
    """A connection until it is known what it is for.

    Args:
        edge: Decides.
    """

    transport: Any

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._data = b""
        self._request: Request | None = None
        self._over = False
        self._complete = False
        self._queued = False
        self._invited = False
        self._held = 0

    def connectionMade(self) -> None:
        """Start the deadline; it ends when the connection is handed over or over."""
        self._edge.life.requests.add(self)
        if isinstance(self.transport.getPeer(), IPv4Address | IPv6Address):
            self.transport.setTcpNoDelay(True)

    def dataReceived(self, data: bytes) -> None:
        """Take a part of the request; what comes when the answer is given is dropped."""
        if not self._over:
            self._guarded(self._take, data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002  # all ends are alike
        """Stop the deadlines."""
        self._over = True
        self._let_go()
        self._edge.life.requests.discard(self)
        self._edge.life.closings.discard(self)

    def overdue(self) -> None:
        """Answer a request that is not complete in time; drop a connection that does not take its answer."""
        if self._over:
            self.transport.abortConnection()
        else:
            self._guarded(self._time_out)

    def _time_out(self) -> None:
        if self._complete:
            raise HttpError(503, "the instance is busy", ("Retry-After", "1"))
        if self._request or self._data:
            raise HttpError(408, "the request was not complete in time")
        # A browser opens connections in reserve: an answer to nothing would count for its next request.
        self._over = True
        self._edge.life.closings.add(self)
        self.transport.loseConnection()

    def _guarded(self, act: Callable[..., None], *arguments: object) -> None:
        """Act; what the peer gets if this fails is an error and the end."""
        try:
            act(*arguments)
        except HttpError as error:
            self._refuse(error)
        except Exception:  # noqa: BLE001  # whatever it is, it ends this connection only
            _log.failure("a request failed")
            self._refuse(HttpError(500, "internal error"))

    def _take(self, data: bytes) -> None:
        self._hold(len(data))
        seen, self._data = len(self._data), self._data + data
        if self._queued:  # TLS hands on what it had deciphered when it was paused
            return
        if self._request is None:
            length = take_head(self._data, seen, self._edge.head_limits)
            if not length:
                return
            head, self._data = self._data[:length], self._data[length:]
            self._request = parse(head, self._edge.head_limits)
        if not self._whole(self._request):
            self._invite(self._request)
            return
        self._complete = True
        if self._edge.reception.has_room():
            self._go_on()
        else:
            self._queued = True
            self.transport.pauseProducing()
            self._edge.reception.wait(self._called_up)

    def _hold(self, size: int) -> None:
        """Count bytes of a request that is not served yet.

        Raises:
            HttpError: The unfinished requests of all connections take too much memory.
        """
        self._held += size
        self._edge.pending_bytes += size
        if self._edge.pending_bytes > self._edge.max_pending_bytes:
            raise HttpError(503, "too many unfinished requests", ("Retry-After", "1"))

    def _let_go(self) -> None:
        """Count the bytes of this request no longer."""
        self._edge.pending_bytes -= self._held
        self._held = 0

    def _invite(self, request: Request) -> None:
        """Send ``100 Continue`` once to a client that waits for it, if its request can be served."""
        if request.awaits_continue and not self._invited:
            self._edge.check(request)
            self._invited = True
            self.transport.write(CONTINUE)

    def _whole(self, request: Request) -> bool:
        """Whether the body is there, too; what follows a request for an upgrade is not one."""
        if request.upgrades:
            return True
        if request.length > self._edge.message_size:
            raise HttpError(413, f"a body must not exceed {self._edge.message_size} bytes")
        return len(self._data) >= request.length

    def _called_up(self) -> None:
        """It is this visitor's turn, if it is still there."""
        if not self._over:
            self.transport.resumeProducing()
            self._guarded(self._go_on)

    def _go_on(self) -> None:
        request, rest = self._request, self._data
        assert request
        if not request.upgrades:
            request, rest = replace(request, body=rest[: request.length]), b""
        outcome = self._edge.serve(request, self.transport)
        if isinstance(outcome, Response):
            self._answer(outcome, body=request.method != "HEAD")
            return
        self._edge.life.requests.discard(self)
        self._let_go()
        _hand_over(self.transport, self, outcome)
        if rest:
            outcome.dataReceived(rest)

    def _refuse(self, error: HttpError) -> None:
        self._edge.life.stats.refused[str(error.status)] += 1
        self._answer(error.response, body=self._request is None or self._request.method != "HEAD")

    def _answer(self, response: Response, *, body: bool) -> None:
        """Send, and end when it has left."""
        self._over = True
        self._let_go()
        self._edge.life.requests.discard(self)
        self._edge.life.closings.add(self)
        shared = self._edge.shared(response, self._request)
        self.transport.write(render(shared, self._edge.now(), body=body))
        if self._complete:
            self.transport.loseConnection()
        else:
            end_gently(self.transport)


def _hand_over(transport: ITransport, old: Protocol, new: Protocol) -> None:
    """Make ``transport`` speak to another protocol, so that the old one is gone.

    A socket's transport has its protocol as ``protocol``; what wraps one, as TLS, as ``wrappedProtocol``.
    """
    name = "protocol" if getattr(transport, "protocol", None) is old else "wrappedProtocol"
    setattr(transport, name, new)
