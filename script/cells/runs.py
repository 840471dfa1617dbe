"""Run the tests of one cell, with separate home folders and a separate display, into a log."""

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

# napari 0.6.6 works with today's versions of its dependencies, but they warn, and a warning fails a
# test. pydantic 2.12 and later warns about app-model 0.4 (napari 0.6.6 accepts no newer one),
# Python 3.12 and later about pydantic.v1, Python 3.13 about vispy 0.15's parsing of shaders, and
# numpy 2.5 about napari's outlines of shapes and wherever vispy 0.15 sets the shape of an array.
OLD_NAPARI_WARNINGS = (
    "ignore:Using `@model_validator` with mode='after'",
    "ignore:Pickle, copy, and deepcopy support will be removed from itertools",
    "ignore:'where' used without 'out':UserWarning:"
    "napari.layers.shapes._accelerated_triangulate_python",
    "ignore:'count' is passed as positional argument:DeprecationWarning:vispy.gloo.program",
    *(
        f"ignore:Setting the shape on a NumPy array:DeprecationWarning:vispy.{module}"
        for module in ("util.fonts._freetype", "gloo.wrappers", "gloo.program")
    ),
)
JUNIT_COUNTS = ("tests", "failures", "errors", "skipped")
QT_PACKAGES = {"pyqt6": "pyqt6", "pyside6": "pyside6-essentials"}
PRINT_MODEL_FOLDER = "from napari_medsam.storage.user_folders import home; print(home())"


@dataclass(frozen=True)
class Outcome:
    """The result of a cell; `reason` says why pytest did not run, "" if it ran."""

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
        versions = versions_of(cell, environment)
        model_folder = _output_of(environment, PRINT_MODEL_FOLDER)
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines()[-3:]
        return Outcome(cell, {}, reason=f"the program does not load: {' '.join(lines)}")
    with (
        tempfile.TemporaryDirectory(prefix="napari-medsam-", ignore_cleanup_errors=True) as homes,
        open(results / f"{cell.name}.log", "w", encoding="utf-8") as log,
    ):
        done = subprocess.run(
            command(cell, environment, arguments, junit),
            cwd=root,
            env=run_variables(cell, model_folder, Path(homes)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    seconds = time.monotonic() - started
    if not junit.is_file():
        reason = f"pytest ended with {done.returncode} before it wrote its results; see {log.name}"
        return Outcome(cell, versions, seconds=seconds, exit_code=done.returncode, reason=reason)
    passed, failed, skipped = read_counts(junit)
    return Outcome(cell, versions, passed, failed, skipped, seconds, done.returncode)


def command(cell: Cell, environment: Environment, arguments: list[str], junit: Path) -> list[str]:
    """The command line of pytest; on Linux with a separate virtual screen."""
    # Cells that run at the same time must not share pytest's cache in the checkout.
    pytest = [str(environment.python), "-m", "pytest", "-p", "no:cacheprovider"]
    if environment.version("napari") == NAPARIS[0]:
        pytest += [word for warning in OLD_NAPARI_WARNINGS for word in ("-W", warning)]
    pytest += [*arguments, f"--junitxml={junit}"]
    if sys.platform.startswith("linux") and shutil.which("xvfb-run"):
        return ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24", *pytest]
    return pytest


def run_variables(cell: Cell, model_folder: str, homes: Path) -> dict[str, str]:
    """Return the environment variables of a run; of the user's files it reads only the weights.

    Settings, caches and configurations (napari's too) are in `homes`. The weights are read from
    `model_folder`, where they are installed, because no test writes there.
    """
    variables = _plain_environment()
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        folder = homes / name.lower()
        folder.mkdir()
        variables[name] = str(folder)
    if sys.platform == "win32":
        variables |= dict.fromkeys(("APPDATA", "LOCALAPPDATA"), variables["HOME"])
    return variables | {
        "NAPARI_MEDSAM_HOME": model_folder,
        "NAPARI_MEDSAM_SETTINGS": str(homes / "settings"),
        "QT_API": cell.binding,
        "PYTEST_QT_API": cell.binding,
    }


def read_counts(junit: Path) -> tuple[int, int, int]:
    """Read the numbers of passed, failed (errors included) and skipped tests from a junit file."""
    suites = ET.parse(junit).getroot().iter("testsuite")
    total = dict.fromkeys(JUNIT_COUNTS, 0)
    for suite in suites:
        for name in JUNIT_COUNTS:
            total[name] += int(suite.get(name, 0))
    failed = total["failures"] + total["errors"]
    return max(0, total["tests"] - failed - total["skipped"]), failed, total["skipped"]


def versions_of(cell: Cell, environment: Environment) -> dict[str, str]:
    return {
        "python": _output_of(environment, "import platform; print(platform.python_version())"),
        "qt": f"{cell.binding} {environment.version(QT_PACKAGES[cell.binding])}",
        "napari": environment.version("napari"),
        "numpy": environment.version("numpy"),
    }


def _output_of(environment: Environment, program: str) -> str:
    """Run a line of Python in a cell and return what it prints; CalledProcessError if it fails."""
    return subprocess.run(
        [str(environment.python), "-c", program],
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
        env=_plain_environment(),
    ).stdout.strip()


def _plain_environment() -> dict[str, str]:
    """The variables of this process without those of an active environment."""
    active = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "NAPARI_CONFIG")
    return {name: value for name, value in os.environ.items() if name not in active}
