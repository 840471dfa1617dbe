"""napari's reader: files and DICOM folders come in through `formats`, geometry and all.

napari asks this for every path of a kind it lists, so what is not ours is refused at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from napari_medsam.formats.dicom import stacks_in
from napari_medsam.formats.images import SUFFIXES, read_image, suffix_of
from napari_medsam.ui.images import LayerData, image_layer_data

MOST_LOOKED_AT = 200
"""Files of a folder whose first bytes are looked at, before it is said to hold no DICOM."""

Read = Callable[[str | Sequence[str]], list[LayerData]]


def get_reader(path: str | Sequence[str]) -> Read | None:
    """Return `read`, or None where a path is nothing that we read."""
    paths = [path] if isinstance(path, str) else list(path)
    return read if paths and all(_is_ours(Path(p)) for p in paths) else None


def read(path: str | Sequence[str]) -> list[LayerData]:
    """One image layer a path; a folder with several DICOM series gives one layer each."""
    paths = [path] if isinstance(path, str) else list(path)
    return [layer for p in paths for layer in _layers(Path(p))]


def _layers(path: Path) -> list[LayerData]:
    if not path.is_dir():
        return [image_layer_data(read_image(path))]
    series = [stack.uid for stack in stacks_in(path)]
    return [image_layer_data(read_image(path, series=uid)) for uid in series]


def _is_ours(path: Path) -> bool:
    if path.is_dir():
        files = (p for p in sorted(path.rglob("*")) if p.is_file())
        return any(_is_dicom(p) for p, _ in zip(files, range(MOST_LOOKED_AT), strict=False))
    return suffix_of(path) in SUFFIXES


def _is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM part 10 does: 128 bytes, then DICM."""
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False
