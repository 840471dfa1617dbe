"""Takes each image of a series once, however many files hold it.

Two files are one image if they state one SOPInstanceUID (PS3.3 C.12.1.1.1) and one place; without
a UID (blanked by an anonymiser) if all their bytes are the same. An identifier that many different
slices share, as some anonymisers leave it, makes no copies of them.
"""

from __future__ import annotations

import filecmp
from collections.abc import Hashable, Sequence
from pathlib import Path

from napari_medsam.formats.dicom.header.slice_header import SliceHeader


def without_copies(headers: Sequence[SliceHeader]) -> tuple[list[SliceHeader], tuple[str, ...]]:
    """The slices without copies, in their order, and a note if copies differ in their bytes."""
    known: dict[Hashable, list[SliceHeader]] = {}
    compared: dict[tuple[Path, Path], bool] = {}
    differing: set[Path] = set()
    for header in headers:
        twins = known.setdefault(_identity(header), [])
        equal = any(_same_bytes(header.path, twin.path, compared) for twin in twins)
        if header.instance_uid and twins and not equal:
            differing.add(header.path)
            twins[0] = max(twins[0], header, key=_weight)
        elif not equal:
            twins.append(header)
    left = {id(header) for twins in known.values() for header in twins}
    kept = [header for header in headers if id(header) in left]
    if not differing:
        return kept, ()
    images = f"{len(differing)} images are" if len(differing) > 1 else "1 image is"
    return kept, (
        f"{images} there twice under one identifier, in files that differ; the larger file is "
        f"used.",
    )


def _identity(header: SliceHeader) -> Hashable:
    position = () if header.position is None else tuple(header.position.round(2).tolist())
    return (
        header.instance_uid,
        header.frame,
        position,
        header.instance_number,
        header.kind,
        header.distinctions,
    )


def _same_bytes(path: Path, other: Path, compared: dict[tuple[Path, Path], bool]) -> bool:
    if (path, other) not in compared:
        compared[path, other] = filecmp.cmp(path, other, shallow=False)
    return compared[path, other]


def _weight(header: SliceHeader) -> tuple[bool, int, bytes]:
    """Whole before damaged, then large before small; of equal size, by the bytes themselves."""
    content = header.path.read_bytes()
    return not header.damaged, len(content), content
