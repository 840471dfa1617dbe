"""Labels from another grid, one file a label, tables beside files, and coded terms."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from napari_medsam.diagnostics.format_check import VOXELS, _write_series
from napari_medsam.engine.data.labels import Label
from napari_medsam.formats.common.cielab import cielab_from_rgb, rgb_from_cielab
from napari_medsam.formats.common.coded_terms import (
    UNKNOWN,
    Code,
    CodedLabel,
    Term,
    term_of,
    with_term,
)
from napari_medsam.formats.common.errors import OtherGrid, ReadError, SaveError
from napari_medsam.formats.common.grid import Geometry, SourceGrid
from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.formats.common.label_table import read_label_table, write_label_table
from napari_medsam.formats.images.read import read_image
from napari_medsam.formats.images.write import write_image
from napari_medsam.formats.labels.label_formats import BY_SUFFIX
from napari_medsam.formats.labels.per_label import label_paths, write_label_files
from napari_medsam.formats.labels.read import read_label_file
from napari_medsam.formats.labels.resample import resampled
from napari_medsam.formats.labels.write import write_labels
from napari_medsam.storage import atomic_write
from napari_medsam.storage.file_names import name_key
from tests import windows_rules

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


@pytest.mark.parametrize(
    "names",
    [
        ("Liver", "liver"),
        ("Müller", unicodedata.normalize("NFD", "Müller")),
        ("x", "x", "x_1"),
        ("x", "x", "X_2", "x_3"),
        ("a b", "a_b"),
        ("", "1"),
    ],
)
def test_no_label_s_file_overwrites_another_s_on_any_system(names: tuple[str, ...]) -> None:
    rows = [Label(n, name, (1.0, 0.0, 0.0)) for n, name in enumerate(names, start=1)]
    paths = label_paths(Path("case.nii.gz"), rows)
    assert len({name_key(path.name) for path in paths}) == len(names)
    assert all(path.name.startswith("case_") for path in paths)


def test_label_table_of_a_german_excel_is_read(tmp_path: Path) -> None:
    write_label_table(tmp_path / "plain.csv", TABLE)
    text = (tmp_path / "plain.csv").read_bytes().decode().replace(",", ";")
    (tmp_path / "excel.csv").write_bytes(text.encode("utf-8-sig"))
    assert read_label_table(tmp_path / "excel.csv") == read_label_table(tmp_path / "plain.csv")


def test_label_table_in_a_code_page_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("1,Rückenmark,255,0,0\n".encode("cp1252"))
    with pytest.raises(ReadError, match=r"a\.csv is not in UTF-8; save it as UTF-8"):
        read_label_table(tmp_path / "a.csv")


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
@pytest.mark.parametrize("suffix", list(BY_SUFFIX))
def test_labels_that_were_opened_here_can_be_saved_over_on_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """Nothing of ours keeps a file open that it has read or written."""
    image = image_for(suffix, tmp_path)
    refused = windows_rules.enforce(monkeypatch)
    labels = np.zeros(image.volume.shape_zyx, np.uint8)
    labels[..., 1:3, 1:3] = 1
    target = tmp_path / f"labels{suffix}"
    saved = write_labels(target, labels, image.grid, TABLE[:1])
    back = read_label_file(target, image.grid)
    write_labels(target, labels, image.grid, TABLE[:1])
    assert refused == []
    assert back is not None
    assert saved.n_voxels > 0
    assert not [one for one in tmp_path.iterdir() if one.name.startswith(".")]


def image_for(suffix: str, folder: Path) -> ImageFile:
    """An image that labels of a format can belong to."""
    if suffix.endswith(".dcm"):
        (folder / "series").mkdir()
        _write_series(folder / "series")
        return read_image(folder / "series")
    if suffix in (".png", ".tif", ".tiff", ".json"):
        sitk.WriteImage(sitk.GetImageFromArray(VOXELS[0].astype(np.uint8)), folder / "page.png")
        return read_image(folder / "page.png")
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS), folder / "volume.nii.gz")
    return read_image(folder / "volume.nii.gz")


@pytest.mark.parametrize(
    ("winerror", "state"),
    [
        (5, "may be open in another program, or may be write-protected"),
        (32, "is open in another program"),
    ],
)
def test_labels_open_in_another_program_are_named_and_unchanged(
    tmp_path: Path,
    grid: SourceGrid,
    labels: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    winerror: int,
    state: str,
) -> None:
    target = tmp_path / "labels.nii.gz"
    write_labels(target, labels, grid)
    before = target.read_bytes()

    def replace(*paths: object) -> None:
        raise windows_rules.refusal(paths[-1], winerror)

    monkeypatch.setattr(atomic_write, "PAUSES_SECONDS", (0.0,))
    monkeypatch.setattr("os.replace", replace)
    for write in (
        lambda: write_labels(target, labels, grid),
        lambda: write_image(target, read_image(grid.source)),
    ):
        with pytest.raises(SaveError, match=rf"labels\.nii\.gz {state}; close"):
            write()
    assert target.read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["image.nii.gz", "labels.nii.gz"]


@pytest.mark.parametrize("name", ["aux.nii.gz", "a:b.nii.gz"])
def test_name_that_windows_does_not_take_is_refused_only_there(
    tmp_path: Path, grid: SourceGrid, labels: np.ndarray, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write_labels(tmp_path / name, labels, grid)
    monkeypatch.setattr("napari_medsam.formats.images.write.is_windows", lambda: True)
    (tmp_path / name).unlink()
    with pytest.raises(SaveError, match="Windows"):
        write_labels(tmp_path / name, labels, grid)
    with pytest.raises(SaveError, match="Windows"):
        write_image(tmp_path / name, read_image(grid.source))
    assert [one.name for one in tmp_path.iterdir()] == ["image.nii.gz"]
