"""What a save must notice: the written file is tampered with before it is checked."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from numpy.typing import NDArray
from PIL import Image

from napari_medsam.engine.data.labels import Label
from napari_medsam.formats.challenge_npz import boxes_and_labels
from napari_medsam.formats.common.errors import SaveError
from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.formats.images.read import read_image
from napari_medsam.formats.images.write import write_image
from napari_medsam.formats.labels.label_formats import LabelFormat
from napari_medsam.formats.labels.read import read_label_file
from napari_medsam.formats.labels.write import write_labels
from tests.formats.dicom_files import REFERABLE, write_series

SHAPE = (5, 8, 6)
VOLUMES = (".nii.gz", ".nii", ".nrrd", ".mha", ".seg.nrrd")
SERIES = (".seg.dcm", ".labelmap.dcm", ".rtstruct.dcm")
Tamper = Callable[[Path], None]


def drawn(shape: tuple[int, ...] = SHAPE) -> NDArray[np.uint8]:
    labels = np.zeros(shape, np.uint8)
    labels[..., 1:4, 1:3] = 1
    labels[..., 5, 4] = 2
    return labels


def refused(
    image: ImageFile, target: Path, tamper: Tamper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Save after tampering: it raises, the old file stays, and nothing else is left."""
    target.write_bytes(b"the old labels")
    before = sorted(path.name for path in target.parent.iterdir())
    write = LabelFormat.write

    def written_and_changed(self: LabelFormat, path: Path, *rest: Any) -> None:
        write(self, path, *rest)
        tamper(path)

    with monkeypatch.context() as patched:
        patched.setattr(LabelFormat, "write", written_and_changed)
        with pytest.raises(SaveError):
            write_labels(target, drawn(image.volume.shape_zyx), image.grid)
    assert target.read_bytes() == b"the old labels"
    assert sorted(path.name for path in target.parent.iterdir()) == before
    target.unlink()
    assert write_labels(target, drawn(image.volume.shape_zyx), image.grid).n_labels == 2


# --- volumes: changed with SimpleITK, which keeps the keys of a header -------------------


def by_itk(change: Callable[[sitk.Image], sitk.Image]) -> Tamper:
    def tamper(path: Path) -> None:
        image = sitk.ReadImage(str(path))
        keys = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys()}
        changed = change(image)
        for key, value in keys.items():
            if key.startswith("Segment"):
                changed.SetMetaData(key, value)
        sitk.WriteImage(changed, str(path))

    return tamper


def flip_voxels(image: sitk.Image) -> sitk.Image:
    flipped = sitk.GetImageFromArray(sitk.GetArrayFromImage(image)[:, :, ::-1])
    flipped.CopyInformation(image)
    return flipped


def flip_direction(image: sitk.Image) -> sitk.Image:
    image.SetDirection((np.diag([-1, 1, 1]) @ np.reshape(image.GetDirection(), (3, 3))).ravel())
    return image


def shift(image: sitk.Image) -> sitk.Image:
    x, y, z = image.GetOrigin()
    image.SetOrigin((x + 0.05, y, z))
    return image


def stretch(image: sitk.Image) -> sitk.Image:
    x, y, z = image.GetSpacing()
    image.SetSpacing((x, y, z * 1.01))
    return image


def one_voxel(image: sitk.Image) -> sitk.Image:
    image[0, 0, 0] = 1 - image[0, 0, 0]
    return image


@pytest.fixture
def nifti(tmp_path: Path) -> ImageFile:
    affine = np.diag([0.8, 0.9, 3.0, 1])
    affine[:3, 3] = 20, 30, -50
    nib.save(nib.Nifti1Image(np.zeros(SHAPE[::-1], np.int16), affine), tmp_path / "image.nii")
    return read_image(tmp_path / "image.nii")


@pytest.fixture
def series(tmp_path: Path) -> ImageFile:
    pytest.importorskip("highdicom", reason="needs the extra [dicom]")
    write_series(tmp_path / "ct", np.zeros(SHAPE, np.int16), tags=REFERABLE)
    return read_image(tmp_path / "ct")


@pytest.mark.parametrize("change", [flip_voxels, flip_direction, shift, stretch, one_voxel])
@pytest.mark.parametrize("suffix", VOLUMES)
def test_volume_that_is_not_the_image_is_refused(
    nifti: ImageFile,
    tmp_path: Path,
    suffix: str,
    change: Callable[[sitk.Image], sitk.Image],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused(nifti, tmp_path / f"labels{suffix}", by_itk(change), monkeypatch)


@pytest.mark.parametrize("change", [flip_direction, shift, stretch, one_voxel])
@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_so_is_one_of_a_dicom_series(
    series: ImageFile,
    tmp_path: Path,
    suffix: str,
    change: Callable[[sitk.Image], sitk.Image],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused(series, tmp_path / f"labels{suffix}", by_itk(change), monkeypatch)


# --- objects of a DICOM series -----------------------------------------------------------


def by_pydicom(change: Callable[[Any], None]) -> Tamper:
    def tamper(path: Path) -> None:
        import pydicom

        dataset = pydicom.dcmread(path)
        change(dataset)
        dataset.save_as(path)

    return tamper


def measures(dataset: Any) -> Any:
    return dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]


def frames_shifted(dataset: Any) -> None:
    for group in dataset.PerFrameFunctionalGroupsSequence:
        position = group.PlanePositionSequence[0].ImagePositionPatient
        position[0] = float(position[0]) + 0.05


def pixels_stretched(dataset: Any) -> None:
    rows, columns = measures(dataset).PixelSpacing
    measures(dataset).PixelSpacing = [float(rows), float(columns) * 1.01]


def slices_apart(dataset: Any) -> None:
    measures(dataset).SpacingBetweenSlices = 7.5


def frames_turned(dataset: Any) -> None:
    shared = dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    shared.ImageOrientationPatient = [0.99995, 0.01, 0, -0.01, 0.99995, 0]


def repacked(dataset: Any, pixels: NDArray[Any]) -> None:
    if dataset.BitsAllocated == 1:
        pixels = np.packbits(pixels.ravel(), bitorder="little")
    dataset.PixelData = pixels.tobytes()


def frames_flipped(dataset: Any) -> None:
    repacked(dataset, dataset.pixel_array[:, :, ::-1])


def one_pixel_less(dataset: Any) -> None:
    pixels = dataset.pixel_array.copy()
    pixels[tuple(np.argwhere(pixels)[0])] = 0
    repacked(dataset, pixels)


def renamed(dataset: Any) -> None:
    dataset.SegmentSequence[-1].SegmentLabel = "another"


@pytest.mark.parametrize(
    "change",
    [
        frames_shifted,
        pixels_stretched,
        slices_apart,
        frames_turned,
        frames_flipped,
        one_pixel_less,
        renamed,
    ],
)
@pytest.mark.parametrize("suffix", SERIES[:2])
def test_segmentation_that_is_not_on_the_series_is_refused(
    series: ImageFile,
    tmp_path: Path,
    suffix: str,
    change: Callable[[Any], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused(series, tmp_path / f"labels{suffix}", by_pydicom(change), monkeypatch)


def moved(offset: tuple[float, float, float], scale: float = 1.0) -> Callable[[Any], None]:
    def change(dataset: Any) -> None:
        for item in dataset.ROIContourSequence:
            for contour in item.ContourSequence:
                points = np.array(contour.ContourData, dtype=float).reshape(-1, 3)
                points = points * [scale, 1, 1] + offset
                contour.ContourData = [f"{v:.6f}" for v in points.ravel()]

    return change


def one_contour_less(dataset: Any) -> None:
    del dataset.ROIContourSequence[0].ContourSequence[-1]


def region_renamed(dataset: Any) -> None:
    dataset.StructureSetROISequence[0].ROIName = "another"


@pytest.mark.parametrize(
    "change",
    [
        moved((0.02, 0, 0)),
        moved((0, 0, 0.02)),
        moved((0, 0, 0), 1.002),
        moved((-55, 0, 0), -1),
        one_contour_less,
        region_renamed,
    ],
)
def test_contours_that_are_not_on_the_series_are_refused(
    series: ImageFile,
    tmp_path: Path,
    change: Callable[[Any], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused(series, tmp_path / "labels.rtstruct.dcm", by_pydicom(change), monkeypatch)


# --- pictures ----------------------------------------------------------------------------


@pytest.fixture
def picture(tmp_path: Path) -> ImageFile:
    Image.fromarray(np.zeros(SHAPE[1:], np.uint8)).save(tmp_path / "image.png")
    return read_image(tmp_path / "image.png")


def by_array(change: Callable[[NDArray[Any]], NDArray[Any]]) -> Tamper:
    def tamper(path: Path) -> None:
        if path.suffix == ".png":
            Image.fromarray(change(np.asarray(Image.open(path)))).save(path)
        else:
            tifffile.imwrite(path, change(tifffile.imread(path)))

    return tamper


def first_pixel(array: NDArray[Any]) -> NDArray[Any]:
    array = array.copy()
    array.flat[0] += 1
    return array


@pytest.mark.parametrize("change", [np.fliplr, np.flipud, first_pixel, lambda array: array[:-1]])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_picture_that_is_not_the_labels_is_refused(
    picture: ImageFile,
    tmp_path: Path,
    suffix: str,
    change: Callable[[NDArray[Any]], NDArray[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused(picture, tmp_path / f"labels{suffix}", by_array(change), monkeypatch)


@pytest.mark.parametrize("key", ["area", "bbox", "segmentation", "category_id", "name", "height"])
def test_objects_that_are_not_the_labels_are_refused(
    picture: ImageFile, tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tamper(path: Path) -> None:
        content = json.loads(path.read_text())
        first = content["annotations"][0]
        match key:
            case "area":
                first["area"] += 1
            case "bbox":
                first["bbox"][0] += 1
            case "segmentation":
                first["segmentation"]["counts"][0] += 1
                first["segmentation"]["counts"][-1] -= 1
            case "category_id":
                first["category_id"] = 2
            case "name":
                content["categories"][0]["name"] = "another"
            case _:
                content["images"][0]["height"] += 1
        path.write_text(json.dumps(content))

    refused(picture, tmp_path / "labels.json", tamper, monkeypatch)


def test_picture_that_changed_its_size_meanwhile_is_noticed(
    picture: ImageFile, tmp_path: Path
) -> None:
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(tmp_path / "image.png")
    for suffix in (".png", ".tif", ".json"):
        with pytest.raises(SaveError, match="Pillow reads 30 x 20 pixels from the image"):
            write_labels(tmp_path / f"l{suffix}", drawn(picture.volume.shape_zyx), picture.grid)


def test_challenge_labels_are_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "case.npz").write_bytes(b"old")
    save = np.savez_compressed
    monkeypatch.setattr(
        boxes_and_labels.np, "savez_compressed", lambda path, segs: save(path, segs=segs + 1)
    )
    with pytest.raises(SaveError, match="differ"):
        boxes_and_labels.write_segs(tmp_path / "case.npz", drawn())
    assert (tmp_path / "case.npz").read_bytes() == b"old"


# --- images that two libraries place differently ------------------------------------------


def odd_nifti(path: Path, negative: tuple[int, ...], *, sform: bool, qform: bool) -> ImageFile:
    """A NIfTI whose stored pixdim is negative along the file axes `negative` (1 is i)."""
    affine = np.diag([0.8, 0.9, 3.0, 1])
    affine[:3, 3] = 20, 30, -50
    image = nib.Nifti1Image(np.zeros(SHAPE[::-1], np.int16), None)
    image.header.set_zooms((0.8, 0.9, 3.0))
    if qform:
        image.header.set_qform(affine, 1)
    if sform:
        image.header.set_sform(affine, 1)
    nib.save(image, path)
    content = bytearray(path.read_bytes())
    pixdim = np.frombuffer(content, "<f4", 8, 76).copy()
    pixdim[list(negative)] *= -1
    content[76:108] = pixdim.tobytes()
    path.write_bytes(content)
    return read_image(path)


@pytest.mark.parametrize("negative", [(), (1,), (2,), (3,), (1, 2), (1, 2, 3)])
@pytest.mark.parametrize(("sform", "qform"), [(True, True), (False, True), (False, False)])
@pytest.mark.parametrize("suffix", VOLUMES)
def test_labels_lie_on_the_image_for_both_libraries(
    tmp_path: Path, suffix: str, negative: tuple[int, ...], sform: bool, qform: bool
) -> None:
    image = odd_nifti(tmp_path / "image.nii", negative, sform=sform, qform=qform)
    assert any("negative voxel size" in note for note in image.notes) == bool(negative)
    labels = drawn()
    path = write_labels(tmp_path / f"labels{suffix}", labels, image.grid).path
    np.testing.assert_array_equal(read_label_file(path, image.grid).labels, labels)
    one, other = sitk.ReadImage(str(tmp_path / "image.nii")), sitk.ReadImage(str(path))
    in_file = image.grid.from_lps(labels)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(other), in_file)
    for corner in ((0, 0, 0), (5, 0, 0), (0, 7, 0), (0, 0, 4), (5, 7, 4)):
        np.testing.assert_allclose(
            one.TransformIndexToPhysicalPoint(corner),
            other.TransformIndexToPhysicalPoint(corner),
            atol=1e-3,
        )
    if suffix.startswith(".nii"):
        loaded = nib.load(path), nib.load(tmp_path / "image.nii")
        np.testing.assert_array_equal(loaded[0].affine, loaded[1].affine)


def test_a_library_says_nothing_of_its_own_on_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", lambda record: said.append(record.getMessage()))
    monkeypatch.setattr(logging.getLogger("nibabel.global"), "handlers", [handler])
    image = odd_nifti(tmp_path / "image.nii", (1,), sform=True, qform=True)
    path = write_labels(tmp_path / "labels.nii.gz", drawn(), image.grid).path
    read_label_file(path, image.grid)
    assert said == []
    nib.load(path)
    assert any("pixdim" in text for text in said)  # the test would hear it


@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".nii.gz"])
def test_image_is_converted_to_where_its_labels_go(tmp_path: Path, suffix: str) -> None:
    image = odd_nifti(tmp_path / "image.nii", (1,), sform=False, qform=True)
    write_image(tmp_path / f"copy{suffix}", image)
    path = write_labels(tmp_path / f"labels{suffix}", drawn(), image.grid).path
    copy = read_image(tmp_path / f"copy{suffix}")
    found = copy.grid.from_lps(read_label_file(path, copy.grid).labels)
    np.testing.assert_array_equal(found, image.grid.from_lps(drawn()))


def test_voxel_size_that_the_header_states_twice_is_said_and_the_true_one_saved(
    tmp_path: Path,
) -> None:
    image = nib.Nifti1Image(np.zeros(SHAPE[::-1], np.int16), None)
    image.header.set_sform(np.diag([0.8, 0.9, 3.0, 1]), 1)
    nib.save(image, tmp_path / "image.nii")
    read = read_image(tmp_path / "image.nii")
    assert any("two voxel sizes, 0.8 x 0.9 x 3 (sform) and 1 x 1 x 1" in n for n in read.notes)
    saved = write_labels(tmp_path / "labels.nrrd", drawn(), read.grid)
    assert "SimpleITK reads voxels of 1 x 1 x 1 mm" in saved.checked
    found = sitk.ReadImage(str(saved.path)).GetSpacing()
    assert found == pytest.approx((0.8, 0.9, 3.0))


# --- names -------------------------------------------------------------------------------

NAMES = {
    "a\\b": "a/b",
    "left\nlung": "left lung",
    "red\x1b[31m": "red",
    "  wide   name ": "wide name",
    "x" * 70: "x" * 64,
    "Leber 肝臓 🫀": "Leber 肝臓 🫀",
    "": "label 1",
    "\\": "/",
    "half \ud83e": "half",
    'a "quoted" one': 'a "quoted" one',
}
"""A label's name, and what DICOM can store of it."""


@pytest.mark.parametrize("name", NAMES, ids=ascii)
@pytest.mark.parametrize("suffix", [*SERIES, ".seg.nrrd"])
def test_name_is_stored_as_far_as_it_can_be_and_a_change_is_said(
    series: ImageFile, tmp_path: Path, suffix: str, name: str
) -> None:
    expected = NAMES[name]
    if suffix == ".seg.nrrd":
        expected = {"a\\b": "a\\b", "x" * 70: "x" * 70, "\\": "\\"}.get(name, expected)
    table = (Label(1, name, (1.0, 0.0, 0.0)), Label(2, "spleen", (0.0, 1.0, 0.0)))
    saved = write_labels(tmp_path / f"labels{suffix}", drawn(), series.grid, table)
    found = {label.number: label.name for label in read_label_file(saved.path, series.grid).table}
    assert found == {1: expected, 2: "spleen"}
    assert (f"{name!r} became {expected!r}" in saved.checked) == (name != expected)


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_itk_snap_description_and_coco_store_names(
    nifti: ImageFile, picture: ImageFile, tmp_path: Path, name: str
) -> None:
    table = (Label(1, name, (1.0, 0.0, 0.0)), Label(2, "spleen", (0.0, 1.0, 0.0)))
    saved = write_labels(tmp_path / "l.nii.gz", drawn(), nifti.grid, table, description=True)
    one, two = read_label_file(saved.path, nifti.grid).table
    assert two.name == "spleen"
    assert (f"{name!r} became {one.name!r}" in saved.checked) == (name != one.name)
    labels = drawn(picture.volume.shape_zyx)
    path = write_labels(tmp_path / "l.json", labels, picture.grid, table).path
    assert json.loads(path.read_text())["categories"][0]["name"] == name


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_a_small_shear_is_saved_as_nifti_and_said(tmp_path: Path, suffix: str) -> None:
    """As of a CT with a tilt of 0.2 degrees: SimpleITK takes the nearest rotation from the file."""
    image = sitk.GetImageFromArray(np.zeros((30, 40, 50), np.int16))
    direction = np.eye(3)
    direction[1, 2] = np.tan(np.radians(0.2))
    direction[:, 2] /= np.linalg.norm(direction[:, 2])
    image.SetDirection(direction.ravel().tolist())
    image.SetSpacing((0.7, 0.7, 5.0))
    sitk.WriteImage(image, str(tmp_path / f"tilted{suffix}"))
    grid = read_image(tmp_path / f"tilted{suffix}").grid
    labels = drawn((30, 40, 50))
    saved = write_labels(tmp_path / "l.nii.gz", labels, grid)
    stored = nib.load(tmp_path / "l.nii.gz")
    lps = np.diag([-1.0, -1, 1, 1]) @ stored.affine
    np.testing.assert_allclose(lps, grid.geometry.affine, atol=1e-5)
    np.testing.assert_array_equal(np.asarray(stored.dataobj).T, grid.from_lps(labels))
    assert "leaves the shear of the axes out" in saved.checked
