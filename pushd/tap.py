"""``twistd pushd``: its options, and the service it runs. The only importer of the global reactor.

Whatever keeps the daemon from starting is said without a traceback, and twistd ends with exit code 1, or 78
when it is the configuration. After a drain it ends with 0.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, cast

from twisted.application.service import IService, MultiService
from twisted.internet.error import CannotListenError
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized
from twisted.python.usage import Options as TwistedOptions

from pushd import __version__, log, service
from pushd.config import Config, ConfigError, Effective, Listen, Log, load, show

__all__ = ["Daemon", "Options", "makeService"]

_log = Logger()

_IGNORED = (
    *("SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO", "SIGPWR"),
    *("SIGSTKFLT", "SIGXCPU"),
)
"""Signals that a person, a supervisor or a log rotation may send; some systems lack some of them.

SIGABRT is not among them, because systemd's watchdog ends a stuck process with it.
"""


class Options(TwistedOptions):
    """What stands behind ``twistd pushd``.

    Attributes:
        effective: The configuration in force, once the options are parsed.
    """

    synopsis = "[options]"
    longdesc = (
        "Pushes what is published to a RabbitMQ exchange to browsers. Without --config: the defaults, "
        "with the embedded memory broker. twistd's own --logfile, --logger and --syslog, given before "
        "the word pushd, replace the [log] section."
    )
    optParameters: ClassVar = [
        ["config", "c", None, "The INI file."],
        ["instance", "i", None, "The instance's name or number; wins over the file's."],
    ]
    optFlags: ClassVar = [["check", None, "Print the effective configuration, each value with its origin."]]

    effective: Effective

    def postOptions(self) -> None:
        """Read the configuration; with ``--check``, show it and exit."""
        try:
            self.effective = load(self["config"], self["instance"], os.environ)
        except ConfigError as error:
            print(error, file=sys.stderr)  # noqa: T201 - there is no log yet
            # sysexits.h: what tells a supervisor that trying again will not help.
            raise SystemExit(1 if self["check"] else os.EX_CONFIG) from None
        if self["check"]:
            print(show(self.effective))  # noqa: T201 - it is what --check is for
            raise SystemExit(0)

    def opt_version(self) -> None:
        """Print pushd's version and exit."""
        print(f"pushd {__version__}")  # noqa: T201 - it was asked for
        raise SystemExit(0)


class Daemon(MultiService):
    """The service at the root of the process: start, signals and log, as twistd would not have them.

    twistd prints a traceback when a port is in use, ends by the signal it got even after a good
    drain, and takes a log observer from the application alone, which a plugin never sees but here.

    Args:
        listen: To name the listener that cannot start.
        observer: Where events go; ``None`` leaves that to twistd.
        foreground: Whether nobody waits for the start but the shell or systemd. A twistd that went
            to the background hears of a failure only as an ordinary exception.
    """

    def __init__(self, listen: Listen, observer: ILogObserver | None, *, foreground: bool) -> None:
        super().__init__()
        self._listen = listen
        self._observer = observer
        self._foreground = foreground

    def setServiceParent(self, parent: Componentized) -> None:
        """Become part of twistd's application, and give it our log observer."""
        if self._observer is not None:
            parent.setComponent(ILogObserver, self._observer)
        super().setServiceParent(parent)

    def privilegedStartService(self) -> None:
        """Start what needs the rights the process was started with."""
        self._start(super().privilegedStartService)

    def startService(self) -> None:
        """Start everything."""
        self._start(super().startService)

    def _start(self, start: Callable[[], None]) -> None:
        try:
            start()
        except (CannotListenError, OSError) as error:
            refused = _refused(error)
            if refused is None or not self._foreground:
                raise
            _log.critical("{refusal}", refusal=_refusal(refused, self._listen))
            raise SystemExit(1) from None


def _refused(error: CannotListenError | OSError) -> CannotListenError | None:
    """Give the refusal that an error is: Twisted lets through what goes wrong with a unix socket's lock."""
    if isinstance(error, CannotListenError):
        return error
    lock = os.fsdecode(error.filename2 or "")
    if not lock.endswith(".lock"):
        return None
    return CannotListenError(None, lock.removesuffix(".lock"), OSError(error.errno, error.strerror))


def _refusal(error: CannotListenError, listen: Listen) -> str:
    """Name the listener: Twisted knows only its address."""
    address = os.fsdecode(error.port) if isinstance(error.port, bytes) else str(error.port)
    fields = {name: text.replace("=", ":").split(":") for name, text in listen if isinstance(text, str)}
    names = " or ".join(name for name in fields if address in fields[name])
    where = f"{error.interface}:{address}" if error.interface else address
    return f"[listen] {names}: cannot listen on {where}: {error.socketError}"


def makeService(options: Options, reactor: Any = None) -> IService:
    """Build the daemon; twistd calls this once, with the parsed options.

    Args:
        reactor: The process's own unless given.
    """
    if reactor is None:
        from twisted.internet import reactor  # noqa: PLC0415, TID251 - the one place that may choose

    config, twistd = options.effective.config, cast("TwistedOptions", options.parent)
    daemon = Daemon(config.listen, _observer(twistd, config.log), foreground=bool(twistd["nodaemon"]))
    _built(config, reactor).setServiceParent(daemon)
    reactor.callWhenRunning(_take_signals, reactor)
    return daemon


def _built(config: Config, reactor: Any) -> IService:
    """Build what does the work; what it cannot do with the configuration is one line, too."""
    try:
        return service.build(config, reactor)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - the log begins later
        raise SystemExit(os.EX_CONFIG) from None


def _observer(twistd: TwistedOptions, wanted: Log) -> ILogObserver | None:
    """Give the observer for stdout, unless twistd was told to log elsewhere."""
    if not twistd["nodaemon"] or twistd["logfile"] not in {None, "-"} or twistd["syslog"]:
        return None
    log.quieten_libraries()
    out = sys.stdout.buffer
    return log.observer(out, wanted.level, wanted.format, journal=log.is_journal(os.environ, out))


def _take_signals(reactor: Any) -> None:
    """Take over all signals that would end the process, once the reactor has set its own handlers.

    The first SIGTERM or SIGINT drains, a second ends. The others are ignored: a SIGHUP from a closed
    terminal, or a SIGUSR1 that was meant to rotate a log, must not cost every client its connection.
    """

    def stop(*_: object) -> None:
        for each in signal.SIGTERM, signal.SIGINT:
            signal.signal(each, signal.SIG_DFL)
        reactor.callFromThread(reactor.stop)

    def ignore(number: int, _: object) -> None:
        # Not from here: the interrupted code may be writing a line of the log itself.
        reactor.callFromThread(_say_ignored, number)

    for number in signal.SIGTERM, signal.SIGINT:
        signal.signal(number, stop)
    for each in _ignored():
        # The program nohup, for one, starts a process with SIGHUP ignored; this stays so.
        if signal.getsignal(each) == signal.SIG_DFL:
            signal.signal(each, ignore)


def _ignored() -> Iterator[int]:
    """Give the signals that would end the process and do not tell of a fault in it (signal(7))."""
    for name in _IGNORED:
        if hasattr(signal, name):
            yield getattr(signal, name)
    yield from range(signal.SIGRTMIN, signal.SIGRTMAX + 1)


def _say_ignored(number: int) -> None:
    known = {each.value: each.name for each in signal.Signals}
    _log.warn(
        "{name} is ignored; SIGTERM and SIGINT stop the daemon, and a changed configuration needs a restart",
        name=known.get(number, f"signal {number}"),
    )
