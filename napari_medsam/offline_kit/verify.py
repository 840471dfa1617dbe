"""Verify a kit: every file is unchanged, and no target lacks a wheel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from napari_medsam.offline_kit.build import ABOUT, WHEELS
from napari_medsam.offline_kit.checksums import differences
from napari_medsam.offline_kit.platforms import Target
from napari_medsam.offline_kit.resolve_wheels import lacking
from napari_medsam.offline_kit.wheel_file import WheelFile, read_wheel
from napari_medsam.storage.hashing import file_sha256
from napari_medsam.storage.json_file import read_json

OWN = "napari-medsam"
MOST_BYTES = 2**22


@dataclass(frozen=True)
class VerifiedKit:
    """A complete kit: its targets, its models, and the number of wheels and bytes."""

    targets: tuple[Target, ...]
    models: tuple[str, ...]
    n_wheels: int
    n_bytes: int


def verify_kit(folder: Path) -> VerifiedKit:
    """Compare every file's SHA-256, then check that each target's wheels need nothing else.

    Raises
    ------
    ValueError
        If the kit is incomplete or changed; the message names the first problems.
    """
    wrong = differences(folder)
    if wrong:
        raise ValueError(f"The kit in {folder} was changed after it was built: {_first(wrong)}.")
    about = read_json(folder / ABOUT, MOST_BYTES)
    targets, models, qt = _parsed(folder, about)
    wheels = [read_wheel(path) for path in sorted((folder / WHEELS).glob("*.whl"))]
    by_hash = {file_sha256(wheel.path): wheel for wheel in wheels}
    for target in targets:
        gaps = _gaps(folder / f"requirements-{target}.txt", by_hash, target, qt)
        if gaps:
            raise ValueError(f"The kit in {folder} lacks for {target}: {_first(gaps)}.")
    n_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return VerifiedKit(targets, models, len(wheels), n_bytes)


def _parsed(folder: Path, about: Any) -> tuple[tuple[Target, ...], tuple[str, ...], str]:
    try:
        targets = tuple(Target(target["platform"], target["python"]) for target in about["targets"])
        return targets, tuple(map(str, about["models"])), str(about["qt"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{folder / ABOUT} was not written by this version.") from error


def _gaps(listed: Path, by_hash: dict[str, WheelFile], target: Target, qt: str) -> list[str]:
    found: dict[str, WheelFile] = {}
    for line in listed.read_text(encoding="utf-8").splitlines():
        wheel = by_hash.get(line.rpartition("sha256:")[2])
        if wheel is None:
            return [f"the wheel of {line.partition(' ')[0]}"]
        found[wheel.name] = wheel
    if OWN not in found:
        return ["the program itself"]
    missing, unfit = lacking(found, OWN, frozenset((qt, "dicom")), target)
    return [canonicalize_name(requirement.name) for requirement in missing] + unfit


def _first(sentences: list[str]) -> str:
    more = f" (and {len(sentences) - 3} more)" if len(sentences) > 3 else ""
    return "; ".join(sentences[:3]) + more
