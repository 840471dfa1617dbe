"""The environment of a cell: its versions resolved, installed, and reused while nothing changed.

uv resolves and installs, because pip knows no lowest versions and needs minutes where uv needs
seconds. pip puts uv into an environment of its own; nothing outside .venv-matrix is touched.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from script.cells.indexes import of_pip
from script.cells.plan import Cell

UV = "uv==0.13.9"
INPUTS = ("pyproject.toml", "constraints.txt")
"""What an environment is made from, in the checkout."""


class NotMade(Exception):
    """The environment cannot be made; the message is the resolver's reason."""


@dataclass(frozen=True)
class Environment:
    """`resolved` is name==version of everything in it, one a line."""

    python: Path
    resolved: str

    def version(self, package: str) -> str:
        """Of a package, in lower case; "" where it is not installed."""
        for line in self.resolved.splitlines():
            name, _, version = line.partition(" ")[0].partition("==")
            if name == package:
                return version
        return ""


def prepare_uv(folder: Path) -> Path:
    """The resolver, installed with pip the first time.

    Raises
    ------
    NotMade
        With pip's own words.
    """
    home = folder / UV.replace("==", "-")
    uv = _bin(home) / ("uv.exe" if sys.platform == "win32" else "uv")
    if not uv.is_file():
        _call([sys.executable, "-m", "venv", "--clear", str(home)])
        python = _bin(home) / "python"
        quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
        _call([str(python), "-m", "pip", "install", *quiet, "--only-binary", ":all:", UV])
    return uv


def prepare(cell: Cell, interpreter: Path, uv: Path, root: Path, folder: Path) -> Environment:
    """The cell's environment, made or brought up to date where something changed.

    A cell whose versions do not move is resolved when its inputs change. The others are resolved
    in every run, which takes seconds, and installed again where the answer is another.

    Raises
    ------
    NotMade
        Where the versions do not go together or cannot be installed.
    """
    home = folder / cell.name
    home.mkdir(parents=True, exist_ok=True)
    requirements, stamp = home / "resolved.txt", home / "installed"
    python = _bin(home / "env") / ("python.exe" if sys.platform == "win32" else "python")
    inputs = _fingerprint(
        repr(cell), UV, str(interpreter), str(root), *map(_text, (root / n for n in INPUTS))
    )
    before = _text(stamp).splitlines() if python.exists() else []
    if not (cell.versions in ("tested", "lowest") and before[:1] == [inputs]):
        resolve(cell, interpreter, uv, root, home)
    resolved = _text(requirements)
    wanted = [inputs, _fingerprint(resolved)]
    if before != wanted:
        stamp.unlink(missing_ok=True)
        install(requirements, interpreter, uv, root, home / "env", python)
        stamp.write_text("\n".join(wanted), encoding="utf-8")
    return Environment(python, resolved)


def install(
    requirements: Path, interpreter: Path, uv: Path, root: Path, env: Path, python: Path
) -> None:
    """A new environment with exactly these versions and the checkout."""
    _call([str(uv), "venv", "--quiet", "--clear", "--python", str(interpreter), str(env)])
    pip = [str(uv), "pip", "install", "--quiet", "--no-deps", "--python", str(python)]
    # Compiled here, because old packages' invalid escapes warn only when they are compiled, and a
    # warning fails a test.
    _call([*pip, "--compile-bytecode", "--requirement", str(requirements)])
    _call([*pip, "--editable", str(root)])


def resolve(cell: Cell, interpreter: Path, uv: Path, root: Path, home: Path) -> None:
    """Write all versions of a cell into resolved.txt.

    Raises
    ------
    NotMade
        With the resolver's reason.
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
    # A requirement beside pyproject.toml's, because uv takes a pre-release only where one is named.
    wanted = home / "wanted.txt"
    wanted.write_text(f"napari=={cell.napari}\n" if cell.napari else "", encoding="utf-8")
    output = ["--output-file", str(home / "resolved.txt")]
    _call([*command, *output, str(root / "pyproject.toml"), str(wanted)])


def _bin(environment: Path) -> Path:
    return environment / ("Scripts" if sys.platform == "win32" else "bin")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _fingerprint(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _call(command: list[str]) -> None:
    """Run a program without standard input.

    Raises
    ------
    NotMade
        With the end of what it said, where it fails.
    """
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    # An environment that is active here must not take part.
    environment.pop("VIRTUAL_ENV", None)
    # Who named an index for pip means it for uv as well, unless uv has one of its own.
    environment = {**of_pip(), **environment}
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
        raise NotMade(f"{command[0]} does not start: {error}") from error
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise NotMade("\n".join(words[-8:]) or f"{command[0]} failed and said nothing")
