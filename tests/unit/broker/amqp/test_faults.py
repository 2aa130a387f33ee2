"""pushd.broker.amqp.faults."""

from __future__ import annotations

import pytest
from service_identity import VerificationError
from twisted.internet import error
from twisted.internet.error import ConnectionDone

from pushd.broker.amqp.faults import Lost, explain


class ClosedError(Exception):
    """What pika raises when the broker closes something."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.reply_code = code
        self.reply_text = text


@pytest.mark.parametrize(
    ("code", "text", "advice"),
    [
        (
            403,
            "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN.",
            "user and password",
        ),
        (
            403,
            "ACCESS_REFUSED - access to exchange 'amq.default' in vhost '/' refused for user 'u'",
            "the marks",
        ),
        (
            403,
            "ACCESS_REFUSED - access to queue 'q' in vhost '/' refused for user 'u'",
            "grant the permission",
        ),
        (
            404,
            "NOT_FOUND - home node 'a@b' of durable queue 'q' in vhost '/' is down or inaccessible",
            "starting",
        ),
        (406, "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'e' in vhost '/'", "fanout"),
        (406, "PRECONDITION_FAILED - inequivalent arg 'durable' for exchange 'e' in vhost '/'", "durable"),
        (
            406,
            "PRECONDITION_FAILED - inequivalent arg 'x-max-age' for queue 'q' in vhost '/'",
            "other arguments",
        ),
        (406, "PRECONDITION_FAILED - invalid arg 'x-queue-type' for queue 'q'", "queue = exclusive"),
        (406, "PRECONDITION_FAILED - queue 'q' does not have a running replica on the local node", "replica"),
        (530, "NOT_ALLOWED - vhost zz not found", "virtual host"),
        (
            541,
            "INTERNAL_ERROR - Cannot declare a queue of type 'rabbit_stream_queue'",
            "feature flag stream_queue",
        ),
        (540, "NOT_IMPLEMENTED - stream queues are not supported", "queue = exclusive"),
    ],
)
def test_advice(code: int, text: str, advice: str) -> None:
    """What an operator can do something about comes with what that is."""
    lost = explain(ClosedError(code, text))
    assert code == lost.code
    assert lost.reason.startswith(f"{code} {text} (")
    assert advice in lost.reason.removeprefix(f"{code} {text}")


def test_the_advice_names_the_argument_that_differs() -> None:
    """An operator reads which side has what, and not a guess."""
    text = (
        "PRECONDITION_FAILED - inequivalent arg 'alternate-exchange' for exchange 'e' in vhost '/': "
        "received none but current is the value 'other' of type 'longstr'"
    )
    lost = explain(ClosedError(406, text))
    assert lost.reason.endswith(
        "(alternate-exchange: the exchange has other, pushd declares none; "
        "declare the exchange without this argument, and set it by a policy)"
    )
    assert "durable" not in lost.reason
    assert (text, False) == (lost.text, lost.at_once)


def test_without_advice() -> None:
    """What RabbitMQ says for itself is passed on."""
    assert (
        explain(ClosedError(320, "CONNECTION_FORCED - maintenance")).reason
        == "320 CONNECTION_FORCED - maintenance"
    )


def test_one_printable_line() -> None:
    """Whatever the broker says becomes one line of bounded length that can do a terminal no harm."""
    assert explain(ClosedError(320, "a\n\tb\x1b[31m")).reason == "320 a b?[31m"
    assert len(explain(ClosedError(320, "x" * 10_000)).reason) < 400


def test_other_errors() -> None:
    """Errors of the network are named, those of the system once, the end of a connection is described."""
    assert explain(error.ConnectionRefusedError(osError=111)).reason == "Connection refused"
    assert explain(error.ConnectionRefusedError()).reason.startswith("ConnectionRefusedError: ")
    assert "closed the connection" in explain(ConnectionDone()).reason
    assert "does not name this host" in explain(VerificationError([])).reason
    assert explain(ValueError("x")).code == 0


def test_already_explained() -> None:
    """An explanation is not explained again."""
    lost = Lost("why", 5)
    assert explain(lost) is lost
