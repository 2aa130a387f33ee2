"""pushd.broker.amqp.consumer when its queue is no longer bound; the contract tests have the rest."""

from __future__ import annotations

from random import Random
from typing import Any, cast

from twisted.internet.task import Clock

from pushd.broker.amqp.exclusive import ExclusiveConsumer
from pushd.broker.amqp.faults import Lost


class Keeper:
    """Keeps why its session was interrupted."""

    def __init__(self) -> None:
        self.interrupted: list[str] = []

    def interrupt(self, lost: Lost) -> None:
        """Keep it."""
        self.interrupted.append(lost.reason)


class Section:
    """What a consumer reads of the configuration before it attaches."""

    prefetch = 10


def test_rebind() -> None:
    """A consumer that is attached begins anew; one that is not will bind its queue anyway."""
    anything = cast("Any", Section())
    consumer = ExclusiveConsumer(
        Random(1), clock=Clock(), nodes=[], section=anything, intake=anything, backoff=anything
    )
    consumer._keeper = keeper = cast("Any", Keeper())
    consumer.rebind()
    assert [] == keeper.interrupted
    consumer.attached = True
    consumer.rebind()
    assert ["the queue is no longer bound to the exchange"] == keeper.interrupted
