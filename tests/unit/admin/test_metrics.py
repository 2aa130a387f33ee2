"""What a scrape gives, and that the documentation names all of it."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.task import Clock

from pushd import __version__
from pushd.admin.exchange import Ask
from pushd.admin.loop import LoopLag
from pushd.admin.metrics import Metrics
from pushd.stats import Stats
from tests.unit.admin.port import STATUS

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"


def scrape(stats: Stats | None = None) -> dict[tuple[str, str], float]:
    """Give the samples: name and labels to value."""
    answer = Metrics(stats or Stats(), lambda: STATUS, LoopLag(Clock())).answer(Ask())
    assert (200, "text/plain; version=0.0.4; charset=utf-8") == (
        answer.status,
        answer.headers["Content-Type"],
    )
    return {
        (
            sample.name,
            ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items())),
        ): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


def test_every_count_is_exported() -> None:
    """Each field of the counters, given a value of its own, is found under some name."""
    plain = [field.name for field in dataclasses.fields(Stats) if field.type != "Counter[str]"]
    keyed = [field.name for field in dataclasses.fields(Stats) if field.type == "Counter[str]"]
    stats = Stats(**{name: 1000 + index for index, name in enumerate(plain)})  # type: ignore[arg-type]
    for index, name in enumerate(keyed):
        setattr(stats, name, Counter({"x": 2000 + index}))
    values = set(scrape(stats).values())
    assert {1000 + index for index in range(len(plain))} <= values
    assert {2000 + index for index in range(len(keyed))} <= values


def test_names_and_labels() -> None:
    """A few samples as a dashboard would ask for them."""
    samples = scrape(Stats(messages=5, closed=Counter(slow=3)))
    assert 5.0 == samples["pushd_messages_received_total", ""]
    assert 3.0 == samples["pushd_connections_closed_total", "reason=slow"]
    assert 2.0 == samples["pushd_connections", "protocol=raw"]
    assert 1.0 == samples["pushd_ready", ""]
    assert 1.0 == samples["pushd_build_info", f"instance_name=1,version={__version__}"]
    assert 0 < samples["process_resident_memory_bytes", ""]


def test_conventions() -> None:
    """Every metric of ours begins alike and has help; counters of bytes and spans say their unit."""
    answer = Metrics(Stats(), lambda: STATUS, LoopLag(Clock())).answer(Ask())
    for family in text_string_to_metric_families(answer.body.decode()):
        assert family.name.startswith(("pushd_", "process_"))
        assert family.documentation.endswith(".")
        assert not re.search(r"_(ms|kb|mb|count)$", family.name)


def test_the_documentation_names_every_metric() -> None:
    """The table for operators is complete and names nothing that is not there."""
    answer = Metrics(Stats(), lambda: STATUS, LoopLag(Clock())).answer(Ask())
    ours = set(re.findall(r"^# TYPE (pushd_\w+)", answer.body.decode(), re.MULTILINE))
    assert ours == set(re.findall(r"^\| `(pushd_\w+)", OPERATIONS.read_text(encoding="utf-8"), re.MULTILINE))
