"""Tests of what peers and harness agree on."""

from __future__ import annotations

import json
import re

import pytest

from bench.peers.contract import Order, json_payload, parse_order, payload, schedule

MARK = re.compile(rb"@(\d{19}) (\d{10})")


@pytest.mark.parametrize(
    "order", [Order(20, 200, 1, 2.5), Order(3, 2048, 10, 1.0, "json"), Order(1, 40, 1, 9.0, "text", "live")]
)
def test_an_order_travels_as_a_line(order: Order) -> None:
    """A peer reads exactly what the harness ordered."""
    assert order == parse_order(order.line())


def test_another_line_is_no_order() -> None:
    """A peer does not guess."""
    with pytest.raises(ValueError, match="not a command"):
        parse_order("stop 1 2 3 4")


def test_a_payload_begins_with_its_marker() -> None:
    """The sink finds the due time and the number; the size is as ordered."""
    body = payload(1234, 7, 200)
    match = MARK.match(body)
    assert match is not None
    assert (1234, 7) == (int(match[1]), int(match[2]))
    assert 200 == len(body)


def test_a_json_payload_is_a_document_of_the_size_ordered() -> None:
    """It carries one marker, and about as many bytes as wanted."""
    body = json_payload(1234, 7, 2048)
    assert "@0000000000000001234 0000000007" == json.loads(body)["mark"]
    assert 1 == body.count(b"@")
    assert 1950 < len(body) <= 2048


def test_a_schedule_spreads_bursts_at_the_rate() -> None:
    """Ten messages a second in bursts of four: the bursts are 0.4 s apart, the last one is short."""
    bursts = list(schedule(Order(10, 40, 4, 10.0), 1_000))
    assert [1_000, 400_001_000, 800_001_000] == [burst.due for burst in bursts]
    assert [4, 4, 2] == [len(burst.payloads) for burst in bursts]
    marks = [MARK.findall(b"".join(burst.payloads)) for burst in bursts]
    assert list(range(10)) == [int(number) for burst in marks for _, number in burst]
    assert [burst.due for burst in bursts] == [int(burst[0][0]) for burst in marks]


def test_a_burst_in_the_past_is_late_and_does_not_wait() -> None:
    """An overloaded peer publishes at once, and can tell by how much it missed the time."""
    burst = next(schedule(Order(1, 40, 1, 1.0), 0))
    assert 0.0 == burst.wait()
    assert burst.late() > 0.0
