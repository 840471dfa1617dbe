"""The environment of a cell: resolve its versions, install them, and reuse it until they change.

uv resolves and installs, because pip cannot resolve to lowest versions and takes minutes where uv
takes seconds. pip installs uv into a separate environment. Nothing outside .venv-matrix is touched.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from script.cells.indexes import pip_settings_for_uv
from script.cells.plan import Cell

UV = "uv==0.13.9"
INPUTS = ("pyproject.toml", "constraints.txt")
"""Files of the checkout that determine an environment."""


class SetupError(Exception):
    """An environment cannot be made; the message is the end of the failed program's output."""


@dataclass(frozen=True)
class Environment:
    """An interpreter and what is installed for it: `resolved` has one name==version per line."""

    python: Path
    resolved: str

    def version(self, package: str) -> str:
        """Version of a package, named in lower case; "" if it is not installed."""
        for line in self.resolved.splitlines():
            name, _, version = line.partition(" ")[0].partition("==")
            if name == package:
                return version
        return ""


def prepare_uv(folder: Path) -> Path:
    """Return the path of uv; install it with pip the first time.

    Raises
    ------
    SetupError
        If pip fails.
    """
    uv_environment = folder / UV.replace("==", "-")
    uv = _bin(uv_environment) / ("uv.exe" if sys.platform == "win32" else "uv")
    if not uv.is_file():
        _call([sys.executable, "-m", "venv", "--clear", str(uv_environment)])
        python = _bin(uv_environment) / "python"
        quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
        _call([str(python), "-m", "pip", "install", *quiet, "--only-binary", ":all:", UV])
    return uv


def prepare(cell: Cell, interpreter: Path, uv: Path, root: Path, folder: Path) -> Environment:
    """Return the cell's environment; make it, or update it if something changed.

    A cell with fixed versions is resolved when its inputs change. The others are resolved in
    every run, which takes seconds, and installed again if the result differs.

    Raises
    ------
    SetupError
        If the versions are incompatible or cannot be installed.
    """
    cell_folder = folder / cell.name
    cell_folder.mkdir(parents=True, exist_ok=True)
    requirements, stamp = cell_folder / "resolved.txt", cell_folder / "installed"
    python = _bin(cell_folder / "env") / ("python.exe" if sys.platform == "win32" else "python")
    inputs = _fingerprint(
        repr(cell), UV, str(interpreter), str(root), *map(_read, (root / name for name in INPUTS))
    )
    recorded = _read(stamp).splitlines() if python.exists() else []
    if not (cell.versions in ("tested", "lowest") and recorded[:1] == [inputs]):
        resolve(cell, interpreter, uv, root, cell_folder)
    resolved = _read(requirements)
    current = [inputs, _fingerprint(resolved)]
    if recorded != current:
        stamp.unlink(missing_ok=True)
        install(requirements, interpreter, uv, root, cell_folder / "env", python)
        stamp.write_text("\n".join(current), encoding="utf-8")
    return Environment(python, resolved)


def install(
    requirements: Path, interpreter: Path, uv: Path, root: Path, env: Path, python: Path
) -> None:
    """Make a new environment with exactly these versions and the checkout."""
    _call([str(uv), "venv", "--quiet", "--clear", "--python", str(interpreter), str(env)])
    pip = [str(uv), "pip", "install", "--quiet", "--no-deps", "--python", str(python)]
    # Compile now: invalid escapes in old packages warn only when they are compiled, and a warning
    # fails a test.
    _call([*pip, "--compile-bytecode", "--requirement", str(requirements)])
    _call([*pip, "--editable", str(root)])


def resolve(cell: Cell, interpreter: Path, uv: Path, root: Path, cell_folder: Path) -> None:
    """Write all versions of a cell into resolved.txt.

    Raises
    ------
    SetupError
        If the resolver fails.
    """
    command = [str(uv), "pip", "compile", "--quiet", "--python", str(interpreter)]
    command += ["--only-binary", ":all:", "--no-header", "--no-annotate", "--upgrade"]
    command += ["--extra", "test", "--extra", cell.binding]
    if cell.versions == "tested":
        command += ["--constraint", str(root / "constraints.txt")]
    if cell.versions == "lowest":
        command += ["--resolution", "lowest-direct"]
    if cell.versions == "unpinned":
        command += ["--prerelease-package", "napari=allow"]
    # A separate requirement, because uv takes a pre-release only if a requirement names one.
    napari_pin = cell_folder / "wanted.txt"
    napari_pin.write_text(f"napari=={cell.napari}\n" if cell.napari else "", encoding="utf-8")
    output = ["--output-file", str(cell_folder / "resolved.txt")]
    _call([*command, *output, str(root / "pyproject.toml"), str(napari_pin)])


def _bin(environment: Path) -> Path:
    return environment / ("Scripts" if sys.platform == "win32" else "bin")


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _fingerprint(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _call(command: list[str]) -> None:
    """Run a program without standard input.

    Raises
    ------
    SetupError
        If it does not start or fails; the message is the end of its output.
    """
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    # An environment that is active here must have no influence.
    environment.pop("VIRTUAL_ENV", None)
    # An index configured for pip holds for uv too, unless uv has its own setting.
    environment = {**pip_settings_for_uv(), **environment}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
    except OSError as error:
        raise SetupError(f"{command[0]} does not start: {error}") from error
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise SetupError("\n".join(lines[-8:]) or f"{command[0]} failed without any output")
