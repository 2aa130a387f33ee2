"""The wheel, not the tree: what is in it, and that a daemon starts from it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import venv
import zipfile
from http import HTTPStatus
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.support.rabbitmq import free_port
from tests.support.wait import wait_for

_ROOT = Path(__file__).parents[2]
_TWISTD = "from twisted.scripts.twistd import run; run()"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from the source distribution, from a tree in which twistd has left its cache."""
    (_ROOT / "twisted" / "plugins" / "dropin.cache").touch()
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(_ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the Python of a fresh environment with the wheel installed.

    The dependencies are those of this environment, which are on its path; the checkout is not.
    """
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", str(python)]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", str(wheel)], check=True)
    return python


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PUSHD_"))}


def test_wheel_has_the_plugin_and_nothing_of_twisteds(wheel: Path) -> None:
    """One file goes into Twisted's folder: not its cache, and nothing that would make it a package."""
    names = zipfile.ZipFile(wheel).namelist()

    assert ["twisted/plugins/pushd_plugin.py"] == [name for name in names if name.startswith("twisted/")]


def test_wheel_has_every_file_of_the_package(wheel: Path) -> None:
    """Modules and pages are all there, and nothing beside the package."""
    names = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("pushd/")}
    tracked = subprocess.run(
        ["git", "ls-files", "pushd"], cwd=_ROOT, capture_output=True, text=True, check=True
    )
    expected = {name for name in tracked.stdout.split() if (_ROOT / name).exists()}

    assert set() == expected - names
    assert [] == [name for name in names if "__pycache__" in name]


def test_installed_plugin_is_found(python: Path, tmp_path: Path) -> None:
    """The command is listed, and the code is the wheel's."""

    def output(*command: str) -> str:
        return subprocess.check_output(
            [str(python), "-c", *command], cwd=tmp_path, env=_environment(), text=True
        )

    assert " pushd " in output(_TWISTD, "--help")
    assert output("import pushd; print(pushd.__file__)").startswith(str(python.parents[1]))


def test_installed_daemon_starts_and_stops(python: Path, tmp_path: Path) -> None:
    """A daemon started from the wheel, with the shipped file, gets ready; told to stop, it ends with 0."""
    ports = {name: free_port() for name in ("public", "admin", "control")}
    environ = _environment() | {
        f"PUSHD_LISTEN_{name.upper()}": f"tcp:{port}:interface=127.0.0.1" for name, port in ports.items()
    }
    arguments = ["--nodaemon", "--pidfile=", "pushd", "--config", str(_ROOT / "etc" / "pushd.ini")]
    with subprocess.Popen([str(python), "-c", _TWISTD, *arguments], cwd=tmp_path, env=environ) as twistd:
        try:
            wait_for(lambda: _is_ready(ports["admin"]), "instance that is ready")
            twistd.send_signal(signal.SIGTERM)

            assert 0 == twistd.wait(30)
        finally:
            twistd.kill()


def _is_ready(port: int) -> bool:
    with urlopen(f"http://127.0.0.1:{port}/ready", timeout=5) as response:
        return response.status == HTTPStatus.OK
