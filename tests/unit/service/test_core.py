from __future__ import annotations

from tests.unit.service.tree import Instance, ReluctantBroker, started


def test_reasons_against_new_clients(instances: list[Instance]) -> None:
    """They come and go with the broker; once the history has been read, an outage keeps clients welcome."""
    instance = started(instances, ReluctantBroker)
    away = "not attached to the broker: no node answers"
    seen = [instance.operator("/ready")]
    assert 503 == instance.status("/events?channel=a")
    instance.broker.events.reset(0)
    instance.broker.events.attached("e1")
    seen.append(instance.operator("/ready"))
    instance.broker.events.detached("the node went away")
    seen.append(instance.operator("/ready"))
    assert 200 == instance.status("/events?channel=a")
    assert [
        (503, ["the history has not been read yet", away]),
        (200, []),
        (503, [away]),
    ] == [(answer.status, answer.json["reasons"]) for answer in seen]
