"""Write docs/dependencies.md: what is installed with the program, under which licence, how large.

    python docs/make_dependencies.py

Run it in the project's environment after a change of constraints.txt;
`tests/project/test_dependencies.py` fails if the page is out of date. Licences are those in each
package's own metadata.
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
HEAD = """\
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
    # What another system or the other Qt binding needs is not installed here.
    tested &= needed(OWN, EXTRAS | {"test"})
    run = needed(OWN, EXTRAS) & tested
    text = f"{HEAD}\n## To run\n\n{table(sorted(run))}\n"
    text += f"\n## Only for the tests\n\n{table(sorted(tested - run))}\n"
    (PROJECT / "docs" / "dependencies.md").write_text(text, encoding="utf-8")


def needed(name: str, extras: frozenset[str]) -> set[str]:
    """Canonical names of all that a package needs here, itself not included."""
    found: set[str] = set()
    waiting, seen = [(name, extras)], set()
    while waiting:
        package, wanted = waiting.pop()
        if (package, wanted) in seen:
            continue
        seen.add((package, wanted))
        for text in _requires(package):
            one = Requirement(text)
            environments = [{"extra": extra} for extra in (wanted or {""})]
            if one.marker is None or any(map(one.marker.evaluate, environments)):
                inner = canonicalize_name(one.name)
                found.add(inner)
                waiting.append((inner, frozenset(one.extras)))
    return found


def _requires(package: str) -> list[str]:
    try:
        return distribution(package).requires or []
    except PackageNotFoundError:  # of an extra that is not installed here
        return []


def table(names: list[str]) -> str:
    rows = ["| package | version | licence | MB |", "|---|---|---|---|"]
    total = 0.0
    for name in names:
        found = distribution(name)
        size = megabytes(found)
        total += size
        licence = licence_of(found.metadata).replace("|", "/")
        rows.append(f"| {name} | {found.version} | {licence} | {size:.1f} |")
    return "\n".join([*rows, f"| all {len(names)} | | | {total:.0f} |"])


def megabytes(found: Distribution) -> float:
    """Of all files a package installed, compiled bytecode left out."""
    paths = [Path(str(file.locate())) for file in found.files or () if file.suffix != ".pyc"]
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6


if __name__ == "__main__":
    main()
