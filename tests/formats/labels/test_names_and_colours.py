"""Names and colours of labels: .seg.nrrd, and the table as a file of its own."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from napari_medsam.engine.data.labels import Label
from napari_medsam.formats.common.coded_terms import KNOWN, CodedLabel
from napari_medsam.formats.common.errors import ReadError, SaveError
from napari_medsam.formats.common.grid import SourceGrid
from napari_medsam.formats.common.label_table import read_label_table, write_label_table
from napari_medsam.formats.images.read import read_image
from napari_medsam.formats.labels.read import read_label_file
from napari_medsam.formats.labels.write import write_labels

TABLE = (Label(1, "liver", (1.0, 0.0, 0.0)), Label(3, 'left "kidney"', (0.0, 0.4, 0.8)))


@pytest.fixture
def grid(tmp_path: Path) -> SourceGrid:
    path = tmp_path / "image.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((3, 4, 5), np.int16), np.diag([1.0, -2, 3, 1])), path)
    return read_image(path).grid


@pytest.fixture
def labels() -> np.ndarray:
    labels = np.zeros((5, 4, 3), dtype=np.uint8)
    labels[0, 0, 0], labels[4, 2, 1] = 1, 3
    return labels


class TestSegNrrd:
    def test_names_and_colours_come_back(
        self, grid: SourceGrid, labels: np.ndarray, tmp_path: Path
    ) -> None:
        saved = write_labels(tmp_path / "a.seg.nrrd", labels, grid, TABLE)
        assert "2 segments are named" in saved.checked
        read = read_label_file(saved.path, grid)
        np.testing.assert_array_equal(read.labels, labels)
        assert [one.name for one in read.table] == [one.name for one in TABLE]
        for got, given in zip(read.table, TABLE, strict=True):
            assert got.number == given.number
            assert got.color == pytest.approx(given.color)

    def test_keys_are_those_slicer_reads(
        self, grid: SourceGrid, labels: np.ndarray, tmp_path: Path
    ) -> None:
        write_labels(tmp_path / "a.seg.nrrd", labels, grid, TABLE)
        image = sitk.ReadImage(str(tmp_path / "a.seg.nrrd"))
        assert image.GetMetaData("Segment0_Name") == "liver"
        assert image.GetMetaData("Segment1_LabelValue") == "3"
        # The file's own axes are R, P, S: x is reversed against the program's.
        assert image.GetMetaData("Segment0_Extent") == "2 2 0 0 0 0"
        assert image.GetMetaData("Segmentation_MasterRepresentation") == "Binary labelmap"

    def test_label_without_a_name_gets_one(
        self, grid: SourceGrid, labels: np.ndarray, tmp_path: Path
    ) -> None:
        write_labels(tmp_path / "a.seg.nrrd", labels, grid)
        names = [one.name for one in read_label_file(tmp_path / "a.seg.nrrd", grid).table]
        assert names == ["label 1", "label 3"]

    def test_overlapping_layers_are_told(self, grid: SourceGrid, tmp_path: Path) -> None:
        """Slicer stores overlapping segments as layers of a vector image."""
        layers = np.zeros((5, 4, 3, 2), dtype=np.uint8)
        layers[0, 0, :2, 0] = 1
        layers[0, 0, 1:, 1] = 1
        image = sitk.GetImageFromArray(layers, isVector=True)
        image.SetSpacing(grid.geometry.spacing_xyz)
        image.SetOrigin(grid.geometry.origin_xyz)
        image.SetDirection(grid.geometry.direction.ravel().tolist())
        for index, name in enumerate(("one", "two")):
            image.SetMetaData(f"Segment{index}_ID", name)
            image.SetMetaData(f"Segment{index}_Name", name)
            image.SetMetaData(f"Segment{index}_LabelValue", "1")
            image.SetMetaData(f"Segment{index}_Layer", str(index))
        sitk.WriteImage(image, str(tmp_path / "a.seg.nrrd"))
        read = read_label_file(tmp_path / "a.seg.nrrd", grid)
        assert [one.name for one in read.table] == ["one", "two"]
        assert grid.from_lps(read.labels)[0, 0].tolist() == [1, 2, 2]
        assert read.notes == ("1 voxels belong to several segments; the last one has them.",)

    def test_another_grid_is_refused(
        self, grid: SourceGrid, labels: np.ndarray, tmp_path: Path
    ) -> None:
        write_labels(tmp_path / "a.seg.nrrd", labels, grid, TABLE)
        nib.save(nib.Nifti1Image(np.zeros((3, 4, 5), np.int16), np.eye(4)), tmp_path / "o.nii")
        with pytest.raises(ReadError, match="another grid"):
            read_label_file(tmp_path / "a.seg.nrrd", read_image(tmp_path / "o.nii").grid)


class TestLabelTable:
    @pytest.mark.parametrize("suffix", [".txt", ".label", ".csv"])
    def test_what_is_written_is_read(self, tmp_path: Path, suffix: str) -> None:
        table = (Label(1, "liver", (1.0, 0.0, 0.2)), Label(300, "Leber, links", (0.0, 0.4, 0.8)))
        write_label_table(tmp_path / f"a{suffix}", table)
        assert read_label_table(tmp_path / f"a{suffix}") == table

    def test_states_and_terms_come_back_from_csv(self, tmp_path: Path) -> None:
        coded = CodedLabel(3, "spot", (0.0, 0.4, 0.8), KNOWN["nodule"], state="unsure")
        table = (Label(1, "liver", (1.0, 0.0, 0.0), state="done", locked=True), coded)
        write_label_table(tmp_path / "table.csv", table)
        assert read_label_table(tmp_path / "table.csv") == table
        write_label_table(tmp_path / "plain.csv", table[:1])
        assert read_label_table(tmp_path / "plain.csv") == table[:1]

    def test_columns_and_states_of_another_version_are_skipped(self, tmp_path: Path) -> None:
        (tmp_path / "later.csv").write_text(
            "number,name,red,green,blue,reader,state\n2,liver,255,0,0,somebody,approved\n"
        )
        assert read_label_table(tmp_path / "later.csv") == (Label(2, "liver", (1.0, 0.0, 0.0)),)

    def test_itk_snap_file_with_background_is_read(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text(
            "# comment\n"
            '    0     0    0    0        0  0  0    "Clear Label"\n'
            '    2   255    0   51      0.5  1  1    "left lung"\n'
        )
        assert read_label_table(tmp_path / "a.txt") == (Label(2, "left lung", (1.0, 0.0, 0.2)),)

    def test_line_that_makes_no_sense_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("number,name,red,green,blue\n1,liver,255,0,0\nx,y\n")
        with pytest.raises(ReadError, match=r"Line 3 of a\.csv"):
            read_label_table(tmp_path / "a.csv")

    def test_unknown_suffix_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(SaveError, match=r"\.txt"):
            write_label_table(tmp_path / "a.xls", TABLE)
