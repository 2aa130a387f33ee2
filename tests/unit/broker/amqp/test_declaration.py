"""pushd.broker.amqp.declaration; for RabbitMQ's words see tests/integration/test_broker_declarations.py."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from pushd.broker.amqp.declaration import StreamDeclaration
from pushd.broker.amqp.faults import Lost
from pushd.config import Broker
from tests.support.log import logged
from tests.unit.broker.amqp.fakes import FakeChannel, FakeLink

_OURS = {
    "x-queue-type": "stream",
    "x-max-age": "3600s",
    "x-max-length-bytes": 2**30,
    "x-stream-max-segment-size-bytes": 2**30 // 20,
}


class Existing(FakeLink):
    """A connection to a broker that has a queue already, and compares as RabbitMQ does.

    Args:
        arguments: The arguments of the queue.
        code: How a difference is refused.
    """

    def __init__(self, arguments: dict[str, object], code: int = 406, *, cut: bool = False) -> None:
        super().__init__()
        self.arguments = arguments
        self.code = code
        self.cut = cut
        self.declared: list[Any] = []

    def channel(self) -> Deferred[Any]:
        """Open a channel that compares."""
        channel = FakeChannel()
        answered = channel.call

        def call(method: str, **asked: Any) -> Deferred[Any]:
            if method == "queue_declare":
                self.declared.append(asked.get("arguments", "passive"))
                text = "" if asked.get("passive") else self.compare(asked["arguments"])
                if text:
                    return fail(Lost(f"{self.code} {text} (advice)", self.code, text=text))
            return answered(method, **asked)

        channel.call = call  # type: ignore[method-assign]
        self.channels.append(channel)
        return succeed(channel)

    def compare(self, asked: dict[str, object]) -> str:
        """Give the text of a refusal, or ``""``."""
        for name in [
            name for name in {**self.arguments, **asked} if asked.get(name) != self.arguments.get(name)
        ]:
            values = f"received {said(asked.get(name))} but current is {said(self.arguments.get(name))}"
            text = f"PRECONDITION_FAILED - inequivalent arg '{name}' for queue 's' in vhost '/': {values}"
            return text[:80] + "..." if self.cut else text
        return ""


def said(value: object) -> str:
    """Say a value as RabbitMQ does."""
    if value is None:
        return "none"
    return f"the value '{value}' of type '{'signedint' if isinstance(value, int) else 'longstr'}'"


def declare(link: Any, declaration: StreamDeclaration | None = None, **settings: object) -> list[Any]:
    """Declare a stream; give what went wrong."""
    section = Broker(exchange="x", stream="s", **settings)  # type: ignore[arg-type]
    failures: list[Any] = []
    declaring = Deferred.fromCoroutine((declaration or StreamDeclaration(section)).declare(link))
    declaring.addErrback(lambda failure: failures.append(failure.value))
    assert declaring.called
    return failures


def test_a_stream_that_is_alike() -> None:
    """It is declared once, and bound."""
    link = Existing(dict(_OURS))
    with logged("pushd.broker") as log:
        assert [] == declare(link)
    assert [_OURS] == link.declared
    assert [] == log.warnings


def test_other_retention_is_used_as_it_is() -> None:
    """One line says both values of each argument, and the command that changes what a policy can change."""
    theirs = _OURS | {
        "x-max-age": "7200s",
        "x-max-length-bytes": 2000,
        "x-stream-max-segment-size-bytes": 500,
    }
    link = Existing(theirs)
    with logged("pushd.broker") as log:
        assert [] == declare(link)
    assert theirs == link.declared[-1]
    [warning] = log.warnings
    assert "x-max-age is 7200s, not 3600s" in warning
    assert f"x-max-length-bytes is 2000, not {2**30}" in warning
    assert "only deleting the stream changes x-stream-max-segment-size-bytes" in warning
    command = warning.partition("to change this, run: ")[2].partition("; ")[0]
    assert [
        *["rabbitmqctl", "set_policy", "--vhost", "/", "--apply-to", "queues", "s", "^s$"],
        '{"max-age": "3600s", "max-length-bytes": 1073741824}',
    ] == shlex.split(command)


def test_only_what_a_policy_cannot_change() -> None:
    """No command is given then."""
    with logged("pushd.broker") as log:
        assert [] == declare(Existing(_OURS | {"x-stream-max-segment-size-bytes": 500}))
    assert "rabbitmqctl" not in log.warnings[0]


@pytest.mark.parametrize("missing", ["x-max-age", "x-max-length-bytes", "x-stream-max-segment-size-bytes"])
def test_an_argument_that_the_stream_has_not(missing: str) -> None:
    """It is left away, and said."""
    theirs = {name: value for name, value in _OURS.items() if name != missing}
    link = Existing(theirs)
    with logged("pushd.broker") as log:
        assert [] == declare(link)
    assert theirs == link.declared[-1]
    assert f"{missing} is not set" in log.warnings[0]


@pytest.mark.parametrize(
    "more", [{"x-initial-cluster-size": 3}, {"x-queue-leader-locator": "client-local"}, {"x-max-age": "1h"}]
)
def test_differences_of_no_importance(more: dict[str, object]) -> None:
    """An argument that pushd never sets is worth no warning, nor is the same age in other words."""
    link = Existing(_OURS | more)
    with logged("pushd.broker") as log:
        assert [] == declare(link)
    assert (_OURS | more, []) == (link.declared[-1], log.warnings)


def test_it_is_said_once() -> None:
    """Each attempt to attach declares the stream again; another difference is news."""
    declaration = StreamDeclaration(Broker(exchange="x", stream="s"))
    with logged("pushd.broker") as log:
        for age in ("7200s", "7200s", "9000s"):
            assert [] == declare(Existing(_OURS | {"x-max-age": age}), declaration)
    assert 2 == len(log.warnings)


@pytest.mark.parametrize(
    "theirs",
    [
        {},
        {"x-queue-type": "quorum"},
        {"x-queue-type": "classic", "x-max-length-bytes": 5},
        {**_OURS, "durable": "false"},
    ],
)
def test_a_queue_that_is_no_stream(theirs: dict[str, object]) -> None:
    """The error says so, with what to do; nothing is bound."""
    link = Existing(theirs)
    [lost] = declare(link)
    assert "queue s was declared with other arguments and is no stream" in lost.reason
    assert "delete it, or name another in [broker] stream" in lost.reason
    assert (406, []) == (lost.code, link.calls("queue_bind"))


def test_an_argument_that_no_stream_may_have() -> None:
    """RabbitMQ refuses it in other words once it is declared together with the type."""

    class Strict(Existing):
        def compare(self, asked: dict[str, object]) -> str:
            return "invalid arg 'x-expires'" if "x-expires" in asked else super().compare(asked)

    [lost] = declare(Strict({"x-expires": 5}))
    assert "is no stream (invalid arg 'x-expires')" in lost.reason


def test_another_refusal_stands() -> None:
    """A broker without streams, for instance, says what it says."""

    class Old(Existing):
        def compare(self, asked: dict[str, object]) -> str:
            return "invalid arg 'x-queue-type'"

    [lost] = declare(Old({}))
    assert lost.reason == "406 invalid arg 'x-queue-type' (advice)"
    [lost] = declare(Existing({}, code=404))
    assert 404 == lost.code


def test_a_refusal_whose_values_were_cut() -> None:
    """A stream whose long name leaves no room for them is used all the same, if it exists."""
    link = Existing(_OURS | {"x-max-age": "7200s"}, cut=True)
    with logged("pushd.broker") as log:
        assert [] == declare(link)
    assert [_OURS, "passive"] == link.declared
    assert "x-max-age differs from what [broker] asks for" in log.warnings[0]


def test_a_value_that_cannot_be_declared() -> None:
    """It is treated like a value that cannot be read."""

    class Odd(Existing):
        def compare(self, asked: dict[str, object]) -> str:
            return super().compare(asked).replace("longstr", "table")

    link = Odd(_OURS | {"x-new": "a"})
    assert [] == declare(link)
    assert "passive" == link.declared[-1]


def test_a_broker_that_never_agrees() -> None:
    """Attempts have an end."""

    class Odd(Existing):
        def compare(self, asked: dict[str, object]) -> str:
            self.arguments["x-max-age"] = f"{len(self.declared)}s"
            return super().compare(asked)

    link = Odd(dict(_OURS))
    assert [] == declare(link)
    assert 21 == len(link.declared)


def test_without_the_permission_to_declare() -> None:
    """It is enough that the stream exists."""
    link = Existing({}, code=403)
    assert [] == declare(link)
    assert "passive" == link.declared[-1]
