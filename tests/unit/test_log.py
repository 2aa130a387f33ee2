"""Log lines: one for an event, whatever it carries."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from twisted.logger import LogLevel
from twisted.python.failure import Failure

from pushd import log


def _written(
    form: Literal["text", "json"] = "text",
    *,
    level: str = "info",
    journal: bool = False,
    namespace: str = "pushd.hub",
    at: LogLevel = LogLevel.info,
    template: str = "hello",
    **fields: Any,
) -> str:
    """Log one event and give what was written."""
    out = io.BytesIO()
    event = {"log_time": 0.25, "log_level": at, "log_namespace": namespace, "log_format": template}
    log.observer(out, level, form, journal=journal)(event | fields)
    return out.getvalue().decode("utf-8")


def _failure() -> Failure:
    return Failure(ValueError("a\nforged line\x1b[2J"))


def test_text_has_time_level_and_place() -> None:
    """A line for people begins with the time in UTC."""
    line = _written(template="hello {who}", who="you")

    assert "1970-01-01T00:00:00.250000Z info     [pushd.hub] hello you\n" == line


def test_a_peers_text_stays_in_its_line() -> None:
    """Line breaks, escape sequences, directional marks and broken characters are shown, not obeyed."""
    line = _written(template="{text}", text="测试\n\r\x1b[31m\u2028\u202e\x85\ud800")

    assert line.endswith(r"] 测试\n\r\x1b[31m\u2028\u202e\x85\ud800" + "\n")
    assert 1 == len(line.splitlines())


def test_traceback_follows_indented() -> None:
    """No line of a traceback can pass for an event."""
    first, *rest = _written(at=LogLevel.critical, log_failure=_failure()).splitlines()

    assert first.endswith("critical [pushd.hub] hello")
    assert any("ValueError: a" in line for line in rest)
    assert all(line.startswith("    ") and line.isprintable() for line in rest)


def test_journal_has_priorities_and_no_time() -> None:
    """Every line, a traceback's too, carries the priority of its event."""
    lines = _written(journal=True, at=LogLevel.error, log_failure=_failure()).splitlines()

    assert "<3>[pushd.hub] hello" == lines[0]
    assert all(line.startswith("<3>    ") for line in lines[1:])


@pytest.mark.parametrize(("level", "priority"), [("debug", 7), ("info", 6), ("warn", 4), ("critical", 2)])
def test_priorities_are_those_of_syslog(level: str, priority: int) -> None:
    """Levels are mapped as syslog(3) has them."""
    line = _written(level="debug", journal=True, at=LogLevel.levelWithName(level))

    assert f"<{priority}>[pushd.hub] hello\n" == line


def test_json_is_an_object_per_line() -> None:
    """A collector gets time, level, place and message; characters stay as they are."""
    line = _written("json", template="{text}", text="测\n")

    assert {
        "time": "1970-01-01T00:00:00.250000+00:00",
        "level": "info",
        "namespace": "pushd.hub",
        "message": "测\n",
    } == json.loads(line)
    assert "测" in line
    assert 1 == len(line.splitlines())


def test_json_of_what_cannot_be_printed() -> None:
    """It stays in its line, too, and a reader gets it as it was."""
    text = "测\x7f\x85\x9b2J\u2028\u202e\ud800"
    line = _written("json", template="{text}", text=text)

    assert text == json.loads(line)["message"]
    assert line.removesuffix("\n").isprintable()


def test_json_holds_the_traceback() -> None:
    """A failure is a field of its own."""
    entry = json.loads(_written("json", log_failure=_failure()))

    assert "ValueError" in entry["traceback"]


@pytest.mark.parametrize(
    ("namespace", "at", "level", "expected"),
    [
        ("pushd.hub", LogLevel.debug, "info", False),
        ("pushd.hub", LogLevel.debug, "debug", True),
        ("pushd.hub", LogLevel.warn, "error", False),
        ("twisted.internet.protocol.Factory", LogLevel.info, "debug", False),
        ("twisted.internet.protocol.Factory", LogLevel.warn, "info", True),
        ("log_legacy", LogLevel.info, "info", False),
        ("twisted.web", LogLevel.error, "critical", False),
    ],
)
def test_levels_are_kept(namespace: str, at: LogLevel, level: str, *, expected: bool) -> None:
    """Below the level nothing is written; of Twisted's own nothing below a warning."""
    assert expected == bool(_written(level=level, namespace=namespace, at=at))


def test_journal_is_recognised_by_the_file_itself(tmp_path: Path) -> None:
    """The variable alone proves nothing: stdout may have been redirected."""
    with (tmp_path / "out").open("wb") as out:
        status = os.fstat(out.fileno())
        here = f"{status.st_dev}:{status.st_ino}"

        assert [True, False, False] == [
            log.is_journal(environ, out)
            for environ in ({"JOURNAL_STREAM": here}, {"JOURNAL_STREAM": "1:1"}, {})
        ]


@pytest.fixture
def root_handlers() -> Iterator[None]:
    """Leave the standard library's logging as it was."""
    before = logging.root.handlers[:]
    logging.root.handlers[:] = []
    yield
    logging.root.handlers[:] = before


@pytest.mark.usefixtures("root_handlers")
def test_libraries_are_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """What pika reports to nobody in particular is not printed."""
    printed = io.StringIO()
    monkeypatch.setattr(sys, "stderr", printed)
    log.quieten_libraries()
    logging.getLogger("pika").error("noise")

    assert "" == printed.getvalue()
