"""Whether a consumer is attached, and what its listener is told of it. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

from pushd.broker.amqp.arrivals import Arrivals
from pushd.broker.amqp.liveness import SILENT
from pushd.interfaces import BrokerEvents
from pushd.message import Message

__all__ = ["Attachment"]

_log = Logger()


class Attachment:
    """The state of one consumer over all of its sessions.

    It is attached while three things hold: the session has caught up with what was there before, the broker
    answers, and no renewal is owed. A renewal is owed from the moment the queue is found unbound until
    another epoch tells every client that messages may have been missed.

    Attributes:
        attached: True if everything that was there has been handed over, and what is published arrives.
        caught_up: True if everything that was there before the session has been handed over.
        owed: Why the epoch has to be renewed, or ``""``.
        suspended: True if the listener has forgotten the present epoch already, and waits for another one.
        renewals: Number of renewals so far.
    """

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self.attached = False
        self.caught_up = False
        self.owed = ""
        self.suspended = False
        self.renewals = 0
        self._silent = False
        self._epoch = ""
        self._events: BrokerEvents | None = None

    def start(self, events: BrokerEvents) -> None:
        """Tell ``events`` from now on."""
        self._events = events

    def stop(self) -> None:
        """Tell nothing more."""
        self._events = None
        self.attached = False
        self._arrivals.detached()

    @property
    def stopped(self) -> bool:
        """True if there is no listener."""
        return self._events is None

    @property
    def trouble(self) -> str:
        """Why it is not attached though its session is well, or ``""``."""
        return SILENT if self._silent else self.owed

    def begin(self, offset: int) -> None:
        """Begin a log after ``offset``: what follows continues nothing."""
        self.suspended = False
        self._reset(offset)

    def message(self, message: Message) -> None:
        """Tell a message."""
        if self._events is not None:  # else the last one made somebody stop it
            self._tell(self._events.message, message)

    def catch_up(self, epoch: str) -> None:
        """Take note that everything that was there has been handed over."""
        self.caught_up = True
        self._epoch = epoch
        self._update()

    def answers(self, *, silent: bool) -> None:
        """Take note that the broker does not answer, or answers again."""
        if silent:
            _log.warn("consuming: the broker does not answer; clients stay, and nothing arrives")
        else:
            _log.info("consuming: the broker answers again")
        self._silent = silent
        self._update()

    def owe(self, reason: str) -> None:
        """Take note that messages may have been missed."""
        self.owed = reason
        self._update()

    def suspend(self, offset: int) -> None:
        """Have the listener forget everything, once: it serves no client until another epoch begins."""
        if not self.suspended:
            self.suspended = True
            self._reset(offset)

    def renew(self, epoch: str, offset: int) -> None:
        """Begin another epoch in the same session, so that every client is told of missed messages."""
        self.suspend(offset)
        self.owed = ""
        self.suspended = self.attached = False
        self.renewals += 1
        self._epoch = epoch
        self._update()

    def lose(self, reason: str) -> None:
        """Take note that the session is over."""
        self.caught_up = self._silent = False
        self._detach(reason)

    def _update(self) -> None:
        """Tell whether it is attached, if that has changed."""
        if not self.caught_up or self.trouble:
            self._detach(self.trouble)
        elif not self.attached and self._events is not None:
            self.attached = True
            self._arrivals.attached()
            self._tell(self._events.attached, self._epoch)

    def _detach(self, reason: str) -> None:
        if self.attached and self._events is not None:
            self.attached = False
            self._arrivals.detached()
            self._tell(self._events.detached, reason)

    def _reset(self, offset: int) -> None:
        if self._events is not None:
            self._tell(self._events.reset, offset)

    def _tell(self, event: Callable[[Any], None], value: object) -> None:
        """Tell an event; a failure of the listener must not cost the connection."""
        try:
            event(value)
        except Exception:  # noqa: BLE001  # whatever it is
            _log.failure("an event of the broker could not be handled")
