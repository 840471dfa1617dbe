"""One cell's test run: with its own home folders and its own display, into a log."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from script.cells.environments import Environment
from script.cells.plan import NAPARIS, Cell

# napari 0.6.6 works under today's companions, but they warn, and a warning fails a test: pydantic
# 2.12 and later of app-model 0.4 (it wants no newer one); Python 3.12 and later of pydantic.v1;
# numpy 2.5 of its outlines of shapes, and of how vispy 0.15 draws letters.
OLD_NAPARI_WARNS = (
    "ignore:Using `@model_validator` with mode='after'",
    "ignore:Pickle, copy, and deepcopy support will be removed from itertools",
    "ignore:'where' used without 'out':UserWarning:"
    "napari.layers.shapes._accelerated_triangulate_python",
    "ignore:Setting the shape on a NumPy array:DeprecationWarning:vispy.util.fonts._freetype",
)
COUNTED = ("tests", "failures", "errors", "skipped")
QT_PACKAGES = {"pyqt6": "pyqt6", "pyside6": "pyside6-essentials"}
WEIGHTS = "from napari_medsam.storage.user_folders import home; print(home())"


@dataclass(frozen=True)
class Outcome:
    """The result of a cell. `reason` is "" if pytest ran, whether or not its tests passed."""

    cell: Cell
    versions: dict[str, str]
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    exit_code: int = 0
    reason: str = ""

    @property
    def is_good(self) -> bool:
        return not self.reason and self.exit_code == 0 and self.failed == 0 and self.passed > 0


def run(
    cell: Cell, environment: Environment, arguments: list[str], root: Path, results: Path
) -> Outcome:
    """Run pytest in a cell's environment; its log and junit file go into `results`."""
    junit = results / f"{cell.name}.xml"
    junit.unlink(missing_ok=True)
    started = time.monotonic()
    try:
        versions, weights = versions_of(cell, environment), _say(environment, WEIGHTS)
    except subprocess.CalledProcessError as error:
        words = error.stderr.strip().splitlines()[-3:]
        return Outcome(cell, {}, reason=f"the program does not load: {' '.join(words)}")
    with (
        tempfile.TemporaryDirectory(prefix="napari-medsam-", ignore_cleanup_errors=True) as homes,
        open(results / f"{cell.name}.log", "w", encoding="utf-8") as log,
    ):
        done = subprocess.run(
            command(cell, environment, arguments, junit),
            cwd=root,
            env=surroundings(cell, weights, Path(homes)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    seconds = time.monotonic() - started
    if not junit.is_file():
        reason = f"pytest ended with {done.returncode} before it had counted; see {log.name}"
        return Outcome(cell, versions, seconds=seconds, exit_code=done.returncode, reason=reason)
    passed, failed, skipped = counts(junit)
    return Outcome(cell, versions, passed, failed, skipped, seconds, done.returncode)


def command(cell: Cell, environment: Environment, arguments: list[str], junit: Path) -> list[str]:
    """What starts pytest, under a screen of its own on Linux."""
    # Two cells at a time must not share pytest's cache of the checkout.
    pytest = [str(environment.python), "-m", "pytest", "-p", "no:cacheprovider"]
    if environment.version("napari") == NAPARIS[0]:
        pytest += [word for one in OLD_NAPARI_WARNS for word in ("-W", one)]
    pytest += [*arguments, f"--junitxml={junit}"]
    if sys.platform.startswith("linux") and shutil.which("xvfb-run"):
        return ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24", *pytest]
    return pytest


def surroundings(cell: Cell, weights: str, homes: Path) -> dict[str, str]:
    """The environment variables of a run: nothing of the user's is read but the installed weights.

    Settings, caches and configurations (napari's too) are in `homes`; the weights stay where they
    were installed, since no test writes there.
    """
    variables = _plain_environment()
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        folder = homes / name.lower()
        folder.mkdir()
        variables[name] = str(folder)
    if sys.platform == "win32":
        variables |= dict.fromkeys(("APPDATA", "LOCALAPPDATA"), variables["HOME"])
    return variables | {
        "NAPARI_MEDSAM_HOME": weights,
        "NAPARI_MEDSAM_SETTINGS": str(homes / "settings"),
        "QT_API": cell.binding,
        "PYTEST_QT_API": cell.binding,
    }


def counts(junit: Path) -> tuple[int, int, int]:
    """Passed, failed (errors too) and skipped of a junit file."""
    suites = ET.parse(junit).getroot().iter("testsuite")
    total = dict.fromkeys(COUNTED, 0)
    for suite in suites:
        for name in COUNTED:
            total[name] += int(suite.get(name, 0))
    failed = total["failures"] + total["errors"]
    return max(0, total["tests"] - failed - total["skipped"]), failed, total["skipped"]


def versions_of(cell: Cell, environment: Environment) -> dict[str, str]:
    return {
        "python": _say(environment, "import platform; print(platform.python_version())"),
        "qt": f"{cell.binding} {environment.version(QT_PACKAGES[cell.binding])}",
        "napari": environment.version("napari"),
        "numpy": environment.version("numpy"),
    }


def _say(environment: Environment, program: str) -> str:
    """What a line of Python prints in a cell; CalledProcessError where it fails."""
    return subprocess.run(
        [str(environment.python), "-c", program],
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
        env=_plain_environment(),
    ).stdout.strip()


def _plain_environment() -> dict[str, str]:
    """The variables of this process, less those of an environment that is active here."""
    active = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "NAPARI_CONFIG")
    return {name: value for name, value in os.environ.items() if name not in active}
