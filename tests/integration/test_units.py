"""The systemd units, judged by systemd's own tools, which need no running systemd."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pushd.config import load

_UNITS = Path(__file__).parents[2] / "systemd"
_SERVICE = (_UNITS / "pushd@.service").read_text()
_EXPOSURE = 1.5


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Path]:
    """Give a folder with the units as they would be installed, twistd's path being one that exists here."""
    if os.geteuid() and not Path("/run/systemd").is_dir():
        pytest.skip(
            "systemd-analyze makes its folder in /run first, as only root can where systemd does not run"
        )
    twistd = str(Path(sys.executable).with_name("twistd"))
    (tmp_path / "pushd@1.service").write_text(_SERVICE.replace("/opt/pushd/bin/twistd", twistd))
    (tmp_path / "pushd.target").write_text((_UNITS / "pushd.target").read_text())
    return tmp_path


def _analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


def _value(directive: str) -> str:
    found = re.findall(rf"^{directive}=(.*)$", _SERVICE, re.MULTILINE)
    assert 1 == len(found)
    return found[0]


def test_units_are_free_of_mistakes(installed: Path) -> None:
    """There is nothing that systemd has to say about either unit."""
    result = _analyze("verify", str(installed / "pushd@1.service"), str(installed / "pushd.target"))

    assert (0, "") == (result.returncode, result.stdout + result.stderr)


def test_service_is_hardened(installed: Path) -> None:
    """By systemd's own measure, the exposure is low."""
    threshold = f"--threshold={_EXPOSURE * 10:.0f}"
    result = _analyze("security", "--offline=true", threshold, str(installed / "pushd@1.service"))

    assert 0 == result.returncode, result.stdout


def test_tls_is_not_forbidden() -> None:
    """The callbacks of pyOpenSSL need memory that this directive would refuse."""
    assert not re.search(r"^MemoryDenyWriteExecute=", _SERVICE, re.MULTILINE)


def test_metrics_of_the_process_are_not_forbidden() -> None:
    """The collector reads when the machine was booted from a file that this directive would hide."""
    assert not re.search(r"^ProcSubset=", _SERVICE, re.MULTILINE)


def test_stopping_takes_less_than_systemd_waits() -> None:
    """The drain and the closing handshakes end before systemd would kill."""
    limits = load().config.limits

    assert limits.drain_timeout + limits.close_timeout < float(_value("TimeoutStopSec"))


def test_files_suffice_for_every_client() -> None:
    """The limit of open files leaves room for every connection the defaults allow."""
    assert 2 * load().config.limits.connections <= int(_value("LimitNOFILE"))


def test_instances_stop_and_start_with_the_target() -> None:
    """The target starts every enabled instance and passes stop and restart on."""
    assert ("pushd.target", "pushd.target") == (_value("WantedBy"), _value("PartOf"))


def test_the_account_can_be_made(tmp_path: Path) -> None:
    """systemd-sysusers takes the file that makes the account."""
    command = ["systemd-sysusers", "--dry-run", f"--root={tmp_path}", str(_UNITS / "pushd.sysusers.conf")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)

    assert 0 == result.returncode, result.stderr
