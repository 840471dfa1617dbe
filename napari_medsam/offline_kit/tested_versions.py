"""The versions this program was tested with: constraints.txt, in the package or in the checkout.

Kits consist of them, and `doctor` compares them with the installed ones.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PYTHONS = ("3.11", "3.12", "3.13")
NAPARIS = ("0.6.6", "0.10.0rc1")
"""The oldest and the newest that script/matrix tests."""
WATCHED = (
    *("napari", "numpy", "PyQt6", "PySide6_Essentials", "openvino", "SimpleITK", "pydicom"),
    *("highdicom", "nibabel", "scipy", "pillow", "tifffile", "vispy", "superqt", "magicgui"),
)
"""Packages whose version can change the reading of a file, a mask or the window's behaviour; the
most important first.
"""


def constraints_file() -> Path:
    """The path of the list.

    Raises
    ------
    ValueError
        If it is neither in the package nor, in a checkout, beside it.
    """
    package = Path(__file__).parents[1]
    for path in (package / "constraints.txt", package.parent / "constraints.txt"):
        if path.is_file():
            return path
    raise ValueError("The list of tested versions (constraints.txt) is missing; install again.")


def pins(text: str, environment: dict[str, str] | None = None) -> dict[str, str]:
    """Version by canonical name, from the lines for a marker environment (default: this one)."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            [spec] = requirement.specifier
            found[canonicalize_name(requirement.name)] = spec.version
    return found


def untested() -> list[str]:
    """Watched packages that are installed in another version: "numpy 2.5.5 (tested: 2.4.6)".

    A napari outside the tested range is reported with that range.

    Raises
    ------
    ValueError
        If the list is missing.
    """
    tested = pins(constraints_file().read_text(encoding="utf-8"))
    found = []
    for name in WATCHED:
        try:
            here = version(name)
        except PackageNotFoundError:
            continue
        right = tested.get(canonicalize_name(name))
        if name == "napari" and napari_beyond(here):
            found.append(f"napari {here} (tested: {NAPARIS[0]} to {NAPARIS[1]})")
        elif right is not None and Version(here) != Version(right):
            found.append(f"{name} {here} (tested: {right})")
    return found


def napari_beyond(napari: str) -> bool:
    """Whether a version of napari is older or newer than all tested ones.

    Patch releases of the newest tested version count as tested.
    """
    here, oldest, newest = Version(napari), *map(Version, NAPARIS)
    return here < oldest or here.release[:2] > newest.release[:2]
