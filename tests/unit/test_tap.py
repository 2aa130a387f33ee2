"""The options of ``twistd pushd``, and the service at the root of the process."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.application.service import Application, IService, IServiceMaker, Service
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import ILogObserver, LogPublisher, formatEvent, globalLogPublisher
from twisted.plugin import getPlugins

from pushd import __version__
from pushd.config import load
from pushd.tap import Daemon, Options, makeService
from tests.support.log import logged

_TWISTD = {"nodaemon": 1, "logfile": None, "syslog": 0}


class Broken(Service):
    """A service that does not start.

    Args:
        error: Why.
    """

    def __init__(self, error: Exception) -> None:
        self._error = error

    def startService(self) -> None:
        """Fail as an endpoint does."""
        raise self._error


class Refused(Broken):
    """A service whose port somebody else has.

    Args:
        address: What Twisted knows of it: interface and port, or ``None`` and a path.
    """

    def __init__(self, interface: str | None, port: object) -> None:
        super().__init__(CannotListenError(interface, port, OSError(98, "Address already in use")))


class Privileged(Refused):
    """It fails already in the first step."""

    def privilegedStartService(self) -> None:
        """Fail as an endpoint does."""
        raise self._error


def _parsed(*arguments: str) -> Options:
    options = Options()
    options.parseOptions(list(arguments))
    return options


def _daemon(child: Service, *, foreground: bool = True, **listen: str) -> Daemon:
    environ = {f"PUSHD_LISTEN_{name.upper()}": text for name, text in listen.items()}
    daemon = Daemon(load(environ=environ).config.listen, None, foreground=foreground)
    child.setServiceParent(daemon)
    return daemon


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Give an environment without variables of ours."""
    for name in [name for name in os.environ if name.startswith("PUSHD_")]:
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.fixture
def handlers() -> Iterator[None]:
    """Leave the handlers of signals as they were."""
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    yield
    for number, handler in before.items():
        if signal.getsignal(number) != handler:
            signal.signal(number, handler)


def test_plugin_names_this_module() -> None:
    """The plugin is found, and leads to the options and the maker here."""
    (maker,) = [plugin for plugin in getPlugins(IServiceMaker) if plugin.tapname == "pushd"]

    assert (Options, makeService) == (maker.options, maker.makeService)


@pytest.mark.usefixtures("environment")
def test_without_options_the_defaults_are_in_force() -> None:
    """No file is needed."""
    assert load().config == _parsed().effective.config


def test_options_reach_the_configuration(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """File, environment and the instance's option all count."""
    path = tmp_path / "pushd.ini"
    path.write_text("[broker]\nurl = amqp://a\n[log]\nlevel = warn\n")
    environment.setenv("PUSHD_LOG_FORMAT", "json")
    config = _parsed("--config", str(path), "--instance", "7").effective.config

    assert ("7", "amqp", "warn", "json") == (
        config.pushd.instance,
        config.broker.urls[0].scheme,
        config.log.level,
        config.log.format,
    )


@pytest.mark.usefixtures("environment")
def test_check_shows_and_ends(capsys: pytest.CaptureFixture[str]) -> None:
    """``--check`` prints the effective configuration and ends with 0."""
    with pytest.raises(SystemExit) as caught:
        _parsed("--check")

    assert 0 == caught.value.code
    assert "instance = 1  <- default\n" in capsys.readouterr().out


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(("check", "code"), [([], 78), (["--check"], 1)])
def test_a_wrong_configuration_ends_with_its_problems(
    check: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """They stand on standard error; a supervisor can tell that trying again will not help."""
    with pytest.raises(SystemExit) as caught:
        _parsed("--instance", "2", *check)

    assert code == caught.value.code
    assert capsys.readouterr().err.startswith("--instance: [pushd] instance = 2: expected 1")


def test_the_version_is_ours(capsys: pytest.CaptureFixture[str]) -> None:
    """Not Twisted's, which twistd itself tells."""
    with pytest.raises(SystemExit) as caught:
        _parsed("--version")

    assert (0, f"pushd {__version__}\n") == (caught.value.code, capsys.readouterr().out)


def _refusal(daemon: Daemon, events: list[Any]) -> str:
    globalLogPublisher.addObserver(events.append)
    try:
        with pytest.raises(SystemExit) as caught:
            IService(daemon).startService()
    finally:
        globalLogPublisher.removeObserver(events.append)
    assert 1 == caught.value.code
    return formatEvent(events[-1])


@pytest.mark.parametrize(
    ("interface", "port", "listen", "expected"),
    [
        (
            "127.0.0.1",
            8191,
            {},
            "[listen] admin: cannot listen on 127.0.0.1:8191: [Errno 98] Address already in use",
        ),
        ("", 9000, {"public": "tcp:port=9000"}, "[listen] public: cannot listen on 9000: [Errno 98]"),
        (
            None,
            "/run/p",
            {"control": "unix:/run/p:mode=660"},
            "[listen] control: cannot listen on /run/p: [Errno 98]",
        ),
        (None, b"/run/p", {"control": "unix:/run/p"}, "[listen] control: cannot listen on /run/p: "),
        (
            "",
            9000,
            {"public": "tcp:9000", "admin": "tcp:9000"},
            "[listen] public or admin: cannot listen on 9000",
        ),
    ],
)
def test_a_port_in_use_names_the_listener(
    interface: str | None, port: object, listen: dict[str, str], expected: str
) -> None:
    """One line says which key to change, and the process ends with 1."""
    assert _refusal(_daemon(Refused(interface, port), **listen), []).startswith(expected)


def test_a_socket_in_no_folder_is_refused_alike() -> None:
    """Twisted fails with another error then, about a lock beside the socket."""
    error = FileNotFoundError(2, "No such file", "7", None, b"/none/p.lock")
    daemon = _daemon(Broken(error), admin="unix:/none/p")

    assert "[listen] admin: cannot listen on /none/p: [Errno 2] No such file" == _refusal(daemon, [])


def test_other_errors_are_not_taken_for_a_refusal() -> None:
    """What nobody foresaw keeps its traceback."""
    with pytest.raises(FileNotFoundError):
        _daemon(Broken(FileNotFoundError(2, "No such file", "x"))).startService()


def test_the_privileged_step_is_guarded_too() -> None:
    """Where the port is bound makes no difference."""
    with pytest.raises(SystemExit):
        _daemon(Privileged("", 8191)).privilegedStartService()


def test_in_the_background_twistd_tells_of_it() -> None:
    """The waiting parent process hears only of ordinary exceptions."""
    with pytest.raises(CannotListenError):
        _daemon(Refused("", 8191), foreground=False).startService()


def test_observer_is_given_to_the_application() -> None:
    """Twistd takes the observer from there before it starts anything."""
    observer, application = LogPublisher(), Application("pushd")
    Daemon(load().config.listen, observer, foreground=True).setServiceParent(application)

    assert observer is application.getComponent(ILogObserver)


def _made(twistd: dict[str, object], reactor: MemoryReactorClock) -> Any:
    options = _parsed()
    options.parent = twistd
    application = Application("pushd")
    daemon = makeService(options, reactor)
    daemon.setServiceParent(application)
    return application


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("BROKER_CA_FILE={}", "there is no certificate in {}"),
        ("LISTEN_ADMIN=systemd:domain=INET:name=x", "[listen] systemd:domain=INET:name=x: systemd has "),
    ],
)
def test_what_cannot_be_built_is_a_line_too(
    environment: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path, key: str, problem: str
) -> None:
    """What is only found when certificates and sockets are taken ends like any other mistake."""
    path = tmp_path / "ca.pem"
    path.write_text("-----BEGIN PRIVATE KEY-----\n")
    name, _, text = key.partition("=")
    environment.setenv("PUSHD_BROKER_URL", "amqps://broker")
    environment.setenv(f"PUSHD_{name}", text.format(path))
    with pytest.raises(SystemExit) as caught:
        _made(_TWISTD, MemoryReactorClock())

    assert 78 == caught.value.code
    assert capfd.readouterr().err.startswith(problem.format(path))


@pytest.mark.usefixtures("environment", "handlers")
@pytest.mark.parametrize(
    ("change", "ours"),
    [
        ({}, True),
        ({"logfile": "-"}, True),
        ({"logfile": "x"}, False),
        ({"syslog": 1}, False),
        ({"nodaemon": 0}, False),
    ],
)
def test_twistds_own_log_options_win(
    change: dict[str, object], capfd: pytest.CaptureFixture[str], *, ours: bool
) -> None:
    """We log to stdout unless twistd was told where to log, or has no stdout."""
    application = _made(_TWISTD | change, MemoryReactorClock())

    assert ours == (application.getComponent(ILogObserver) is not None)


@pytest.mark.usefixtures("environment", "handlers")
def test_first_signal_stops_and_second_ends(capfd: pytest.CaptureFixture[str]) -> None:
    """The reactor is asked to stop, as from a thread; after that the signals do what they always did."""
    calls: list[object] = []
    reactor = MemoryReactorClock()
    reactor.callFromThread = calls.append  # type: ignore[method-assign]  # a fake has no waker
    _made(_TWISTD, reactor)
    for function, arguments, _ in reactor.whenRunningHooks:
        function(*arguments)
    signal.raise_signal(signal.SIGTERM)

    assert [reactor.stop] == calls
    assert [signal.SIG_DFL] * 2 == [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]


@pytest.mark.usefixtures("environment", "handlers")
@pytest.mark.parametrize(
    ("number", "name"),
    [
        (signal.SIGHUP, "SIGHUP"),
        (signal.SIGQUIT, "SIGQUIT"),
        (signal.SIGUSR1, "SIGUSR1"),
        (signal.SIGUSR2, "SIGUSR2"),
        (signal.SIGALRM, "SIGALRM"),
        (signal.SIGRTMIN + 1, "signal 35"),
    ],
)
def test_other_signals_are_ignored_with_a_line(number: int, name: str) -> None:
    """The line is not written by the handler, which may have interrupted the writing of another."""
    calls: list[tuple[Any, ...]] = []
    reactor = MemoryReactorClock()
    reactor.callFromThread = lambda *call: calls.append(call)  # type: ignore[method-assign]
    _made(_TWISTD, reactor)
    for function, arguments, _ in reactor.whenRunningHooks:
        function(*arguments)
    with logged("pushd.tap") as log:
        signal.raise_signal(number)
        assert [] == log.warnings
        [(say, *arguments)] = calls
        say(*arguments)
    [line] = log.warnings
    assert line.startswith(f"{name} is ignored; SIGTERM and SIGINT stop the daemon")


@pytest.mark.usefixtures("environment", "handlers")
def test_a_signal_that_is_ignored_already_stays_so() -> None:
    """The program nohup starts it with SIGHUP ignored, and expects that to last."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    reactor = MemoryReactorClock()
    _made(_TWISTD, reactor)
    for function, arguments, _ in reactor.whenRunningHooks:
        function(*arguments)
    assert signal.SIG_IGN == signal.getsignal(signal.SIGHUP)
    assert signal.SIG_DFL == signal.getsignal(signal.SIGABRT)
