"""The Pythons of this machine: named, on PATH, or behind a shim of pyenv that does not run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from script.cells.plan import PYTHONS

_PATIENCE_SECONDS = 30


def find_pythons(environment: Mapping[str, str] = os.environ) -> dict[str, Path]:
    """Interpreters by version ("3.11" ...), the oldest first; each was started and answered.

    Raises
    ------
    ValueError
        If a variable such as PYTHON_313 names something that is not that Python.
    """
    found = {}
    for version in PYTHONS:
        variable = f"PYTHON_{version.replace('.', '')}"
        if named := environment.get(variable):
            if _version_of(named) != version:
                raise ValueError(f"{variable} is {named}, which is not a Python {version}.")
            found[version] = Path(named)
            continue
        for candidate in _candidates(version, environment):
            if _version_of(str(candidate)) == version:
                found[version] = candidate
                break
    return found


def _candidates(version: str, environment: Mapping[str, str]) -> Iterator[Path]:
    name = f"python{version}.exe" if sys.platform == "win32" else f"python{version}"
    folders = [Path(folder) for folder in environment.get("PATH", "").split(os.pathsep) if folder]
    on_path = [Path(place) for folder in folders if (place := shutil.which(name, path=str(folder)))]
    yield from on_path
    # pyenv's shim refuses a version that is installed but not chosen; the interpreter itself runs.
    roots = [Path(environment["PYENV_ROOT"])] if environment.get("PYENV_ROOT") else []
    roots += [place.parent.parent for place in on_path if place.parent.name == "shims"]
    for root in dict.fromkeys(roots):
        yield from sorted(root.glob(f"versions/{version}.*/bin/python{version}"), reverse=True)


def _version_of(python: str) -> str:
    """Its version, such as "3.11"; "" if it does not run."""
    program = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run(
            [python, "-c", program],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
