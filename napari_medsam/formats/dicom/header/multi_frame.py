"""Reads files that hold many slices: enhanced multi-frame files, nuclear medicine, mosaics.

Every frame becomes a `SliceHeader` of its own, placed by its functional groups (DICOM PS3.3
C.7.6.16), so that frames are sorted, checked for gaps and stacked like single files.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import Dataset

from napari_medsam.formats.common.errors import ReadError, damage_as
from napari_medsam.formats.dicom.header.dataset import (
    DICOM_DAMAGE,
    Lookup,
    lookup_in,
    quiet_pydicom,
    read_dataset,
    tag_of,
)
from napari_medsam.formats.dicom.header.dose_grid import RT_DOSE, dose_planes
from napari_medsam.formats.dicom.header.nuclear_medicine import NM_IMAGE, reconstructed_slices
from napari_medsam.formats.dicom.header.siemens_mosaic import mosaic_slices
from napari_medsam.formats.dicom.header.slice_header import SliceHeader, fields_of_frame

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
"""SOP class of DICOM SEG (PS3.6 annex A): a frame shows one segment."""
LABELMAP_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.7"
"""SOP class of Label Map Segmentation (Supplement 243): pixels are segment numbers."""
SEGMENTATIONS = frozenset((SEGMENTATION, LABELMAP_SEGMENTATION))

FrameField = Callable[[str, str], Any]
"""Looks a field up by sequence and name: in the frame's own groups, then in the shared ones."""


def frames_of(path: Path, header: SliceHeader | None) -> list[SliceHeader]:
    """The slices of a file: several if its frames have places, else the header as it is."""
    if header is None:
        return []
    mosaic = "MOSAIC" in header.image_type
    if not (mosaic or header.has_frame_groups or header.sop_class in (NM_IMAGE, RT_DOSE)):
        return [header]
    with quiet_pydicom():
        dataset = read_dataset(path)
        if header.sop_class == NM_IMAGE:
            return reconstructed_slices(dataset, header)
        if header.sop_class == RT_DOSE:
            return dose_planes(dataset, header)
        if mosaic:
            return mosaic_slices(dataset, header)
        with damage_as(f"{path.name} has damaged functional groups."):
            groups = dataset.get("PerFrameFunctionalGroupsSequence") or ()
            shared = (dataset.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
            common, n_described = _places((*_items(shared), dataset)), len(groups)
            frames = [
                _frame(_lookup(_places(_items(group)), common), header, number)
                for number, group in enumerate(groups or [Dataset()])
            ]
        if n_described not in (0, header.frames) and header.sop_class not in SEGMENTATIONS:
            raise ReadError(
                f"{path.name} is damaged: it states {header.frames} frames and describes "
                f"{n_described}."
            )
        # A place that all frames share, as without groups of their own, is none (slides, films).
        own = n_described and any(frame.position is not None for frame in frames)
        is_film = header.frames > 1 and not own
        return [_film(frames, header)] if is_film else frames


def sop_class(path: Path) -> str:
    """The UID of a file's SOP class, "" if it states none."""
    with quiet_pydicom():
        return str(read_dataset(path).get("SOPClassUID", ""))


def stored_frames(path: Path) -> NDArray[Any]:
    """Pixels as stored, before any rescale: (frames, rows, columns[, 3])."""
    with quiet_pydicom():
        dataset = read_dataset(path, pixels=True)
        with damage_as(
            f"The pixels of {path.name} cannot be decoded: they are damaged, or their "
            f"compression needs a decoder of the extra [dicom].",
            DICOM_DAMAGE,
        ):
            array = np.asarray(dataset.pixel_array)
    return array if array.ndim > 2 and int(dataset.get("NumberOfFrames") or 1) > 1 else array[None]


def frame_fields(dataset: Any) -> Iterator[FrameField]:
    """A function for each frame that finds fields of its functional groups."""
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [{}])[0]
    for group in dataset.PerFrameFunctionalGroupsSequence:

        def value(sequence: str, name: str, group: Any = group) -> Any:
            for place in (group, shared):
                if sequence in place and name in place[sequence][0]:
                    return place[sequence][0][name].value
            return None

        yield value


def _frame(value: Lookup, header: SliceHeader, number: int) -> SliceHeader:
    """The slice of a frame: what its groups state, else the shared ones, else the data set."""
    return replace(
        header,
        instance_number=header.instance_number * 100_000 + header.first_frame + number,
        frame=number,
        **fields_of_frame(value),
    )


def _film(frames: list[SliceHeader], header: SliceHeader) -> SliceHeader:
    """Frames without a place, as a film; its pixels have a size if all frames have the same."""
    same = len({frame.pixel_spacing for frame in frames}) == 1
    note = frames[0].size_note
    if not same:
        note = "The frames have different pixel sizes, so lengths are given in pixels."
    if header.modality in ("CT", "MR", "PET"):
        note += " The frames state no place, so they are opened as pictures."
    return replace(
        frames[0],
        frame=None,
        position=None,
        row=None,
        column=None,
        instance_number=header.instance_number,
        pixel_spacing=frames[0].pixel_spacing if same else None,
        size_note=note.strip(),
    )


def _places(items: Iterable[Any]) -> dict[int, list[Any]]:
    """The data sets that have a tag, by tag: a file may have thousands of frames."""
    places: dict[int, list[Any]] = defaultdict(list)
    for item in items:
        for tag in list(item.keys()):
            places[tag].append(item)
    return places


def _lookup(own: dict[int, list[Any]], common: dict[int, list[Any]]) -> Lookup:
    """Finds a field in the items of a frame's groups, of the shared groups, in the data set."""

    def lookup(keyword: str) -> Any:
        tag = tag_of(keyword)
        return lookup_in(*own.get(tag, ()), *common.get(tag, ()))(keyword)

    return lookup


def _items(group: Any, depth: int = 3) -> Iterator[Any]:
    """The data sets in the standard sequences of a functional group, and in those in turn."""
    for tag in list(group.keys()):
        if not dictionary_has_tag(tag) or dictionary_VR(tag) != "SQ":
            continue
        for item in group[tag].value or () if depth else ():
            yield item
            yield from _items(item, depth - 1)
