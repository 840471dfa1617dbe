from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from napari_medsam.formats.common.errors import ReadError, SeveralFrames, SeveralSeries
from napari_medsam.formats.images.read import describe_image_file, read_image
from napari_medsam.formats.labels.write import write_labels
from tests.formats.dicom_files import SERIES, parsed_headers, write_series, write_slice
from tests.formats.grids import SIGNED_ORDERS, axis_matrix

VOLUME = np.arange(6 * 5 * 4, dtype=np.int16).reshape(6, 5, 4) - 40


def test_slices_are_sorted_by_position_not_by_name(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", VOLUME)
    image = read_image(tmp_path / "ct")
    np.testing.assert_array_equal(image.volume.voxels, VOLUME)
    assert image.volume.spacing_xyz == pytest.approx((0.7, 0.9, 2.5))
    assert image.volume.origin_xyz == pytest.approx((-30, 12, 50))
    assert image.volume.modality == "CT"
    assert image.notes == ()


@pytest.mark.parametrize(
    ("order", "signs"),
    [
        (order, signs)
        for order, signs in SIGNED_ORDERS
        if np.linalg.det(axis_matrix(order, signs)) > 0
    ],
)
def test_labels_of_every_slice_orientation_lie_where_the_mark_is(
    order: tuple[int, ...], signs: tuple[int, ...], tmp_path: Path
) -> None:
    """All 24 right-handed orders (the slice normal is the cross product), tilted a little."""
    tilt = Rotation.from_euler("xyz", (7, -4, 3), degrees=True).as_matrix()
    direction = tilt @ axis_matrix(order, signs)
    volume = np.zeros((6, 5, 4), dtype=np.int16)
    volume[4, 1, 3] = 1000
    write_series(tmp_path / "ct", volume, direction=direction)
    true_mm = np.array([-30, 12, 50]) + direction @ [3 * 0.7, 1 * 0.9, 4 * 2.5]
    image = read_image(tmp_path / "ct")
    for suffix in (".nii.gz", ".nrrd"):
        target = tmp_path / f"labels{suffix}"
        write_labels(target, (image.volume.voxels == 1000).astype(int), image.grid)
        saved = sitk.ReadImage(str(target))
        (index,) = np.argwhere(sitk.GetArrayFromImage(saved))
        found = saved.TransformIndexToPhysicalPoint([int(n) for n in index[::-1]])
        np.testing.assert_allclose(found, true_mm, atol=1e-3)
        assert saved.GetSize() == (4, 5, 6)


def test_patient_name_appears_nowhere(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", VOLUME)
    image = read_image(tmp_path / "ct")
    (described,) = describe_image_file(tmp_path / "ct")
    write_labels(tmp_path / "labels.nrrd", np.ones((6, 5, 4), int), image.grid)
    assert "DOE" not in f"{image} {described}"
    assert b"DOE" not in (tmp_path / "labels.nrrd").read_bytes()


def test_missing_slice_is_told_and_leaves_its_place_empty(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", VOLUME, places=[0, 1, 2, 4, 5, 6])
    image = read_image(tmp_path / "ct")
    assert image.volume.shape_zyx == (7, 5, 4)
    np.testing.assert_array_equal(image.volume.voxels[[0, 1, 2, 4, 5, 6]], VOLUME)
    assert np.all(image.volume.voxels[3] == VOLUME.min())
    assert any("1 of 7 slices are missing (slice 3, c" in note for note in image.notes)
    assert image.volume.empty == {("z", 3)}
    assert image.volume.spacing_xyz[2] == pytest.approx(2.5)


@pytest.mark.parametrize("flipped", [False, True])
def test_missing_slice_is_named_as_the_screen_counts_it(flipped: bool, tmp_path: Path) -> None:
    """Of sagittal slices, and of axial ones whose rows run the other way."""
    axial = np.diag([1.0, -1.0, -1.0])
    sagittal = axis_matrix((1, 2, 0), (1, -1, 1))
    volume = np.arange(6, dtype=np.int16)[:, None, None] + np.full((6, 5, 4), 100, np.int16)
    places = [0.0, 1.0, 2.0, 4.0, 5.0, 6.0]
    direction = axial if flipped else sagittal
    write_series(tmp_path, volume, direction=direction, step=direction[:, 2] * 2.5, places=places)
    image = read_image(tmp_path)
    ((axis, index),) = image.volume.empty
    plane = image.volume.slice_pixels(axis, index)
    assert (plane == 100).all()
    beside = {int(image.volume.slice_pixels(axis, index + n)[0, 0]) for n in (-1, 1)}
    assert beside == {102, 103}
    view = "" if flipped else "sagittal "
    assert any(f"({view}slice {index}, counted from 0)" in note for note in image.notes)
    assert axis == ("z" if flipped else "x")


def test_duplicate_slice_is_told_and_used_once(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", VOLUME)
    write_slice(
        tmp_path / "ct" / "again.dcm", VOLUME[2] + 500, np.array([-30, 12, 55.0]), number=99
    )
    image = read_image(tmp_path / "ct")
    np.testing.assert_array_equal(image.volume.voxels, VOLUME)
    assert any("more than one slice" in note for note in image.notes)


def test_slice_distances_that_change_become_two_volumes(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", VOLUME, places=[0, 1, 2, 3.3, 4.6, 5.9])
    with pytest.raises(SeveralSeries) as caught:
        read_image(tmp_path / "ct")
    first = read_image(tmp_path / "ct", series=caught.value.series[0].series)
    assert any("uneven" in note for note in first.notes)
    distances = sorted(d.spacing_xyz[2] for d in caught.value.series)
    assert distances == pytest.approx([2.5, 3.25])


def test_rounded_positions_are_even(tmp_path: Path) -> None:
    volume = np.zeros((40, 3, 2), dtype=np.int16)
    places = [round(k * 0.625, 1) / 2.5 for k in range(40)]
    write_series(tmp_path / "ct", volume, places=places)
    image = read_image(tmp_path / "ct")
    assert image.volume.spacing_xyz[2] == pytest.approx(0.625, rel=1e-2)
    assert image.volume.shape_zyx == (40, 3, 2)


def test_tilted_gantry_keeps_every_slice_at_its_true_place(tmp_path: Path) -> None:
    """Slices are axial but each is shifted along y: a sheared grid."""
    step = np.array([0.0, 2.5 * np.tan(np.radians(15)), 2.5])
    write_series(tmp_path / "ct", VOLUME, step=step)
    image = read_image(tmp_path / "ct")
    assert any("tilted by 15.0 degrees" in note for note in image.notes)
    last = image.grid.lps.affine @ [0, 0, 5, 1]
    np.testing.assert_allclose(last[:3], np.array([-30, 12, 50]) + 5 * step, atol=1e-6)
    saved = write_labels(tmp_path / "l.nrrd", np.ones((6, 5, 4), int), image.grid)
    found = sitk.ReadImage(str(saved.path)).TransformIndexToPhysicalPoint((0, 0, 5))
    np.testing.assert_allclose(found, last[:3], atol=1e-6)


def test_folder_of_several_series_lists_them(tmp_path: Path) -> None:
    write_series(tmp_path / "study" / "a", VOLUME)
    write_series(tmp_path / "study" / "b", VOLUME[:3], series=SERIES + ".2")
    with pytest.raises(SeveralSeries, match="2 series") as caught:
        read_image(tmp_path / "study")
    for uid in (SERIES, SERIES + ".2"):
        assert uid in str(caught.value)
    image = read_image(tmp_path / "study", series=SERIES + ".2")
    np.testing.assert_array_equal(image.volume.voxels, VOLUME[:3])
    assert [d.size_xyz for d in describe_image_file(tmp_path / "study")] == [(4, 5, 6), (4, 5, 3)]


def test_series_is_chosen_by_its_name_if_no_other_has_it(tmp_path: Path) -> None:
    for n, name in enumerate(("thin", "thick", "thick")):
        tags = {"0008|103e": name}
        write_series(tmp_path / str(n), VOLUME[n:], series=f"{SERIES}.{n}", tags=tags)
    assert read_image(tmp_path, series="thin").grid.series == f"{SERIES}.0"
    with pytest.raises(SeveralSeries, match="2 series"):
        read_image(tmp_path, series="thick")


def test_series_without_a_uid_is_chosen_by_its_name(tmp_path: Path) -> None:
    write_series(tmp_path / "a", VOLUME, series="", tags={"0008|103e": "body"})
    write_series(tmp_path / "b", VOLUME[:3])
    image = read_image(tmp_path, series="body")
    np.testing.assert_array_equal(image.volume.voxels, VOLUME)
    with pytest.raises(SeveralSeries, match=r"body \(CT"):
        read_image(tmp_path)


def several_series(path: Path) -> None:
    with pytest.raises(SeveralSeries):
        read_image(path)


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(describe_image_file, id="info"),
        pytest.param(lambda path: describe_image_file(path, series=f"{SERIES}.1"), id="info one"),
        pytest.param(lambda path: read_image(path, series=f"{SERIES}.1"), id="segment --series"),
        pytest.param(several_series, id="no answer"),
    ],
)
def test_each_file_is_parsed_once(
    act: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        write_series(tmp_path / str(n), VOLUME[n:], series=f"{SERIES}.{n}")
    parsed = parsed_headers(monkeypatch)
    act(tmp_path)
    assert sorted(parsed) == sorted(tmp_path.rglob("*.dcm"))


def test_unknown_series_lists_the_known(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", VOLUME)
    with pytest.raises(ReadError, match=f"no series 1.2.3; it has {SERIES}"):
        read_image(tmp_path / "ct", series="1.2.3")


def test_planes_of_a_localizer_are_never_one_volume(tmp_path: Path) -> None:
    for n, (order, signs) in enumerate(
        [((0, 1, 2), (1, 1, 1)), ((0, 2, 1), (1, -1, 1)), ((1, 2, 0), (1, -1, -1))]
    ):
        write_slice(
            tmp_path / f"{n}.dcm",
            VOLUME[0],
            np.zeros(3),
            direction=axis_matrix(order, signs),
            number=n,
            tags={"0008|0008": "ORIGINAL\\PRIMARY\\LOCALIZER"},
        )
    with pytest.raises(SeveralSeries) as caught:
        read_image(tmp_path)
    uids = [d.series for d in caught.value.series]
    assert sorted(uids) == [SERIES, SERIES + "/2", SERIES + "/3"]
    assert all(read_image(tmp_path, series=uid).volume.is_flat for uid in uids)


def test_repeated_places_are_time_points(tmp_path: Path) -> None:
    for t in range(3):
        for k in range(4):
            write_slice(
                tmp_path / f"{t}_{k}.dcm",
                VOLUME[k] + 100 * t,
                np.array([0, 0, 2.5 * k]),
                number=4 * t + k,
            )
    with pytest.raises(SeveralFrames, match="frame 0 to 2"):
        read_image(tmp_path)
    np.testing.assert_array_equal(read_image(tmp_path, frame=2).volume.voxels, VOLUME[:4] + 200)


def test_rescale_of_each_slice_is_applied(tmp_path: Path) -> None:
    """PET scales every slice by its own slope; the writer stores 30, 15 and 10 for 30."""
    for k in range(3):
        write_slice(
            tmp_path / f"{k}.dcm",
            np.full((5, 4), 30, np.int16),
            np.array([0, 0, 2.5 * k]),
            number=k,
            tags={"0028|1053": str(k + 1), "0028|1052": "0", "0008|0060": "PT"},
        )
    image = read_image(tmp_path)
    assert image.volume.voxels[:, 0, 0].tolist() == [30, 30, 30]
    assert image.volume.modality == "PET"


def test_single_slice_lies_at_its_place(tmp_path: Path) -> None:
    write_slice(tmp_path / "one.dcm", VOLUME[0], np.array([1.0, 2.0, 3.0]))
    image = read_image(tmp_path / "one.dcm")
    assert image.volume.is_flat
    assert image.volume.origin_xyz == pytest.approx((1, 2, 3))
    assert image.volume.spacing_xyz == pytest.approx((0.7, 0.9, 2.5))


def test_window_and_body_part_are_taken(tmp_path: Path) -> None:
    tags = {"0028|1050": "40\\-600", "0028|1051": "400\\1500", "0018|0015": "CHEST"}
    write_series(tmp_path / "ct", VOLUME, tags=tags)
    image = read_image(tmp_path / "ct")
    assert image.window == (-160, 240)
    assert image.body_part == "chest"


def test_folder_without_images_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("nothing")
    with pytest.raises(ReadError, match="holds no DICOM images"):
        read_image(tmp_path)


def test_other_files_between_slices_do_no_harm(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", VOLUME)
    (tmp_path / "ct" / "notes.txt").write_text("nothing")
    (tmp_path / "ct" / "DICOMDIR").write_bytes(b"\x00" * 200)
    np.testing.assert_array_equal(read_image(tmp_path / "ct").volume.voxels, VOLUME)
