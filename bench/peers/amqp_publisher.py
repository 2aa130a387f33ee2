"""Publishes to a RabbitMQ exchange on the benchmark's schedule; it serves nobody.

What is measured begins when a message is due, so nothing may happen then but one ``send``: every frame is
made before, and the last moment is not slept through, because waking up takes a quarter of a millisecond.

Arguments: the broker's URL and the exchange.
"""

from __future__ import annotations

import socket
import sys
import time
from importlib.metadata import version

from pika import BasicProperties, URLParameters
from pika.amqp_object import Method as AmqpMethod
from pika.frame import Body, Header, Method, ProtocolHeader, decode_frame
from pika.spec import Basic, Channel, Connection

from bench.peers.contract import Burst, Order, parse_order, ready, say, schedule, start_time

_AWAKE = 0.0005
"""Seconds before a message is due from which on it is waited for awake."""

_CHANNEL = 1
_PLAIN = BasicProperties(content_type="text/plain", delivery_mode=1)


class Publisher:
    """A connection to the broker that only ever publishes, without heartbeats.

    Args:
        url: The broker's.
        exchange: Where to publish.
    """

    def __init__(self, url: str, exchange: str) -> None:
        at = URLParameters(url)
        self._exchange = exchange
        self._received = b""
        self._socket = socket.create_connection((at.host, at.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(ProtocolHeader().marshal())
        login = f"\0{at.credentials.username}\0{at.credentials.password}"
        self._expect(Connection.Start)
        self._say(0, Connection.StartOk(mechanism="PLAIN", response=login, client_properties={}))
        tune = self._expect(Connection.Tune)
        self._say(0, Connection.TuneOk(tune.channel_max, tune.frame_max, heartbeat=0))
        self._say(0, Connection.Open(virtual_host=at.virtual_host))
        self._expect(Connection.OpenOk)
        self._say(_CHANNEL, Channel.Open())
        self._expect(Channel.OpenOk)

    def prepare(self, burst: Burst, order: Order) -> bytes:
        """Give the frames of what is due at once (AMQP 0-9-1, section 4.2.6)."""
        publish = Method(
            _CHANNEL, Basic.Publish(exchange=self._exchange, routing_key=order.channel)
        ).marshal()
        return b"".join(
            publish + Header(_CHANNEL, len(body), _PLAIN).marshal() + Body(_CHANNEL, body).marshal()
            for body in burst.payloads
        )

    def run(self, order: Order) -> float:
        """Carry out one order, and give by how many seconds the latest burst missed its schedule."""
        latest = 0.0
        for burst in schedule(order, start_time()):
            frames = self.prepare(burst, order)
            time.sleep(max(0.0, burst.wait() - _AWAKE))
            while burst.wait():
                pass
            latest = max(latest, burst.late())
            self._socket.sendall(frames)
        return latest

    def close(self) -> None:
        """End in good order."""
        self._say(0, Connection.Close(200, "", 0, 0))
        self._expect(Connection.CloseOk)
        self._socket.close()

    def _say(self, channel: int, method: AmqpMethod) -> None:
        self._socket.sendall(Method(channel, method).marshal())

    def _expect(self, kind: type[AmqpMethod]) -> AmqpMethod:
        """Wait for a method.

        Raises:
            ConnectionError: The broker says something else, or nothing more.
        """
        while True:
            size, frame = decode_frame(self._received)
            if frame is not None:
                self._received = self._received[size:]
                if not isinstance(frame, Method) or not isinstance(frame.method, kind):
                    raise ConnectionError(f"RabbitMQ says {frame}, not {kind.NAME}")
                return frame.method
            more = self._socket.recv(65536)
            if not more:
                raise ConnectionError(f"RabbitMQ ended the connection instead of {kind.NAME}")
            self._received += more


def main() -> None:
    """Publish what is ordered until standard input ends."""
    publisher = Publisher(*sys.argv[1:])
    ready(0, f"pika {version('pika')}")
    for line in sys.stdin:
        order = parse_order(line)
        say("published", messages=order.messages, late=publisher.run(order))
    publisher.close()


if __name__ == "__main__":
    main()
