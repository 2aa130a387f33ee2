"""Proves that what is published to the exchange arrives here. Pure: time is counted in ticks.

A queue can lose its binding while its connection and its consumer are well: an application deletes the
exchange, an administrator removes the binding. RabbitMQ tells nobody. So a *probe* travels the exchange like
any message: an empty body with the header ``x-pushd-probe``. Every instance receives the probes of all.
Any probe, and any message that was published to the exchange, proves the binding. An instance publishes a
probe only after some quiet, with jitter. So all instances together publish about one per interval.
"""

from __future__ import annotations

from enum import Enum, auto
from random import Random
from typing import Any

__all__ = ["PROBE", "PROBE_TTL_SECONDS", "TICKS", "ConsumerProbe", "Step", "is_probe"]

PROBE = "x-pushd-probe"
"""The header that makes a message without a body a probe."""

PROBE_TTL_SECONDS = 5.0
"""The seconds after which a queue that nothing reads drops a probe."""

TICKS = 4
"""Ticks per second."""

_PATIENCE = 2
"""Ticks between the broker's confirm of a probe and the check that finds it missing."""

_REFUSED = 60 * TICKS
"""Ticks until the next probe after the broker refused one: it logs each refusal."""


def is_probe(properties: Any, body: bytes) -> bool:
    """Return True if a delivery is a probe. One with a body is a publication, whatever its headers."""
    return not body and properties is not None and bool(properties.headers) and PROBE in properties.headers


class Step(Enum):
    """What is to be done at a tick."""

    NOTHING = auto()
    SEND = auto()
    """Publish a probe, and tell ``confirmed``, ``failed`` or ``refused``."""
    CHECK = auto()
    """Wait until all that was published before now has been delivered, and ask ``missing``."""


class _State(Enum):
    QUIET = auto()
    SENT = auto()
    CONFIRMED = auto()
    CHECKED = auto()


class ConsumerProbe:
    """The one probe that is on its way, if any.

    Args:
        interval: Seconds of quiet before a probe is sent; 0.0 sends none.
        random: Makes the jitter; must differ between instances.

    Attributes:
        proven: Set to True by each delivery that came through the exchange. The next tick takes it back.
    """

    def __init__(self, interval: float, random: Random) -> None:
        self.proven = False
        self._interval = interval
        self._random = random
        self._works = interval > 0
        self.rest()

    def tick(self) -> Step:
        """Count a tick, and return what is to be done now."""
        if self.proven:
            self.rest()
        elif self._state in {_State.QUIET, _State.CONFIRMED} and self._interval:
            self._left -= 1
            if self._left <= 0:
                return self._next()
        return Step.NOTHING

    @property
    def works(self) -> bool:
        """True if probes are sent: they are configured, and the last one was not refused."""
        return self._works

    def rest(self) -> None:
        """Forget the probe, and wait for the next quiet interval."""
        self.proven = False
        self._state = _State.QUIET
        self._left = max(1, round(TICKS * self._interval * self._random.uniform(0.75, 1.25)))

    def confirmed(self) -> None:
        """Note that the broker has routed the probe. It may have arrived before."""
        self._works = True
        if self._state is _State.SENT:
            self._state, self._left = _State.CONFIRMED, _PATIENCE

    def refused(self) -> None:
        """Note that the user may not publish: the next probe is sent much later."""
        self.rest()
        self._works = False
        self._left = _REFUSED

    def missing(self) -> bool:
        """Return True if the probe was checked and has not arrived."""
        return self._state is _State.CHECKED and not self.proven

    def _next(self) -> Step:
        if self._state is _State.QUIET:
            self._state = _State.SENT
            return Step.SEND
        self._state = _State.CHECKED
        return Step.CHECK
