"""Measure the download and disk size of an installation by part; print a markdown table.

    python benchmarks/sizes.py [--extra pyqt6] [--extra dicom] [--downloads]

Run it in an environment where the program is installed with those extras. A package that several
parts need is counted once, in the first part that needs it. Installed sizes are those of the files
in each package's RECORD, without compiled bytecode. `--downloads` fetches the same versions with
pip into a temporary folder (350 MB) and measures the files; without it that column is empty.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT / "docs"))
from make_dependencies import OWN, megabytes, required_packages  # noqa: E402

PARTS = (
    ("numpy, SciPy", ("numpy", "scipy")),
    ("Qt, PyQt6", ("pyqt6",)),
    ("Qt, PySide6", ("pyside6-essentials",)),
    ("Qt, PySide6's add-ons (only where all of PySide6 was installed)", ("pyside6",)),
    ("napari", ("napari", "magicgui", "qtpy", "superqt")),
    ("OpenVINO", ("openvino",)),
    ("SimpleITK: DICOM, NRRD, MetaImage; second reader of NIfTI", ("simpleitk",)),
    ("nibabel: NIfTI", ("nibabel",)),
)
"""The title of a part, and the packages with which the search for its requirements starts."""
REST, EXTRA = "command line and the rest", "the extra `{}`"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--extra", action="append", default=[], help="may be given several times")
    parser.add_argument(
        "--downloads", action="store_true", help="fetch the packages and measure them, too"
    )
    options = parser.parse_args()
    packages = parts(options.extra)
    sizes = downloads(packages) if options.downloads else {}
    print(table(packages, sizes))


def parts(extras: list[str]) -> dict[str, list[str]]:
    """Return the installed packages of each part by canonical name; each is in one part only."""
    everything = required_packages(OWN, frozenset(extras))
    roots = [(title, set(names) & everything) for title, names in PARTS]
    roots.append((REST, required_packages(OWN, frozenset())))
    roots += [(EXTRA.format(extra), required_packages(OWN, frozenset({extra}))) for extra in extras]
    result: dict[str, list[str]] = {"napari-medsam": [OWN]}
    seen: set[str] = set()
    for title, names in roots:
        required = [required_packages(name, frozenset()) for name in names]
        unseen = names.union(*required) & everything - seen
        new = sorted(name for name in unseen if is_installed(name))
        seen.update(new)
        if new:
            result[title] = new
    return result


def is_installed(name: str) -> bool:
    """Whether a package is installed here; one of an extra may not be."""
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def downloads(packages: dict[str, list[str]]) -> dict[str, float]:
    """Return the download sizes in MB by canonical name; our own wheel is built."""
    names = [name for part in packages.values() for name in part if name != OWN]
    pins = [f"{name}=={distribution(name).version}" for name in names]
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "download", "--no-deps", "--dest", folder, *pins], check=True)
        subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, PROJECT], check=True)
        return {name_of(path): path.stat().st_size / 1e6 for path in Path(folder).iterdir()}


def name_of(path: Path) -> str:
    """Return the canonical name of the package in a file that pip downloaded."""
    parse = parse_wheel_filename if path.suffix == ".whl" else parse_sdist_filename
    return canonicalize_name(parse(path.name)[0])


def own_megabytes() -> float:
    """Size of this program in MB; an editable installation's RECORD does not list its files."""
    package = PROJECT / "napari_medsam"
    files = [path for path in package.rglob("*") if "__pycache__" not in path.parts]
    return sum(path.stat().st_size for path in files if path.is_file()) / 1e6


def table(packages: dict[str, list[str]], sizes: dict[str, float]) -> str:
    """Format the table as in `docs/install.md`; `sizes` is empty without downloads."""
    rows = ["| part | packages | download, MB | installed, MB |", "|---|---|---|---|"]
    sums = [0, 0.0, 0.0]
    for title, names in packages.items():
        installed = sum(
            own_megabytes() if name == OWN else megabytes(distribution(name)) for name in names
        )
        download = sum(sizes[name] for name in names) if sizes else 0.0
        rows.append(row(title, len(names), download, installed))
        sums = [sums[0] + len(names), sums[1] + download, sums[2] + installed]
    return "\n".join([*rows, row("all", *sums)])


def row(title: str, count: int | float, download: float, installed: float) -> str:
    return f"| {title} | {count} | {download:.1f} | {installed:.1f} |".replace(" 0.0 |", " |")


if __name__ == "__main__":
    main()
