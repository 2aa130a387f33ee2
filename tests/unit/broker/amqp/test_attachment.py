"""pushd.broker.amqp.attachment."""

from __future__ import annotations

from random import Random

import pytest
from twisted.internet.task import Clock

from pushd.broker.amqp.arrivals import Arrivals
from pushd.broker.amqp.attachment import Attachment
from tests.support.log import logged
from tests.unit.broker.amqp.fakes import Heard


@pytest.fixture
def heard() -> Heard:
    """What is told."""
    return Heard()


@pytest.fixture
def attachment(heard: Heard) -> Attachment:
    """One that has caught up in the epoch ``e``."""
    attachment = Attachment(Arrivals(Clock(), Random(1)))
    attachment.start(heard)
    attachment.begin(3)
    attachment.catch_up("e")
    return attachment


def test_catching_up_attaches(attachment: Attachment, heard: Heard) -> None:
    """And the end of the session detaches, with its reason."""
    assert ([("reset", 3), ("attached", "e")], True) == (heard.seen, attachment.attached)
    attachment.lose("why")
    assert (("detached", "why"), False) == (heard.seen[-1], attachment.attached)
    attachment.lose("again")
    assert 3 == len(heard.seen)


def test_silence_detaches_for_a_while(attachment: Attachment, heard: Heard) -> None:
    """The same epoch goes on afterwards; one line says each."""
    with logged("pushd.broker") as log:
        attachment.answers(silent=True)
        assert "the broker does not answer" == attachment.trouble
        attachment.answers(silent=False)
    assert [("detached", "the broker does not answer"), ("attached", "e")] == heard.seen[2:]
    assert (1, "") == (len(log.warnings), attachment.trouble)


def test_a_renewal_that_is_owed(attachment: Attachment, heard: Heard) -> None:
    """Detached, told once to forget everything, and attached again in another epoch."""
    attachment.owe("unbound")
    assert "unbound" == attachment.trouble
    attachment.suspend(7)
    attachment.suspend(8)
    attachment.renew("f", 9)
    assert [("detached", "unbound"), ("reset", 7), ("attached", "f")] == heard.seen[2:]
    assert ("", 1, False) == (attachment.trouble, attachment.renewals, attachment.suspended)


def test_a_renewal_by_another_instance(attachment: Attachment, heard: Heard) -> None:
    """Nothing was found here: reset and attached come while it is attached."""
    attachment.renew("f", 9)
    assert [("reset", 9), ("attached", "f")] == heard.seen[2:]


def test_a_renewal_before_it_has_caught_up(heard: Heard) -> None:
    """The listener forgets, and is attached later, with whatever epoch that is."""
    attachment = Attachment(Arrivals(Clock(), Random(1)))
    attachment.start(heard)
    attachment.renew("f", 9)
    assert [("reset", 9)] == heard.seen
    attachment.catch_up("f")
    assert ("attached", "f") == heard.seen[-1]


def test_both_troubles(attachment: Attachment, heard: Heard) -> None:
    """It is attached when neither is left."""
    attachment.owe("unbound")
    attachment.answers(silent=True)
    attachment.renew("f", 9)
    assert not attachment.attached
    attachment.answers(silent=False)
    assert [("detached", "unbound"), ("reset", 9), ("attached", "f")] == heard.seen[2:]


def test_stopped(attachment: Attachment, heard: Heard) -> None:
    """Nothing is told any more."""
    attachment.stop()
    attachment.begin(5)
    attachment.catch_up("f")
    attachment.lose("why")
    assert (2, True, False) == (len(heard.seen), attachment.stopped, attachment.attached)


def test_a_failing_listener(attachment: Attachment, heard: Heard) -> None:
    """It costs a traceback in the log."""
    heard.fails = True
    with logged("pushd.broker") as log:
        attachment.lose("why")
    assert (1, False) == (len(log.tracebacks), attachment.attached)
