"""Write docs/dependencies.md: the packages installed with the program, their licences and sizes.

    python docs/make_dependencies.py

Run it in the project's environment after constraints.txt has changed;
`tests/project/test_dependencies.py` fails if it was forgotten. Licences are taken from each
package's metadata.
"""

from __future__ import annotations

from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from napari_medsam.offline_kit.tested_versions import pins
from napari_medsam.offline_kit.wheel_file import licence_of

PROJECT = Path(__file__).resolve().parent.parent
OWN, EXTRAS = "napari-medsam", frozenset({"pyqt6", "dicom"})
PAGE_START = """\
# Dependencies

`docs/make_dependencies.py` generates this page from the metadata of the packages, in the versions
the program is tested with (`constraints.txt`), on Linux with PyQt6. Sizes are as installed. Windows
adds colorama (BSD) and pywin32 (PSF), and for the tests pywin32-ctypes (BSD); macOS adds appnope
(BSD). napari brings IPython and its console, which this program does not use.

PyQt6 and, in the extra `dicom`, pylibjpeg-libjpeg are under the GPL: whoever redistributes an
installation with either of them does so under the GPL. With PySide6 (LGPL) and without `dicom`, no
package is under the GPL. A kit lists the licences of its packages in `kit.json`.

`pip-audit` compares versions with an online database of known vulnerabilities, so it is not part of
the tests. Run it on a machine with a network:
`pip-audit --requirement constraints.txt --no-deps`.
"""


def main() -> None:
    tested = set(pins((PROJECT / "constraints.txt").read_text(encoding="utf-8")))
    # Packages that only another system or the other Qt binding needs are not installed here.
    tested &= required_packages(OWN, EXTRAS | {"test"})
    to_run = required_packages(OWN, EXTRAS) & tested
    text = f"{PAGE_START}\n## To run\n\n{table(sorted(to_run))}\n"
    text += f"\n## Only for the tests\n\n{table(sorted(tested - to_run))}\n"
    (PROJECT / "docs" / "dependencies.md").write_text(text, encoding="utf-8")


def required_packages(name: str, extras: frozenset[str]) -> set[str]:
    """Canonical names of all packages that a package requires on this system, without itself."""
    required: set[str] = set()
    waiting, seen = [(name, extras)], set()
    while waiting:
        package, with_extras = waiting.pop()
        if (package, with_extras) in seen:
            continue
        seen.add((package, with_extras))
        for text in _requires(package):
            requirement = Requirement(text)
            environments = [{"extra": extra} for extra in (with_extras or {""})]
            if requirement.marker is None or any(map(requirement.marker.evaluate, environments)):
                required_name = canonicalize_name(requirement.name)
                required.add(required_name)
                waiting.append((required_name, frozenset(requirement.extras)))
    return required


def _requires(package: str) -> list[str]:
    try:
        return distribution(package).requires or []
    except PackageNotFoundError:  # belongs to an extra that is not installed here
        return []


def table(names: list[str]) -> str:
    rows = ["| package | version | licence | MB |", "|---|---|---|---|"]
    total = 0.0
    for name in names:
        package = distribution(name)
        size = megabytes(package)
        total += size
        licence = licence_of(package.metadata).replace("|", "/")
        rows.append(f"| {name} | {package.version} | {licence} | {size:.1f} |")
    return "\n".join([*rows, f"| all {len(names)} | | | {total:.0f} |"])


def megabytes(package: Distribution) -> float:
    """Size in MB of all files that a package installed, without compiled bytecode."""
    paths = [Path(str(file.locate())) for file in package.files or () if file.suffix != ".pyc"]
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6


if __name__ == "__main__":
    main()
