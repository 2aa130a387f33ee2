"""The other end of an AMQP connection, in bytes: answers as RabbitMQ does, when a test lets it."""

from __future__ import annotations

from struct import pack
from typing import Any

from pika.amqp_object import Method as AnyMethod
from pika.frame import Body, Header, Method, decode_frame
from pika.spec import Basic, BasicProperties, Channel, Confirm, Connection, Queue
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.python.failure import Failure

__all__ = ["Peer", "frame"]

_ABLE = dict.fromkeys(
    ("publisher_confirms", "basic.nack", "consumer_cancel_notify", "connection.blocked"), True
)
_START = Connection.Start(server_properties={"capabilities": _ABLE}, mechanisms="PLAIN", locales="en_US")


def frame(kind: int, payload: bytes, channel: int = 1) -> bytes:
    """Make any frame (AMQP 0-9-1 section 4.2.3)."""
    return pack(">BHL", kind, channel, len(payload)) + payload + b"\xce"


class Peer:
    """A transport to a broker that runs when a test says so.

    Attributes:
        answers: What each method is answered with; a test may change that.
        written: What it has not read yet.
        received: The frames that came, oldest first.
        ends: How the transport was asked to end, each time.
        consumer: The tag of the last consumer.
        channel: The number of its channel.
        obeys: Whether it ends when asked in good order; a dead one does not.
    """

    def __init__(self) -> None:
        self.answers: dict[type, AnyMethod | None] = {
            Connection.StartOk: Connection.Tune(2047, 131072, 30),
            Connection.Open: Connection.OpenOk(),
            Connection.Close: Connection.CloseOk(),
            Channel.Open: Channel.OpenOk(),
            Channel.Close: Channel.CloseOk(),
            Basic.Qos: Basic.QosOk(),
            Confirm.Select: Confirm.SelectOk(),
            Queue.Declare: Queue.DeclareOk("q", 0, 0),
        }
        self.received: list[Any] = []
        self.ends: list[str] = []
        self.obeys = True
        self.consumer, self.channel = "", 0
        self.no_delay = False
        self.protocol: Any = None
        self._gone = False
        self.written = b""
        self._answer = b""

    # What a transport does.

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.written += data

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Keep it."""
        self.no_delay = enabled

    def loseConnection(self) -> None:
        """End, in a while."""
        self.ends.append("lose")

    def abortConnection(self) -> None:
        """End now."""
        self.ends.append("abort")
        self._gone = True
        self.protocol.connectionLost(Failure(ConnectionAborted()))

    # What a test does.

    def accept(self, protocol: Any) -> None:
        """Be connected to it, and answer until it has nothing more to say."""
        self.protocol = protocol
        protocol.makeConnection(self)
        self.run()

    def run(self) -> None:
        """Read and answer until both are silent; end if that is wanted."""
        while self.written:
            self._read()
            answer, self._answer = self._answer, b""
            if answer:
                self.protocol.dataReceived(answer)
        if self.leaving:
            self.lose()

    @property
    def leaving(self) -> bool:
        """Whether it has been asked to end and is about to."""
        return self.obeys and self.ends == ["lose"] and not self._gone

    def say(self, method: AnyMethod, channel: int = 0) -> None:
        """Send a method, and run."""
        self.protocol.dataReceived(Method(channel, method).marshal())
        self.run()

    def lose(self) -> None:
        """End the connection, giving no reason."""
        self._gone = True
        self.protocol.connectionLost(Failure(ConnectionDone()))

    def methods(self, kind: type) -> list[Any]:
        """Give what was received of one method."""
        methods = [each.method for each in self.received if isinstance(each, Method)]
        return [method for method in methods if isinstance(method, kind)]

    def delivery(
        self, body: bytes, properties: BasicProperties | None = None, tag: int = 1, exchange: str = "x"
    ) -> bytes:
        """Make the frames of a message for the last consumer."""
        header = Header(self.channel, len(body), properties or BasicProperties()).marshal()
        return b"".join(
            [
                self.deliver(tag, exchange),
                header,
                Body(self.channel, body).marshal() if body else b"",
            ]
        )

    def deliver(self, tag: int = 1, exchange: str = "x") -> bytes:
        """Make the first frame of a message."""
        return bytes(
            Method(self.channel, Basic.Deliver(self.consumer, tag, False, exchange, "key")).marshal()
        )

    def _read(self) -> None:
        while self.written:
            length, received = decode_frame(self.written)
            self.written = self.written[length:]
            self.received.append(received)
            if isinstance(received, Method):
                answer, channel = self._answer_to(received.method), received.channel_number
            else:
                answer, channel = (_START if len(self.received) == 1 else None), 0
            if answer is not None:
                self._answer += Method(channel, answer).marshal()

    def _answer_to(self, method: Any) -> AnyMethod | None:
        if isinstance(method, Basic.Consume):
            self.consumer, self.channel = method.consumer_tag, self.received[-1].channel_number
            return Basic.ConsumeOk(self.consumer)
        if isinstance(method, Queue.Declare) and method.queue:
            return Queue.DeclareOk(method.queue, 0, 0)
        return self.answers.get(type(method))
