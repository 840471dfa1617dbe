"""DICOM SEG and RTSTRUCT out and in again, on series of every slice direction."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation
from skimage.draw import polygon2mask

from napari_medsam.engine.data.labels import Label
from napari_medsam.formats.common import optional_libraries
from napari_medsam.formats.common.coded_terms import Code, CodedLabel, Term, term_of
from napari_medsam.formats.common.errors import OtherGrid, ReadError, SaveError
from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.formats.images.read import read_image
from napari_medsam.formats.labels.read import read_label_file
from napari_medsam.formats.labels.write import write_labels
from tests.formats.dicom_files import REFERABLE, SERIES, segments_by_highdicom, write_series
from tests.formats.grids import axis_matrix

pytest.importorskip("highdicom", reason="needs the extra [dicom]")

SHAPE = (6, 14, 11)
EXITS = (".seg.dcm", ".labelmap.dcm", ".rtstruct.dcm")
PLANES = {
    "axial": np.eye(3),
    "sagittal": axis_matrix((1, 2, 0), (1, -1, -1)),
    "coronal": axis_matrix((0, 2, 1), (1, -1, 1)),
    "oblique": Rotation.from_euler("xyz", (21, -13, 34), degrees=True).as_matrix(),
}


def series(folder: Path, **keywords: object) -> ImageFile:
    tags = REFERABLE | dict(keywords.pop("tags", {}))  # type: ignore[call-overload]
    write_series(folder, np.zeros(SHAPE, np.int16), tags=tags, **keywords)  # type: ignore[arg-type]
    return read_image(folder)


def drawn(shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Two blobs, one with holes, one of a single voxel; nothing is symmetric."""
    rng = np.random.default_rng(4)
    noise = ndimage.gaussian_filter(rng.random(shape), 1)
    labels = np.where(noise > 0.53, 2, 0).astype(np.uint8)
    labels[1, 1:8, 1:6] = 7
    labels[1, 3, 3] = 0
    labels[-1, -1, -1] = 9
    return labels


@pytest.fixture
def ct(tmp_path: Path) -> ImageFile:
    return series(tmp_path / "ct")


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("suffix", EXITS)
def test_labels_come_back_voxel_for_voxel(plane: str, suffix: str, tmp_path: Path) -> None:
    image = series(tmp_path / "ct", direction=PLANES[plane])
    labels = drawn(image.volume.shape_zyx)
    saved = write_labels(tmp_path / f"out{suffix}", labels, image.grid)
    file = read_label_file(saved.path, image.grid)
    np.testing.assert_array_equal(file.labels, labels)
    assert sorted(one.number for one in file.table) == [2, 7, 9]
    assert file.notes == ()


def test_the_database_highdicom_made_is_closed_after_saving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python 3.13 warns of one that is left open, in whatever runs when the memory is freed."""
    import highdicom as hd

    made = []
    connect = sqlite3.connect

    def noted(*arguments: object, **keywords: object) -> sqlite3.Connection:
        made.append(connect(*arguments, **keywords))  # type: ignore[arg-type]
        return made[-1]

    monkeypatch.setattr(hd.image.sqlite3, "connect", noted)
    image = series(tmp_path / "ct")
    labels = np.zeros(SHAPE, np.uint8)
    labels[2, 3, 4] = 1
    write_labels(tmp_path / "a.seg.dcm", labels, image.grid)
    assert made
    for connection in made:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")


def test_frames_state_the_millimetres_of_what_was_drawn(ct: ImageFile, tmp_path: Path) -> None:
    """Looked up without our reader: one voxel, its frame's position and pixel."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[4, 9, 3] = 1
    write_labels(tmp_path / "one.seg.dcm", labels, ct.grid)
    dataset = pydicom.dcmread(tmp_path / "one.seg.dcm")
    ((row, column),) = np.argwhere(dataset.pixel_array)
    (group,) = dataset.PerFrameFunctionalGroupsSequence
    corner = np.array(group.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
    assert (row, column) == (9, 3)
    np.testing.assert_allclose(corner, (-30, 12, 50 + 4 * 2.5))
    source = group.DerivationImageSequence[0].SourceImageSequence[0]
    slices = {
        str(one.SOPInstanceUID): one.ImagePositionPatient[2]
        for one in (pydicom.dcmread(p) for p in ct.grid.source.iterdir())
    }
    assert slices[source.ReferencedSOPInstanceUID] == 60.0


def test_contours_state_the_millimetres_of_what_was_drawn(ct: ImageFile, tmp_path: Path) -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[4, 9, 3] = 1
    write_labels(tmp_path / "one.rtstruct.dcm", labels, ct.grid)
    dataset = pydicom.dcmread(tmp_path / "one.rtstruct.dcm")
    (contour,) = dataset.ROIContourSequence[0].ContourSequence
    points = np.array(contour.ContourData, dtype=float).reshape(-1, 3)
    centre = np.array([-30 + 3 * 0.7, 12 + 9 * 0.9, 60])
    np.testing.assert_allclose(points.mean(axis=0), centre, atol=1e-6)
    np.testing.assert_allclose(np.ptp(points, axis=0), (0.7, 0.9, 0), atol=1e-6)


@pytest.mark.parametrize("suffix", EXITS)
def test_patient_study_and_space_are_the_series_own(
    ct: ImageFile, suffix: str, tmp_path: Path
) -> None:
    write_labels(tmp_path / f"out{suffix}", drawn(SHAPE), ct.grid)
    source = pydicom.dcmread(next(ct.grid.source.iterdir()))
    saved = pydicom.dcmread(tmp_path / f"out{suffix}")
    for name in ("PatientID", "PatientName", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert saved[name].value == source[name].value
    assert saved.SeriesInstanceUID != source.SeriesInstanceUID
    assert SERIES in str(saved)


@pytest.mark.parametrize("suffix", EXITS)
def test_names_colours_and_codes_come_back(ct: ImageFile, suffix: str, tmp_path: Path) -> None:
    nodule = Term(Code("27925004", "SCT", "Nodule"), Code("49755003", "SCT", "Abnormal"))
    table = (
        Label(2, "Leber – 肝臓", (0.5, 0.25, 0.75)),
        CodedLabel(7, "Rundherd", (1.0, 0.0, 0.0), nodule),
        Label(9, "spleen", (0.0, 1.0, 1.0)),
    )
    write_labels(tmp_path / f"out{suffix}", drawn(SHAPE), ct.grid, table)
    found = read_label_file(tmp_path / f"out{suffix}", ct.grid).table
    assert [one.name for one in found] == ["Leber – 肝臓", "Rundherd", "spleen"]
    for one, meant in zip(found, table, strict=True):
        np.testing.assert_allclose(one.color, meant.color, atol=0.005)
    assert [term_of(one).type.value for one in found] == ["85756007", "27925004", "78961009"]


@pytest.mark.parametrize("suffix", EXITS)
def test_a_label_on_a_missing_slice_keeps_its_place(suffix: str, tmp_path: Path) -> None:
    image = series(tmp_path / "ct", places=[0, 1, 2, 4, 5, 6])
    labels = drawn(image.volume.shape_zyx)
    labels[3, 4:9, 2:8] = 2
    write_labels(tmp_path / f"out{suffix}", labels, image.grid)
    found = read_label_file(tmp_path / f"out{suffix}", image.grid)
    np.testing.assert_array_equal(found.labels, labels)


@pytest.mark.parametrize("suffix", EXITS)
def test_a_tilted_gantry_keeps_every_slice_at_its_place(suffix: str, tmp_path: Path) -> None:
    image = series(tmp_path / "ct", step=np.array([0.0, 0.8, 2.5]))
    labels = drawn(SHAPE)
    write_labels(tmp_path / f"out{suffix}", labels, image.grid)
    np.testing.assert_array_equal(
        read_label_file(tmp_path / f"out{suffix}", image.grid).labels, labels
    )


@pytest.mark.parametrize("thickness", [None, ""])
def test_a_series_without_a_slice_thickness_is_saved_too(
    ct: ImageFile, thickness: str | None, tmp_path: Path
) -> None:
    for path in ct.grid.source.iterdir():
        dataset = pydicom.dcmread(path)
        del dataset.SliceThickness
        if thickness is not None:
            dataset.SliceThickness = thickness
        dataset.save_as(path)
    write_labels(tmp_path / "out.seg.dcm", drawn(SHAPE), ct.grid)
    shared = pydicom.dcmread(tmp_path / "out.seg.dcm").SharedFunctionalGroupsSequence[0]
    assert float(shared.PixelMeasuresSequence[0].SliceThickness) == 2.5


@pytest.mark.parametrize("suffix", EXITS)
def test_identifiers_an_anonymiser_left_in_the_file_meta_are_used(
    ct: ImageFile, suffix: str, tmp_path: Path
) -> None:
    known = set()
    for path in ct.grid.source.iterdir():
        dataset = pydicom.dcmread(path)
        known.add(str(dataset.SOPInstanceUID))
        dataset.SOPClassUID = dataset.SOPInstanceUID = dataset.SeriesInstanceUID = ""
        dataset.save_as(path)
    image = read_image(ct.grid.source)
    series_uids = set()
    for name in ("first", "second"):
        saved = tmp_path / f"{name}{suffix}"
        write_labels(saved, drawn(SHAPE), image.grid)
        np.testing.assert_array_equal(read_label_file(saved, image.grid).labels, drawn(SHAPE))
        referred = list(pydicom.dcmread(saved).iterall())
        uids = {str(e.value) for e in referred if e.keyword == "ReferencedSOPInstanceUID"}
        assert uids & known
        series_uids |= {
            str(e.value)
            for e in referred
            if e.keyword == "SeriesInstanceUID"
            and e.value != pydicom.dcmread(saved).SeriesInstanceUID
        }
    assert len(series_uids) == 1


class TestContoursOfOthers:
    """RTSTRUCT files as other programs write them, made from ours."""

    @pytest.fixture
    def path(self, ct: ImageFile, tmp_path: Path) -> Path:
        labels = np.zeros(SHAPE, np.uint8)
        labels[2, 2:10, 2:9] = 1
        return write_labels(tmp_path / "a.rtstruct.dcm", labels, ct.grid).path

    def change(self, path: Path, offset: tuple[float, float, float], side: float) -> None:
        """Add a square contour (its corner moved by `offset` mm from voxel 4, 4 of slice 2)."""
        dataset = pydicom.dcmread(path)
        sequence = dataset.ROIContourSequence[0].ContourSequence
        x, y, z = np.array([-30 + 3.5 * 0.7, 12 + 3.5 * 0.9, 55.0]) + offset
        dx, dy = side * 0.7, side * 0.9
        item = pydicom.Dataset()
        item.ContourGeometricType = "CLOSED_PLANAR"
        item.NumberOfContourPoints = 4
        corners = [(x, y, z), (x + dx, y, z), (x + dx, y + dy, z), (x, y + dy, z)]
        item.ContourData = [f"{v:.6f}" for corner in corners for v in corner]
        sequence.append(item)
        dataset.save_as(path)

    def test_an_inner_contour_is_a_hole(self, path: Path, ct: ImageFile) -> None:
        self.change(path, (0, 0, 0), 2)
        labels = read_label_file(path, ct.grid).labels
        assert np.count_nonzero(labels) == 8 * 7 - 4
        assert not labels[2, 4:6, 4:6].any()

    def test_planes_closer_than_the_slices_do_not_cancel(self, path: Path, ct: ImageFile) -> None:
        self.change(path, (0, 0, 0.6), 2)
        assert np.count_nonzero(read_label_file(path, ct.grid).labels) == 8 * 7

    def test_planes_outside_the_image_are_told(self, path: Path, ct: ImageFile) -> None:
        self.change(path, (0, 0, 300), 2)
        assert any("outside the image" in n for n in read_label_file(path, ct.grid).notes)

    def test_another_frame_of_reference_is_told(self, path: Path, tmp_path: Path) -> None:
        other = series(tmp_path / "other", tags={"0020|0052": "1.2.3"})
        notes = read_label_file(path, other.grid).notes
        assert any("another frame of reference" in note for note in notes)

    def test_contours_fall_on_a_nifti_of_the_series_too(
        self, path: Path, ct: ImageFile, tmp_path: Path
    ) -> None:
        write_labels(tmp_path / "grid.nii.gz", np.zeros(SHAPE, int), ct.grid)
        turned = sitk.DICOMOrient(sitk.ReadImage(str(tmp_path / "grid.nii.gz")), "PIR")
        sitk.WriteImage(turned, str(tmp_path / "turned.nii.gz"))
        image = read_image(tmp_path / "turned.nii.gz")
        labels = read_label_file(path, image.grid).labels
        np.testing.assert_array_equal(labels, read_label_file(path, ct.grid).labels)

    def test_contours_across_the_slices_are_refused(self, path: Path, tmp_path: Path) -> None:
        other = series(tmp_path / "other", direction=PLANES["oblique"])
        with pytest.raises(ReadError, match="are not in slices"):
            read_label_file(path, other.grid)


class TestRefusals:
    @pytest.mark.parametrize("suffix", EXITS)
    def test_no_label(self, ct: ImageFile, suffix: str, tmp_path: Path) -> None:
        with pytest.raises(SaveError, match="no label to save"):
            write_labels(tmp_path / f"out{suffix}", np.zeros(SHAPE, int), ct.grid)

    @pytest.mark.parametrize("suffix", EXITS)
    def test_an_image_that_is_no_series(self, ct: ImageFile, suffix: str, tmp_path: Path) -> None:
        write_labels(tmp_path / "grid.nii.gz", np.zeros(SHAPE, int), ct.grid)
        image = read_image(tmp_path / "grid.nii.gz")
        with pytest.raises(SaveError, match="refer to the DICOM series"):
            write_labels(tmp_path / f"out{suffix}", drawn(SHAPE), image.grid)

    @pytest.mark.parametrize("suffix", EXITS)
    def test_a_series_that_changed_meanwhile(
        self, ct: ImageFile, suffix: str, tmp_path: Path
    ) -> None:
        for path in sorted(ct.grid.source.iterdir())[:2]:
            path.unlink()
        with pytest.raises(SaveError, match=r"has changed|cannot be read again"):
            write_labels(tmp_path / f"out{suffix}", drawn(SHAPE), ct.grid)

    def test_slices_without_identity(self, ct: ImageFile, tmp_path: Path) -> None:
        for path in ct.grid.source.iterdir():
            dataset = pydicom.dcmread(path)
            dataset.SOPInstanceUID = ""
            dataset.file_meta.MediaStorageSOPInstanceUID = ""
            dataset.save_as(path)
        with pytest.raises(SaveError, match="SOPInstanceUID"):
            write_labels(tmp_path / "out.seg.dcm", drawn(SHAPE), ct.grid)

    @pytest.mark.parametrize("name", ["out.seg.dcm", "OUT.SEG.DCM", "out.rtstruct.Dcm"])
    def test_a_file_among_the_slices(self, ct: ImageFile, name: str) -> None:
        with pytest.raises(SaveError, match="among the slices"):
            write_labels(ct.grid.source / name, drawn(SHAPE), ct.grid)

    def test_without_the_extra_it_says_what_to_install(
        self, ct: ImageFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def missing(name: str) -> None:
            raise ModuleNotFoundError(name=name)

        monkeypatch.setattr(optional_libraries, "import_module", missing)
        with pytest.raises(SaveError, match=r"pip install 'napari-medsam\[dicom\]'"):
            write_labels(tmp_path / "out.seg.dcm", drawn(SHAPE), ct.grid)

    def test_nothing_is_left_behind(self, ct: ImageFile, tmp_path: Path) -> None:
        with pytest.raises(SaveError):
            write_labels(tmp_path / "out.seg.dcm", np.zeros(SHAPE, int), ct.grid)
        assert [path.name for path in tmp_path.iterdir()] == ["ct"]


def test_segmentation_of_another_grid_is_resampled_when_asked(
    ct: ImageFile, tmp_path: Path
) -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:5, 3:9, 2:8] = 3
    path = write_labels(tmp_path / "a.seg.dcm", labels, ct.grid).path
    finer = series(tmp_path / "finer", step=np.array([0, 0, 1.25]))
    with pytest.raises(OtherGrid):
        read_label_file(path, finer.grid)
    file = read_label_file(path, finer.grid, resample=True)
    assert any("nearest neighbour" in note for note in file.notes)
    assert np.all(file.labels[2:6, 3:9, 2:8] == 3)
    assert [one.number for one in file.table] == [3]


def dice_by_scikit_image(path: Path, folder: Path, labels: NDArray[np.uint8]) -> list[float]:
    """Each structure's contours filled without any of our code, against its labels."""
    dataset = pydicom.dcmread(path)
    reference = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
    found = []
    for item in dataset.ROIContourSequence:
        filled = np.zeros(labels.shape, dtype=bool)
        for contour in item.ContourSequence:
            points = np.array(contour.ContourData, dtype=float).reshape(-1, 3)
            index = np.array(
                [reference.TransformPhysicalPointToContinuousIndex(p) for p in points.tolist()]
            )
            slice_index = round(float(index[0, 2]))
            filled[slice_index] ^= polygon2mask(labels.shape[1:], index[:, 1::-1])
        meant = labels == item.ReferencedROINumber
        found.append(2 * np.count_nonzero(filled & meant) / (filled.sum() + meant.sum()))
    return found


class TestRealCt:
    """The liver of dcmqi's CT, and small objects on it."""

    @pytest.fixture
    def image(self, shared_dir: Path) -> ImageFile:
        return read_image(shared_dir / "data" / "native" / "ct_dicom_dcmqi")

    @pytest.fixture
    def labels(self, shared_dir: Path, image: ImageFile) -> NDArray[np.uint8]:
        folder = image.grid.source
        labels = np.zeros(image.volume.shape_zyx, np.uint8)
        for number, name in enumerate(("liver", "spine", "heart"), start=1):
            found = read_label_file(folder / f"{name}_seg.nrrd", image.grid).labels
            labels[found > 0] = number
        labels[0, 100, 100] = 4
        labels[1, 100:103, 100:102] = 5
        return labels

    def test_structures_filled_by_scikit_image(
        self, image: ImageFile, labels: NDArray[np.uint8], tmp_path: Path
    ) -> None:
        write_labels(tmp_path / "a.rtstruct.dcm", labels, image.grid)
        dices = dice_by_scikit_image(tmp_path / "a.rtstruct.dcm", image.grid.source, labels)
        assert min(dices) >= 0.98

    def test_segments_read_by_highdicom(
        self, image: ImageFile, labels: NDArray[np.uint8], tmp_path: Path
    ) -> None:
        write_labels(tmp_path / "a.seg.dcm", labels, image.grid)
        heights = {
            str(d.SOPInstanceUID): float(d.ImagePositionPatient[2])
            for d in (pydicom.dcmread(p) for p in image.grid.source.glob("*.dcm"))
        }
        ordered = sorted(heights, key=lambda uid: heights[uid])
        with segments_by_highdicom(tmp_path / "a.seg.dcm") as seg:
            found = seg.get_pixels_by_source_instance(ordered, combine_segments=True)
        np.testing.assert_array_equal(found, labels)


class TestAnonymisedCt:
    """TotalSegmentator's CT of 20 slices with 31 structures, whose identifiers are blank."""

    @pytest.fixture
    def image(self, shared_dir: Path) -> ImageFile:
        return read_image(shared_dir / "data" / "native" / "ct_dicom_totalseg")

    @pytest.fixture
    def labels(self, image: ImageFile) -> NDArray[np.uint8]:
        return read_label_file(image.grid.source / "example_seg_dicom.nii.gz", image.grid).labels

    @pytest.mark.slow
    def test_31_structures_filled_by_scikit_image(
        self, image: ImageFile, labels: NDArray[np.uint8], tmp_path: Path
    ) -> None:
        write_labels(tmp_path / "a.rtstruct.dcm", labels, image.grid)
        dices = dice_by_scikit_image(tmp_path / "a.rtstruct.dcm", image.grid.source, labels)
        assert len(dices) == 31
        assert min(dices) >= 0.98

    @pytest.mark.slow
    def test_31_segments_read_by_highdicom(
        self, image: ImageFile, labels: NDArray[np.uint8], tmp_path: Path
    ) -> None:
        write_labels(tmp_path / "a.seg.dcm", labels, image.grid)
        paths = image.grid.source.glob("CT*")
        slices = [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]
        slices.sort(key=lambda one: float(one.ImagePositionPatient[2]))
        uids = [str(one.file_meta.MediaStorageSOPInstanceUID) for one in slices]
        with segments_by_highdicom(tmp_path / "a.seg.dcm") as seg:
            found = seg.get_pixels_by_source_instance(uids, combine_segments=True)
        numbers = np.concatenate([[0], np.unique(labels[labels > 0])])
        np.testing.assert_array_equal(numbers[found], labels)


DELETED = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime")
DELETED += ("StudyID", "AccessionNumber", "ReferringPhysicianName")


@pytest.mark.parametrize("suffix", [".seg.dcm", ".labelmap.dcm", ".rtstruct.dcm"])
def test_a_series_whose_patient_an_anonymiser_deleted_is_saved(
    ct: ImageFile, suffix: str, tmp_path: Path
) -> None:
    """They must be stated, and may be empty (type 2)."""
    for path in ct.grid.source.iterdir():
        dataset = pydicom.dcmread(path)
        for name in DELETED:
            if name in dataset:
                del dataset[name]
        dataset.save_as(path)
    labels = drawn(ct.volume.shape_zyx)
    saved = write_labels(tmp_path / f"a{suffix}", labels, ct.grid)
    np.testing.assert_array_equal(read_label_file(saved.path, ct.grid).labels, labels)
    written = pydicom.dcmread(saved.path)
    assert not any(written[name].value for name in DELETED)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("StudyDate", "unknown"),
        ("PatientBirthDate", "19500000"),
        ("StudyTime", "12:30"),
        ("PatientSex", "N"),
    ],
)
@pytest.mark.parametrize("suffix", [".seg.dcm", ".labelmap.dcm"])
def test_a_date_or_a_sex_that_is_none_does_not_prevent_a_save(
    ct: ImageFile, suffix: str, name: str, value: str, tmp_path: Path
) -> None:
    for path in ct.grid.source.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.add_new(name, pydicom.datadict.dictionary_VR(name), None)
        dataset[name]._value = value
        dataset.save_as(path)
    labels = drawn(ct.volume.shape_zyx)
    saved = write_labels(tmp_path / f"a{suffix}", labels, ct.grid)
    np.testing.assert_array_equal(read_label_file(saved.path, ct.grid).labels, labels)
    written = pydicom.dcmread(saved.path)
    assert not written[name].value
    assert written.PatientID == "4711"
