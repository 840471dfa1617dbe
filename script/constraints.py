"""Write constraints.txt: one tested version of every package, for all Pythons and systems.

    .venv/bin/python script/constraints.py [--newest]

Versions that are in the list stay, unless --newest is given. The list is plain where one version
fits everywhere, so that pip takes it on any Python and system: packages of another system in it do
nothing. Every target of a kit is then resolved with wheels alone, so that what README.md tells
people to type can be installed. Run the matrix's cells of the tested napari afterwards, and
docs/make_dependencies.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from napari_medsam.offline_kit.platforms import PLATFORMS, Target  # noqa: E402
from napari_medsam.offline_kit.tested_versions import PYTHONS  # noqa: E402
from script.cells.environments import prepare_uv  # noqa: E402

CONSTRAINTS = ROOT / "constraints.txt"
HEAD = """\
# The versions everything was tested with, on Python 3.11, 3.12 and 3.13; for script/setup, kits and
# pip install --constraint. Versions only, no hashes: pip then wants hashes of everything, which an
# editable install of this project cannot have.
# Made by script/constraints.py; packages that only Windows or macOS need are in it too.
"""
# pip does not replace itself on Windows while it installs, and the one that is there will do.
LEFT_OUT = ("pip",)
UV_NAMES = {
    "linux_x86_64": "x86_64-manylinux_2_34",
    "win_amd64": "x86_64-pc-windows-msvc",
    "macosx_arm64": "aarch64-apple-darwin",
}
"""Of `PLATFORMS`, in uv's words; 2.34 and macOS 14 are what Qt's wheels need."""


def main() -> None:
    uv = prepare_uv(ROOT / ".venv-matrix")
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder, "draft.txt")
        # What is in the file already is what uv prefers.
        draft.write_text("" if "--newest" in sys.argv else CONSTRAINTS.read_text(encoding="utf-8"))
        extras = ["--extra", "test", "--extra", "pyqt6", "--extra", "pyside6"]
        compile_with(uv, ["--universal", "--python-version", PYTHONS[0], *extras], draft)
        lines = pins(draft.read_text(encoding="utf-8"))
        new = Path(folder, "constraints.txt")
        new.write_text(HEAD + "".join(f"{line}\n" for line in lines), encoding="utf-8")
        for target in targets():
            check(uv, target, new, Path(folder, "resolved.txt"))
        CONSTRAINTS.write_text(new.read_text(encoding="utf-8"), encoding="utf-8")


def targets() -> list[Target]:
    return [Target(platform, python) for platform in PLATFORMS for python in PYTHONS]


def pins(resolved: str) -> list[str]:
    """The versions any target needs; with a marker only where a package has several."""
    found = defaultdict(list)
    for line in resolved.splitlines():
        if not line or line.startswith("#"):
            continue
        one = Requirement(line)
        holds = any(one.marker is None or one.marker.evaluate(t.markers) for t in targets())
        if holds and one.name not in LEFT_OUT:
            found[one.name].append(one)
    return [
        f"{name}{one.specifier}" if len(versions) == 1 else str(one)
        for name, versions in sorted(found.items())
        for one in versions
    ]


def check(uv: Path, target: Target, constraints: Path, resolved: Path) -> None:
    """Exit if a target cannot be installed with wheels of these versions."""
    for binding in ("pyqt6", "pyside6"):
        where = ["--python-platform", UV_NAMES[target.platform], "--python-version", target.python]
        extras = ["--extra", "dicom", "--extra", binding, "--constraint", str(constraints)]
        resolved.unlink(missing_ok=True)
        compile_with(uv, ["--only-binary", ":all:", *where, *extras], resolved)
        print(f"{target}, {binding}: {resolved.read_text().count('==')} wheels")


def compile_with(uv: Path, arguments: list[str], output: Path) -> None:
    """Resolve pyproject.toml; CalledProcessError, after uv's own message, if that fails."""
    quiet = ["--quiet", "--no-header", "--no-annotate", "--no-emit-index-url"]
    subprocess.run(
        [uv, "pip", "compile", *quiet, *arguments, "--output-file", output, "pyproject.toml"],
        cwd=ROOT,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # the list again
        env={**os.environ, "MACOSX_DEPLOYMENT_TARGET": "14.0", "UV_PYTHON_DOWNLOADS": "never"},
    )


if __name__ == "__main__":
    main()
