"""Find this machine's Pythons: named by a variable, on PATH, or behind a broken pyenv shim."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from script.cells.plan import PYTHONS

_TIMEOUT_SECONDS = 30


def find_pythons(environment: Mapping[str, str] = os.environ) -> dict[str, Path]:
    """Return the interpreters by version ("3.11", ...), oldest first; each was started once.

    Raises
    ------
    ValueError
        If a variable such as PYTHON_313 names a program that is not that Python.
    """
    found = {}
    for version in PYTHONS:
        variable = f"PYTHON_{version.replace('.', '')}"
        if configured := environment.get(variable):
            if _version_of(configured) != version:
                raise ValueError(f"{variable} is {configured}, which is not a Python {version}.")
            found[version] = Path(configured)
            continue
        for candidate in _candidates(version, environment):
            if _version_of(str(candidate)) == version:
                found[version] = candidate
                break
    return found


def _candidates(version: str, environment: Mapping[str, str]) -> Iterator[Path]:
    name = f"python{version}.exe" if sys.platform == "win32" else f"python{version}"
    folders = [Path(folder) for folder in environment.get("PATH", "").split(os.pathsep) if folder]
    on_path = [Path(file) for folder in folders if (file := shutil.which(name, path=str(folder)))]
    yield from on_path
    # pyenv's shim refuses a version that is installed but not selected; its interpreter runs.
    roots = [Path(environment["PYENV_ROOT"])] if environment.get("PYENV_ROOT") else []
    roots += [file.parent.parent for file in on_path if file.parent.name == "shims"]
    for root in dict.fromkeys(roots):
        yield from sorted(root.glob(f"versions/{version}.*/bin/python{version}"), reverse=True)


def _version_of(python: str) -> str:
    """Return an interpreter's version, such as "3.11"; "" if it does not run."""
    program = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run(
            [python, "-c", program],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
