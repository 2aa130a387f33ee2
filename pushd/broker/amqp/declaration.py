"""Declares the stream, and uses an existing stream with other arguments as it is.

A changed retention in the configuration must not keep every instance from its messages. RabbitMQ refuses a
declaration that differs, and its refusal names one argument with the value that exists. The next attempt
declares that value, until the broker agrees. Then all differences are known, and that the queue is a stream.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING

from twisted.logger import Logger

from pushd.broker.amqp.faults import Lost
from pushd.broker.amqp.link import Link
from pushd.broker.amqp.mismatch import Mismatch, TableValue, parse, seconds
from pushd.broker.amqp.topology import ACCESS_REFUSED, once, segment_bytes

if TYPE_CHECKING:
    from pushd.config import Broker

__all__ = ["StreamDeclaration"]

_log = Logger()

_PRECONDITION_FAILED = 406

_ATTEMPTS = 20
"""Declarations until the broker agrees: more than a queue can have arguments that RabbitMQ compares."""

_NO_STREAM = frozenset({"x-queue-type", "durable", "auto_delete", "exclusive"})
"""Attributes that all streams share: a difference means that the queue is no stream."""

_BY_POLICY = {"x-max-age": "max-age", "x-max-length-bytes": "max-length-bytes"}
"""Arguments of a stream that a policy overrides, with the policy's names for them."""

Arguments = dict[str, TableValue]


class StreamDeclaration:
    """The stream as the configuration wants it, and the last warning about the existing stream.

    Args:
        section: Names the stream, its exchange and its retention.
    """

    def __init__(self, section: Broker) -> None:
        self._section = section
        self._wanted: Arguments = {
            "x-queue-type": "stream",
            "x-max-age": f"{max(1, round(section.stream_max_age))}s",
            "x-max-length-bytes": section.stream_max_bytes,
            "x-stream-max-segment-size-bytes": segment_bytes(section.stream_max_bytes),
        }
        self._said = ""

    async def declare(self, link: Link) -> None:
        """Declare the stream; :func:`pushd.broker.amqp.topology.bind` binds it.

        Raises:
            Lost: There is no stream of this name, or the queue of this name is none.
        """
        try:
            existing = await self._existing(link)
        except Lost as refused:
            if refused.code != ACCESS_REFUSED:
                raise
            await self._exists(link)
        else:
            self._say(self._differences(existing))

    async def _existing(self, link: Link) -> Arguments:
        """Return the arguments that the stream has once it is declared."""
        arguments, unread = self._wanted, ""
        for _ in range(_ATTEMPTS):
            try:
                await once(
                    link, "queue_declare", queue=self._section.stream, durable=True, arguments=arguments
                )
            except Lost as refused:
                found = self._difference(refused, adopted=arguments is not self._wanted)
                unread = found.name
                adopted = _adopt(arguments, found)
                if adopted is None:
                    break
                arguments = adopted
            else:
                return arguments
        # The refusal does not tell what the queue has. A queue that is no stream shows at its first delivery.
        await self._exists(link)
        self._say(f"{unread} differs from what [broker] asks for")
        return self._wanted

    def _difference(self, refused: Lost, *, adopted: bool) -> Mismatch:
        """Return the difference that a refusal names.

        Raises:
            Lost: It is refused for another reason, or the queue is no stream.
        """
        if refused.code != _PRECONDITION_FAILED:
            raise refused
        found = parse(refused.text)
        # A value that exists and that no stream may have: "invalid arg", not "inequivalent arg".
        if (found is None and adopted) or (found is not None and found.name in _NO_STREAM):
            name = self._section.stream
            raise Lost(
                f"queue {name} was declared with other arguments and is no stream ({refused.text}); "
                "delete it, or name another in [broker] stream",
                refused.code,
            )
        if found is None:
            raise refused
        return found

    async def _exists(self, link: Link) -> None:
        await once(link, "queue_declare", queue=self._section.stream, passive=True)

    def _differences(self, existing: Arguments) -> str:
        """Describe what differs, and how to change it; ``""`` when nothing of importance does."""
        named = [name for name in self._wanted if not _same(name, self._wanted[name], existing.get(name))]
        if not named:
            return ""
        both = [f"{name} is {existing.get(name, 'not set')}, not {self._wanted[name]}" for name in named]
        return f"{', '.join(both)}; {self._remedy(named)}"

    def _remedy(self, named: list[str]) -> str:
        policy = {_BY_POLICY[name]: self._wanted[name] for name in named if name in _BY_POLICY}
        fixed = [name for name in named if name not in _BY_POLICY]
        remedies = [f"to change this, run: {self._command(policy)}"] if policy else []
        if fixed:
            remedies.append(f"only deleting the stream changes {', '.join(fixed)}")
        return "; ".join(remedies)

    def _command(self, policy: Arguments) -> str:
        """Give the command for a shell that changes retention by a policy, which wins over arguments."""
        section = self._section
        words = ["rabbitmqctl", "set_policy", "--vhost", section.urls[0].vhost, "--apply-to", "queues"]
        pattern = f"^{re.escape(section.stream)}$"
        return shlex.join([*words, section.stream, pattern, json.dumps(policy)])

    def _say(self, difference: str) -> None:
        """Log a difference, unless it was the last one logged: each attempt to attach finds it again."""
        if difference and difference != self._said:
            _log.warn(
                "the stream {stream} exists with other arguments and is used as it is: {difference}",
                stream=self._section.stream,
                difference=difference,
            )
        self._said = difference


def _adopt(arguments: Arguments, found: Mismatch) -> Arguments | None:
    """Return the arguments with the value that exists in place of ours; ``None`` when it cannot be read."""
    if not found.readable:
        return None
    try:
        value = found.value(arguments.get(found.name))
    except ValueError:
        return None
    adopted = {name: each for name, each in arguments.items() if name != found.name}
    if value is not None:
        adopted[found.name] = value
    return adopted if adopted != arguments else None


def _same(name: str, wanted: TableValue, existing: TableValue | None) -> bool:
    if name == "x-max-age" and seconds(wanted) == seconds(existing):
        return True
    return wanted == existing
