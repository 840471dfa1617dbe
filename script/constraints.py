"""Write constraints.txt: one tested version of every package, for all Pythons and systems.

    .venv/bin/python script/constraints.py [--newest]

Listed versions are retained unless --newest is given. A package that has one version everywhere
gets no marker, so that pip accepts the list on any Python and system; packages that only another
system needs have no effect. Every target of a kit is then resolved with wheels only, which shows
that the commands of README.md can be run. Afterwards run the matrix's cells of the tested napari,
and docs/make_dependencies.py.
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
# On Windows pip cannot replace itself while it installs, and the installed version is sufficient.
LEFT_OUT = ("pip",)
UV_NAMES = {
    "linux_x86_64": "x86_64-manylinux_2_34",
    "win_amd64": "x86_64-pc-windows-msvc",
    "macosx_arm64": "aarch64-apple-darwin",
}
"""uv's names of `PLATFORMS`; Qt's wheels need glibc 2.34 and macOS 14."""


def main() -> None:
    uv = prepare_uv(ROOT / ".venv-matrix")
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder, "draft.txt")
        # uv prefers the versions that are already in its output file.
        draft.write_text("" if "--newest" in sys.argv else CONSTRAINTS.read_text(encoding="utf-8"))
        extras = ["--extra", "test", "--extra", "pyqt6", "--extra", "pyside6"]
        compile_with(uv, ["--universal", "--python-version", PYTHONS[0], *extras], draft)
        lines = pins(draft.read_text(encoding="utf-8"))
        new = Path(folder, "constraints.txt")
        new.write_text(HEAD + "".join(f"{line}\n" for line in lines), encoding="utf-8")
        for target in targets():
            check_wheels(uv, target, new, Path(folder, "resolved.txt"))
        CONSTRAINTS.write_text(new.read_text(encoding="utf-8"), encoding="utf-8")


def targets() -> list[Target]:
    return [Target(platform, python) for platform in PLATFORMS for python in PYTHONS]


def pins(resolved: str) -> list[str]:
    """Return a line per version that any target needs, with a marker if a package has several."""
    found = defaultdict(list)
    for line in resolved.splitlines():
        if not line or line.startswith("#"):
            continue
        pin = Requirement(line)
        is_needed = any(pin.marker is None or pin.marker.evaluate(t.markers) for t in targets())
        if is_needed and pin.name not in LEFT_OUT:
            found[pin.name].append(pin)
    return [
        f"{name}{pin.specifier}" if len(versions) == 1 else str(pin)
        for name, versions in sorted(found.items())
        for pin in versions
    ]


def check_wheels(uv: Path, target: Target, constraints: Path, resolved: Path) -> None:
    """Raise CalledProcessError if these versions have no wheels for a target."""
    for binding in ("pyqt6", "pyside6"):
        target_options = [
            "--python-platform",
            UV_NAMES[target.platform],
            "--python-version",
            target.python,
        ]
        extras = ["--extra", "dicom", "--extra", binding, "--constraint", str(constraints)]
        resolved.unlink(missing_ok=True)
        compile_with(uv, ["--only-binary", ":all:", *target_options, *extras], resolved)
        print(f"{target}, {binding}: {resolved.read_text().count('==')} wheels")


def compile_with(uv: Path, arguments: list[str], output: Path) -> None:
    """Resolve pyproject.toml; if that fails, uv prints why and CalledProcessError is raised."""
    quiet = ["--quiet", "--no-header", "--no-annotate", "--no-emit-index-url"]
    subprocess.run(
        [uv, "pip", "compile", *quiet, *arguments, "--output-file", output, "pyproject.toml"],
        cwd=ROOT,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # uv prints the list, too
        env={**os.environ, "MACOSX_DEPLOYMENT_TARGET": "14.0", "UV_PYTHON_DOWNLOADS": "never"},
    )


if __name__ == "__main__":
    main()
