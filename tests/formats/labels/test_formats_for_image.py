"""Which formats the save dialog offers for an image, and what a typed name means."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_medsam.formats.common import optional_libraries
from napari_medsam.formats.common.grid import Geometry, Kind, SourceGrid
from napari_medsam.formats.labels.formats_for_image import (
    export_formats_for,
    proposed_suffix,
    with_export_suffix,
)
from napari_medsam.formats.labels.label_formats import (
    BY_SUFFIX,
    COCO,
    DICOM_SEG,
    NIFTI,
    RTSTRUCT,
    SEG_NRRD,
    LabelFormat,
)


def grid(kind: Kind, slices: int, ndim: int = 3) -> SourceGrid:
    geometry = Geometry((slices, 5, 6), (1, 1, 1), (0, 0, 0), np.eye(3))
    return SourceGrid(
        kind, Path("source"), geometry, 2 if ndim == 2 else 3, frame_of_reference="1.2.3"
    )


def suffixes(found: SourceGrid) -> set[str]:
    return {suffix for one in export_formats_for(found) for suffix in one.suffixes}


def test_every_format_is_offered_for_some_image() -> None:
    pytest.importorskip("highdicom", reason="needs the extra [dicom]")
    offered = suffixes(grid("dicom", 9)) | suffixes(grid("picture", 1, 2))
    assert offered == set(BY_SUFFIX)


def test_series_can_be_saved_as_dicom_and_a_nifti_cannot() -> None:
    pytest.importorskip("highdicom", reason="needs the extra [dicom]")
    assert {DICOM_SEG, RTSTRUCT} <= set(export_formats_for(grid("dicom", 9)))
    assert not {DICOM_SEG, RTSTRUCT} & set(export_formats_for(grid("nifti", 9)))


def test_without_the_extra_dicom_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(optional_libraries, "import_module", missing)
    assert DICOM_SEG not in export_formats_for(grid("dicom", 9))


def test_picture_is_proposed_as_png_and_a_volume_as_nifti() -> None:
    assert proposed_suffix(grid("picture", 1, 2)) == ".png"
    assert proposed_suffix(grid("dicom", 9)) == ".nii.gz"
    assert COCO not in export_formats_for(grid("picture", 4))


def test_slicer_segmentation_is_for_volumes() -> None:
    assert SEG_NRRD not in export_formats_for(grid("picture", 1, 2))
    assert SEG_NRRD in export_formats_for(grid("picture", 4))


def test_series_without_a_frame_of_reference_is_not_offered_as_dicom() -> None:
    nowhere = replace(grid("dicom", 9), frame_of_reference="")
    assert DICOM_SEG not in export_formats_for(nowhere)


@pytest.mark.parametrize(
    ("name", "chosen", "expected"),
    [
        ("a_labels.nii.gz", DICOM_SEG, "a_labels.seg.dcm"),
        ("a_labels.nii", NIFTI, "a_labels.nii"),
        ("mine", RTSTRUCT, "mine.rtstruct.dcm"),
        ("mine.v2", NIFTI, "mine.v2.nii.gz"),
        ("mine.nrrd", NIFTI, "mine.nrrd"),
        ("mine.nrrd", None, "mine.nrrd"),
    ],
)
def test_ending_is_what_the_user_meant(
    name: str, chosen: LabelFormat | None, expected: str
) -> None:
    assert with_export_suffix(Path(name), chosen, ".nii.gz").name == expected
