"""napari's reader: opens image files, label files and DICOM folders through `formats`.

napari calls it for every path that matches its patterns, so other files are refused at once.
A label file is opened on the image that is open in the dock; without one it becomes a separate
labels layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari.utils.notifications import show_warning
from npe2 import PluginManager

from napari_medsam.formats.common.errors import ReadError
from napari_medsam.formats.dicom.header.file_validity import could_be_dicom, is_dicom
from napari_medsam.formats.images.read import SUFFIXES, suffix_of
from napari_medsam.formats.labels.label_formats import COCO
from napari_medsam.formats.labels.read import is_label_file, read_labels_without_image
from napari_medsam.ui.actions.open_images import NothingChosen, open_images
from napari_medsam.ui.layers.image_layer import LayerData, image_layer_data, labels_layer_data
from napari_medsam.ui.plugin.current_dock import PLUGIN, current_controller
from napari_medsam.ui.widgets.open_dialogs import current_chooser

MOST_LOOKED_AT = 200
"""Files of a folder whose first bytes are read before it counts as a folder without DICOM."""

NAPARI = "napari"
READ_BY_NAPARI = frozenset(suffix for suffix, kind in SUFFIXES.items() if kind == "picture") | {
    *(".gif", ".webp", ".lsm", ".npy", ".csv", ".zarr"),
}
"""Endings of files that napari's own reader opens, also all those of a folder together."""
NO_LAYER: list[Any] = [(None,)]
"""The return value by which napari knows that a file was read but adds no layer."""

Read = Callable[[str | Sequence[str]], list[LayerData]]


def get_reader(path: str | Sequence[str]) -> Read | None:
    """Return `read`, or None if a path is of another kind.

    If no other plugin takes the path, or only napari itself takes a folder without a file that it
    reads, and a dock is open, `read` shows there why it was not opened; napari would show a
    traceback.
    """
    paths = [path] if isinstance(path, str) else list(path)
    if paths and all(_is_ours(Path(p)) for p in paths):
        return read
    if current_controller() is None:
        return None
    others = _other_plugins(paths)
    fails_there = others <= {NAPARI} and bool(paths) and all(_fails_in_napari(p) for p in paths)
    return read if not others or fails_there else None


def read(path: str | Sequence[str]) -> list[LayerData]:
    """The layers of each path; none if the user chose none, or labels were opened on an image.

    Errors are shown in the dock if one is open: napari would truncate the sentence and offer a
    traceback.

    Raises
    ------
    ReadError
        If no dock is open.
    """
    paths = [path] if isinstance(path, str) else list(path)
    return [layer for p in paths for layer in _layers_or_report(Path(p))] or NO_LAYER


def _layers_or_report(path: Path) -> list[LayerData]:
    controller = current_controller()
    try:
        return _layers(path)
    except ReadError as error:
        if controller is None:
            raise
        controller.show_message(str(error), is_problem=True)
        return []


def _layers(path: Path) -> list[LayerData]:
    if is_label_file(path):
        return _labels(path)
    try:
        return [image_layer_data(image) for image in open_images(path, current_chooser())]
    except NothingChosen:
        return []


def _labels(path: Path) -> list[LayerData]:
    controller = current_controller()
    if controller is not None and controller.case is not None:
        controller.label_files.open(path)
        return []
    file, grid = read_labels_without_image(path)
    if file.notes:
        show_warning(" ".join(file.notes))
    return [labels_layer_data(file, grid, path.name)]


def _is_ours(path: Path) -> bool:
    if path.is_dir():
        files = (p for p in sorted(path.rglob("*")) if could_be_dicom(p) and p.is_file())
        return any(_is_dicom(p) for p, _ in zip(files, range(MOST_LOOKED_AT), strict=False))
    if path.exists() and not path.is_file():  # a pipe or a device
        return False
    if suffix_of(path) in COCO.suffixes:
        return is_label_file(path)
    return suffix_of(path) in SUFFIXES or _is_dicom(path)


def _other_plugins(paths: Sequence[str]) -> set[str]:
    """The plugins whose patterns fit; ours has a star, so it is asked about every file."""
    manager = PluginManager.instance()
    readers = (reader for p in paths for reader in manager.iter_compatible_readers([p]))
    return {reader.plugin_name for reader in readers} - {PLUGIN}


def _fails_in_napari(path: str) -> bool:
    """Whether a path is a folder in which napari itself would find nothing that it reads."""
    try:
        return Path(path).is_dir() and not any(
            suffix_of(file) in READ_BY_NAPARI for file in Path(path).iterdir()
        )
    except OSError:
        return False


def _is_dicom(path: Path) -> bool:
    """By the mark only: napari asks about every file there is."""
    try:
        return is_dicom(path, only_marked=True)
    except OSError:
        return False
