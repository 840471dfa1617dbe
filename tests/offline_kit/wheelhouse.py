"""A tiny wheelhouse: wheels that hold only a name, a version and requirements."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from packaging.requirements import Requirement

from napari_medsam.offline_kit.platforms import Target
from napari_medsam.offline_kit.resolve_wheels import Fetch

LINUX, WINDOWS = Target("linux_x86_64", "3.11"), Target("win_amd64", "3.11")


def write_wheel(folder: Path, name: str, version: str = "1.0", needs: Sequence[str] = ()) -> Path:
    """A wheel pip accepts."""
    stem = f"{name.replace('-', '_')}-{version}"
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nLicense: MIT\n"
    about += "".join(f"Requires-Dist: {one}\n" for one in needs)
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{stem}.dist-info/METADATA", about)
        archive.writestr(
            f"{stem}.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(f"{stem}.dist-info/RECORD", "")
    return path


def oldest(requirement: str) -> tuple[str, str]:
    """A name and a version that fits: the lower bound, or 1.0."""
    one = Requirement(requirement)
    bounds = [spec.version for spec in one.specifier if spec.operator in (">=", "==", "~=")]
    return one.name, max(bounds, default="1.0")


class Wheelhouse:
    """Stands for pip: gives whatever is asked for, and notes for whom."""

    def __init__(self, needs: dict[str, Sequence[str]] | None = None) -> None:
        self.needs = needs or {}
        self.asked: list[list[str]] = []

    def fetcher(self, target: Target, constraints: Path) -> Fetch:
        assert "napari==" in constraints.read_text()

        def fetch(wanted: list[str], into: Path) -> Iterable[Path]:
            self.asked.append(wanted)
            for requirement in wanted:
                name, version = oldest(requirement)
                yield write_wheel(into, name, version, self.needs.get(name, ()))

        return fetch


MakeKit = Callable[..., Path]
