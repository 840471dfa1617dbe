"""Labels from another grid, one file a label, tables beside files, and coded terms."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from napari_medsam.engine.events import Label
from napari_medsam.formats.cielab import cielab_from_rgb, rgb_from_cielab
from napari_medsam.formats.errors import OtherGrid
from napari_medsam.formats.grid import Geometry, SourceGrid
from napari_medsam.formats.images import read_image
from napari_medsam.formats.label_files import write_label_files
from napari_medsam.formats.label_table import read_label_table, write_label_table
from napari_medsam.formats.labels import read_label_file, write_labels
from napari_medsam.formats.labels_resample import resampled
from napari_medsam.formats.terms import UNKNOWN, Code, CodedLabel, Term, term_of, with_term

SHAPE = (5, 4, 3)
NODULE = Term(
    Code("27925004", "SCT", "Nodule"),
    Code("49755003", "SCT", "Morphologically Abnormal Structure"),
)
TABLE = (Label(1, "liver", (1.0, 0.0, 0.0)), CodedLabel(3, "Rundherd", (0.0, 0.4, 1.0), NODULE))


@pytest.fixture
def grid(tmp_path: Path) -> SourceGrid:
    path = tmp_path / "image.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros(SHAPE[::-1], np.int16), np.diag([1.0, 2, 3, 1])), path)
    return read_image(path).grid


@pytest.fixture
def labels() -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:4, 1:3, 0] = 1
    labels[2, 2, 2] = 3
    return labels


class TestAnotherGrid:
    def geometry(self, size: int, spacing: float, origin: float = 0.0) -> Geometry:
        return Geometry((size,) * 3, (spacing,) * 3, (origin,) * 3, np.eye(3))

    def test_half_the_spacing_doubles_every_voxel(self) -> None:
        labels = np.random.default_rng(0).integers(0, 4, (3, 3, 3)).astype(np.uint8)
        fine, _ = resampled(labels, self.geometry(3, 2.0), self.geometry(6, 1.0, -0.5))
        np.testing.assert_array_equal(fine, np.kron(labels, np.ones((2, 2, 2))))

    def test_outside_is_background(self) -> None:
        labels = np.ones((3, 3, 3), np.uint8)
        found, _ = resampled(labels, self.geometry(3, 1.0), self.geometry(9, 1.0, -3.0))
        assert np.count_nonzero(found) == 27
        assert np.all(found[3:6, 3:6, 3:6] == 1)

    def test_axes_are_not_mixed_up(self) -> None:
        """The mark keeps its millimetres; x, y and z differ in size and spacing."""
        own = Geometry((4, 5, 6), (1.0, 2.0, 3.0), (10.0, 20.0, 30.0), np.eye(3))
        wanted = Geometry((12, 10, 6), (1.0, 1.0, 1.0), (10.0, 20.0, 30.0), np.eye(3))
        labels = np.zeros((4, 5, 6), np.uint8)
        labels[2, 3, 4] = 7
        found, _ = resampled(labels, own, wanted)
        assert found[6, 6, 4] == 7
        assert found.dtype == np.uint8

    def test_volumes_before_and_after_are_told_and_what_vanished(self) -> None:
        labels = np.zeros((8, 8, 8), np.uint8)
        labels[:4] = 1
        labels[5, 5, 5] = 2
        _, notes = resampled(labels, self.geometry(8, 1.0), self.geometry(4, 2.0, 0.4))
        assert "nearest neighbour" in notes[0]
        assert "from 0.257 to 0.256 ml" in notes[0]
        assert notes[1] == "Labels without a voxel on the image's grid: [2]."

    def test_shifted_file_is_refused_and_resampled_when_asked(
        self, grid: SourceGrid, tmp_path: Path
    ) -> None:
        shifted = np.ones((3, 4, 5), np.uint8)
        affine = np.diag([1.0, 2, 3, 1])
        affine[2, 3] = 3.4
        nib.save(nib.Nifti1Image(shifted, affine), tmp_path / "l.nii")
        with pytest.raises(OtherGrid, match="resample it"):
            read_label_file(tmp_path / "l.nii", grid)
        file = read_label_file(tmp_path / "l.nii", grid, resample=True)
        assert not file.labels[0].any()
        assert file.labels[1:].all()
        assert any("origin" in note for note in file.notes)

    def test_seg_nrrd_keeps_its_names(self, grid: SourceGrid, tmp_path: Path) -> None:
        source = sitk.Image([6, 8, 10], sitk.sitkInt16)
        source.SetSpacing((0.5, 1.0, 1.5))
        sitk.WriteImage(source, str(tmp_path / "fine.nrrd"))
        fine = read_image(tmp_path / "fine.nrrd").grid
        path = tmp_path / "l.seg.nrrd"
        write_labels(path, np.full((10, 8, 6), 3), fine, TABLE)
        file = read_label_file(path, grid, resample=True)
        assert [one.name for one in file.table] == ["liver", "Rundherd"]

    def test_a_picture_is_never_resampled(self, grid: SourceGrid, tmp_path: Path) -> None:
        sitk.WriteImage(sitk.Image([9, 9], sitk.sitkUInt8), str(tmp_path / "p.npy.png"))
        with pytest.raises(ValueError, match="do not belong together"):
            read_label_file(tmp_path / "p.npy.png", grid, resample=True)


class TestOneFileALabel:
    def test_each_holds_one_label_as_1(
        self, grid: SourceGrid, labels: np.ndarray, tmp_path: Path
    ) -> None:
        saved = write_label_files(tmp_path / "case.nii.gz", labels, grid, TABLE)
        assert [one.path.name for one in saved] == ["case_liver.nii.gz", "case_Rundherd.nii.gz"]
        for one, number in zip(saved, (1, 3), strict=True):
            alone = read_label_file(one.path, grid).labels
            np.testing.assert_array_equal(alone, labels == number)

    def test_equal_and_odd_names_do_not_collide(
        self, grid: SourceGrid, labels: np.ndarray, tmp_path: Path
    ) -> None:
        table = (Label(1, "a/b", (1, 0, 0)), Label(3, "a b", (1, 0, 0)))
        saved = write_label_files(tmp_path / "case.nrrd", labels, grid, table)
        assert [one.path.name for one in saved] == ["case_a_b_1.nrrd", "case_a_b_3.nrrd"]


class TestTables:
    def test_description_beside_nifti_is_written_and_read(
        self, grid: SourceGrid, labels: np.ndarray, tmp_path: Path
    ) -> None:
        write_labels(tmp_path / "l.nii.gz", labels, grid, TABLE, description=True)
        assert "Rundherd" in (tmp_path / "l.label.txt").read_text(encoding="utf-8")
        table = read_label_file(tmp_path / "l.nii.gz", grid).table
        assert [(one.number, one.name) for one in table] == [(1, "liver"), (3, "Rundherd")]
        np.testing.assert_allclose(table[1].color, (0.0, 0.4, 1.0), atol=0.003)

    def test_codes_go_through_csv(self, tmp_path: Path) -> None:
        write_label_table(tmp_path / "t.csv", TABLE)
        assert read_label_table(tmp_path / "t.csv") == TABLE

    def test_csv_without_codes_has_no_columns_for_them(self, tmp_path: Path) -> None:
        write_label_table(tmp_path / "t.csv", TABLE[:1])
        assert (tmp_path / "t.csv").read_text().splitlines()[0] == "number,name,red,green,blue"

    def test_codes_go_through_seg_nrrd(
        self, grid: SourceGrid, labels: np.ndarray, tmp_path: Path
    ) -> None:
        write_labels(tmp_path / "l.seg.nrrd", labels, grid, TABLE)
        table = read_label_file(tmp_path / "l.seg.nrrd", grid).table
        assert [term_of(one) for one in table] == [term_of(TABLE[0]), NODULE]
        tags = sitk.ReadImage(str(tmp_path / "l.seg.nrrd")).GetMetaData("Segment0_Tags")
        assert "~SCT^123037004^Anatomical Structure~SCT^10200004^Liver~" in tags


class TestTerms:
    @pytest.mark.parametrize("name", ["Left kidney", "kidney_left", "Kidney, left", "left-kidney"])
    def test_common_names_are_known(self, name: str) -> None:
        assert term_of(Label(1, name, (1, 0, 0))).type.value == "18639004"

    def test_unknown_names_are_plain_tissue(self) -> None:
        assert term_of(Label(1, "thing 3", (1, 0, 0))) == UNKNOWN

    def test_a_term_the_name_stands_for_needs_no_code(self) -> None:
        label = Label(1, "liver", (1, 0, 0))
        assert with_term(label, term_of(label)) is label


@pytest.mark.parametrize(
    ("lab", "rgb"),
    [((65535, 32896, 32896), (1, 1, 1)), ((0, 32896, 32896), (0, 0, 0))],
    ids=["white", "black"],
)
def test_cielab_of_white_and_black(
    lab: tuple[int, int, int], rgb: tuple[float, float, float]
) -> None:
    np.testing.assert_allclose(rgb_from_cielab(lab), rgb, atol=2e-3)
    np.testing.assert_allclose(cielab_from_rgb(rgb), lab, atol=30)
