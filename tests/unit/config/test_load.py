"""The whole way: file, environment and option to one value, or to all mistakes at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from pushd.config import BrokerUrl, ConfigError, load


def _write(folder: Path, text: str) -> str:
    path = folder / "pushd.ini"
    path.write_text(text)
    return str(path)


def _problems(*arguments: str | None, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(*arguments, environ=environ)
    return str(caught.value).splitlines()


def test_option_wins_over_environment_over_file(tmp_path: Path) -> None:
    """Each source may change what the one before said."""
    path = _write(
        tmp_path, "[pushd]\ninstance = 2\n[broker]\nurl = amqp://a\nexchange = e\n[log]\nlevel = warn\n"
    )
    config = load(path, "4", {"PUSHD_PUSHD_INSTANCE": "3", "PUSHD_LOG_LEVEL": "debug"}).config

    assert ("4", "tcp:8094:interface=127.0.0.1") == (config.pushd.instance, config.listen.public)
    assert ("debug", "e.history") == (config.log.level, config.broker.stream)
    assert (BrokerUrl("amqp", "a", 5672),) == config.broker.urls


def test_settings_tell_their_origin(tmp_path: Path) -> None:
    """Every key is there, with who wrote it."""
    path = _write(tmp_path, "[log]\nlevel = warn\n")
    settings = {
        setting.key: setting.origin for setting in load(path, "1", {"PUSHD_LOG_FORMAT": "json"}).settings
    }

    assert (f"{path}:2", "PUSHD_LOG_FORMAT", "--instance", "default") == (
        settings["level"],
        settings["format"],
        settings["instance"],
        settings["connections"],
    )


def test_all_mistakes_are_said_at_once(tmp_path: Path) -> None:
    """Wrong values of all kinds come in one report, in the order of the sections."""
    path = _write(tmp_path, "[listen]\npublic = tcp:70000\n[limits]\nslow_clients = maybe\naccept_rate = x\n")

    assert [
        f"{path}:2: [listen] public = tcp:70000: expected an endpoint with a port of 0 to 65535",
        f"{path}:5: [limits] accept_rate = x: expected a whole number from 0 to 10000000",
        f"{path}:4: [limits] slow_clients = maybe: expected 'close', 'gap' or 'latest'",
    ] == _problems(path)


def test_unknown_names_are_said_first(tmp_path: Path) -> None:
    """What does not exist is corrected before values are judged."""
    path = _write(tmp_path, "[limits]\nconection = 1\naccept_rate = x\n")

    assert [f"{path}:2: [limits] has no key 'conection'; did you mean 'connections'?"] == _problems(path)


def test_a_wrong_instance_hides_what_follows_from_it() -> None:
    """Values made from a wrong name are not reported as well."""
    (problem,) = _problems(None, "a b")

    assert problem.startswith("--instance: [pushd] instance = a b: expected a name or number")


def test_a_name_that_makes_no_port_is_a_problem_of_the_endpoint() -> None:
    """An instance may have a name, but then the endpoints cannot be made from it as the defaults do."""
    problems = _problems(None, "blue", environ={"PUSHD_BROKER_URL": "amqp://a"})

    assert ["public", "admin", "control"] == [problem.split()[2] for problem in problems]


def test_secrets_are_in_no_message() -> None:
    """A wrong URL may hold a password anywhere, so that nothing of it is shown."""
    (problem,) = _problems(None, environ={"PUSHD_BROKER_URL": "amqp://u:hunter2/@host"})

    assert problem.startswith("PUSHD_BROKER_URL: [broker] url = ***: expected a port")


def test_a_wrong_dollar_is_a_problem() -> None:
    """It is said where it was written."""
    (problem,) = _problems(None, environ={"PUSHD_BROKER_EXCHANGE": "a$b", "PUSHD_BROKER_STREAM": "s"})

    assert problem.startswith("PUSHD_BROKER_EXCHANGE: [broker] exchange = a$b: expected ${instance}")
