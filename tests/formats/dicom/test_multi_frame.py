"""Files of many slices, and DICOM SEG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_medsam.formats.common.errors import ReadError, SeveralFrames
from napari_medsam.formats.dicom.header.dose_grid import RT_DOSE
from napari_medsam.formats.dicom.header.siemens_mosaic import untiled
from napari_medsam.formats.images.read import describe_image_file, read_image
from napari_medsam.formats.labels.read import read_label_file
from tests.formats.dicom_objects import enhanced, image_object, save

RNG = np.random.default_rng(20)


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


SIZES = RNG.integers(-500, 500, (6, 5, 4)).astype(np.int16)


def test_frames_in_any_order_lie_where_highdicom_puts_them(tmp_path: Path) -> None:
    highdicom = pytest.importorskip("highdicom", reason="needs the extra [dicom]")
    path = save(enhanced(SIZES, (4, 0, 5, 2, 1, 3), (2.0,) * 6), tmp_path / "a.dcm")
    image = read_image(path)
    np.testing.assert_array_equal(image.volume.voxels, SIZES * 2.0 - 5)
    theirs = highdicom.imread(path).get_volume(apply_real_world_transform=False)
    corners = [theirs.affine @ [k, 0, 0, 1] for k in (0, 5)]
    ours = image.grid.geometry.affine
    found = [ours @ [0, 0, k, 1] for k in (0, 5)]
    assert sorted(c[2] for c in corners) == pytest.approx(sorted(f[2] for f in found))
    at = {round(float(c[2]), 3): theirs.array[k] for k, c in zip((0, 5), corners, strict=True)}
    for k, place in zip((0, 5), found, strict=True):
        np.testing.assert_allclose(at[round(float(place[2]), 3)], image.volume.voxels[k])


def test_position_shared_by_all_groups_is_that_of_every_frame(tmp_path: Path) -> None:
    made = enhanced(SIZES[:1], (0,), (1.0,))
    (frame,) = made.PerFrameFunctionalGroupsSequence
    shared = made.SharedFunctionalGroupsSequence[0]
    frame.PlanePositionSequence[0].ImagePositionPatient = [1, 2, 3]
    shared.PlanePositionSequence = frame.PlanePositionSequence
    del frame.PlanePositionSequence
    image = read_image(save(made, tmp_path / "a.dcm"))
    assert image.volume.origin_xyz == pytest.approx((1, 2, 3))


def test_frames_without_a_position_are_not_stacked(tmp_path: Path) -> None:
    made = enhanced(SIZES[:3], (0, 1, 2), (1.0, 2.0, 3.0))
    for frame in made.PerFrameFunctionalGroupsSequence:
        del frame.PlanePositionSequence
    path = save(made, tmp_path / "a.dcm")
    (described,) = describe_image_file(path)
    assert (described.n_frames, described.size_xyz[2]) == (3, 1)
    assert any("opened as pictures" in note for note in described.notes)
    np.testing.assert_array_equal(read_image(path, frame=1).volume.voxels[0], SIZES[1] * 2.0 - 5)


def test_frames_of_one_place_for_all_are_pictures_and_none_is_lost(tmp_path: Path) -> None:
    made = enhanced(SIZES[:3], (0, 1, 2), (1.0,) * 3)
    (first, *_) = made.PerFrameFunctionalGroupsSequence
    made.SharedFunctionalGroupsSequence[0].PlanePositionSequence = first.PlanePositionSequence
    del made.PerFrameFunctionalGroupsSequence
    (described,) = describe_image_file(save(made, tmp_path / "a.dcm"))
    assert (described.n_frames, described.size_xyz[2]) == (3, 1)
    assert any("opened as pictures" in note for note in described.notes)


@pytest.mark.parametrize("n_described", [2, 4])
def test_groups_for_another_number_of_frames_are_refused(n_described: int, tmp_path: Path) -> None:
    made = enhanced(SIZES[:4], (0, 1, 2, 3), (1.0,) * 4)
    del made.PerFrameFunctionalGroupsSequence[n_described:]
    made.NumberOfFrames, made.PixelData = 3, SIZES[:3].tobytes()
    with pytest.raises(ReadError, match=f"states 3 frames and describes {n_described}"):
        read_image(save(made, tmp_path / "a.dcm"))


@pytest.mark.parametrize("start", [0.0, -40.0])
@pytest.mark.parametrize("step", [2.5, -2.5])
def test_planes_of_a_dose_lie_at_their_offsets(start: float, step: float, tmp_path: Path) -> None:
    dose = RNG.integers(1, 2**31, (4, 6, 5)).astype(np.uint32)
    fields = {"Modality": "RTDOSE", "DoseGridScaling": "1e-6", "DoseUnits": "GY"}
    offsets = [start + step * k for k in range(4)]
    made = image_object(
        dose, (1, 2, -40), sop_class=RT_DOSE, NumberOfFrames=4, GridFrameOffsetVector=offsets
    )
    for name, value in fields.items():
        setattr(made, name, value)
    image = read_image(save(made, tmp_path / "a.dcm"))
    assert image.volume.origin_xyz == pytest.approx((1, 2, min(-40, -40 + 3 * step)))
    assert image.volume.spacing_xyz == pytest.approx((0.7, 0.9, 2.5))
    planes = dose if step > 0 else dose[::-1]
    np.testing.assert_allclose(image.volume.voxels, planes * 1e-6, rtol=1e-6)
    assert image.unit == "Gy"


def test_dose_without_offsets_is_said_to_be_pictures(tmp_path: Path) -> None:
    made = image_object(
        np.ones((3, 6, 5), np.uint32), sop_class=RT_DOSE, Modality="RTDOSE", NumberOfFrames=3
    )
    (described,) = describe_image_file(save(made, tmp_path / "a.dcm"))
    assert described.n_frames == 3
    assert any("opened as pictures" in note for note in described.notes)


def concatenation(folder: Path, parts: list[list[int]]) -> list[Path]:
    """One multi-frame image of `SIZES`, cut into files that hold these slices."""
    paths = []
    for n, order in enumerate(parts):
        made = enhanced(SIZES, order, (1.0,) * 6)
        made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{n}"
        made.ConcatenationUID, made.SOPInstanceUIDOfConcatenationSource = "1.2.4", "1.2.5"
        made.InConcatenationNumber, made.InConcatenationTotalNumber = n + 1, len(parts)
        made.ConcatenationFrameOffsetNumber = sum(len(part) for part in parts[:n])
        paths.append(save(made, folder / f"{9 - n}.dcm"))
    return paths


def test_files_of_a_concatenation_are_one_volume(tmp_path: Path) -> None:
    concatenation(tmp_path, [[4, 1], [0, 5], [2, 3]])
    image = read_image(tmp_path)
    np.testing.assert_array_equal(image.volume.voxels, SIZES - 5)
    assert image.notes == ()


def test_missing_file_of_a_concatenation_is_said(tmp_path: Path) -> None:
    concatenation(tmp_path, [[0, 1], [2, 3], [4, 5]])[2].unlink()
    image = read_image(tmp_path)
    assert image.volume.shape_zyx[0] == 4
    assert any("number 3 is missing" in note for note in image.notes)
