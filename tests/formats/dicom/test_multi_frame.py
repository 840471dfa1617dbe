"""Files of many slices, and DICOM SEG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_medsam.formats.common.errors import ReadError, SeveralFrames
from napari_medsam.formats.dicom.siemens_mosaic import untiled
from napari_medsam.formats.images.read import read_image
from napari_medsam.formats.labels.read import read_label_file


@pytest.fixture
def readers(shared_dir: Path) -> Path:
    return shared_dir / "data" / "readers"


def test_mosaic_is_cut_into_its_tiles() -> None:
    tiles = np.arange(5 * 2 * 3).reshape(5, 2, 3)
    mosaic = np.zeros((6, 9), dtype=int)
    for n, tile in enumerate(tiles):
        row, column = divmod(n, 3)
        mosaic[row * 2 : row * 2 + 2, column * 3 : column * 3 + 3] = tile
    np.testing.assert_array_equal(untiled(mosaic, 5), tiles)


@pytest.mark.parametrize(
    ("name", "shape", "spacing"),
    [
        ("dicom_mr_enhanced/6_1.dcm", (6, 64, 64), (3.375, 3.375, 2.4)),
        ("dicom_rt_seg_misc/mf.dcm", (3, 38, 24), (0.7, 0.7, 2.5)),
        ("dicom_variants_pydicom/eCT_Supplemental.dcm", (2, 512, 512), (0.3887, 0.3887, 10)),
        ("dicom_mr_siemens_mosaic/epi_pe_ap-00001.dcm", (5, 72, 72), (3, 3, 12)),
        ("dicom_variants_pydicom/parametric_map_float.dcm", (1, 128, 128), (0.661, 0.661, 5)),
    ],
)
def test_frames_are_placed_as_slices(
    readers: Path, name: str, shape: tuple[int, ...], spacing: tuple[float, ...]
) -> None:
    volume = read_image(readers / name).volume
    assert volume.shape_zyx == shape
    assert volume.spacing_xyz == pytest.approx(spacing, rel=2e-3)


def test_magnitude_and_field_map_are_two_volumes_with_their_own_scale(readers: Path) -> None:
    path = readers / "dicom_mr_enhanced" / "IM_0027_fMAP.dcm"
    with pytest.raises(SeveralFrames, match="2 volumes"):
        read_image(path)
    volumes = [read_image(path, frame=n).volume for n in (0, 1)]
    assert [v.shape_zyx for v in volumes] == [(32, 64, 64)] * 2
    assert volumes[0].voxels.max() > 1000


def test_segmentation_is_not_an_image(readers: Path) -> None:
    with pytest.raises(ReadError, match="open its image first"):
        read_image(readers / "dicom_variants_pydicom" / "liver.dcm")


def test_liver_segmentation_lies_on_its_ct(readers: Path, shared_dir: Path) -> None:
    """The same liver is given as NRRD labels beside the CT."""
    folder = shared_dir / "data" / "native" / "ct_dicom_dcmqi"
    image = read_image(folder)
    as_nrrd = read_label_file(folder / "liver_seg.nrrd", image.grid).labels > 0
    file = read_label_file(readers / "dicom_variants_pydicom" / "liver.dcm", image.grid)
    np.testing.assert_array_equal(file.labels > 0, as_nrrd)
    assert [one.name.lower() for one in file.table] == ["liver"]


def test_overlapping_segments_are_told(readers: Path, shared_dir: Path) -> None:
    image = read_image(shared_dir / "data" / "native" / "ct_dicom_dcmqi")
    path = readers / "dicom_rt_seg_misc" / "partial_overlaps.dcm"
    file = read_label_file(path, image.grid)
    assert any("belong to several segments" in note for note in file.notes)


def test_segmentation_of_another_image_is_refused(readers: Path, shared_dir: Path) -> None:
    image = read_image(shared_dir / "data" / "native" / "ct_dicom_totalseg")
    with pytest.raises(ReadError, match="another grid"):
        read_label_file(readers / "dicom_variants_pydicom" / "liver.dcm", image.grid)
