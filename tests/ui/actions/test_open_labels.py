"""Label files onto the open image, and the label table as a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtWidgets import QFileDialog

from napari_medsam.engine.data.labels import Label
from napari_medsam.formats.common.coded_terms import term_of
from napari_medsam.formats.common.label_file import LabelFile
from napari_medsam.formats.common.label_table import read_label_table, write_label_table
from napari_medsam.formats.images.read import read_image
from napari_medsam.formats.labels.write import write_labels
from napari_medsam.ui.actions import open_labels
from napari_medsam.ui.actions.label_rows import rows_of
from napari_medsam.ui.actions.open_labels import ADD, FILL, LEAVE, REPLACE, RESAMPLE
from napari_medsam.ui.actions.save import SaveOptions
from napari_medsam.ui.layers.labels_layer import GRID, TABLE
from napari_medsam.ui.plugin.reader import get_reader
from tests.formats.dicom_files import REFERABLE, segments_by_highdicom, write_series
from tests.ui.desk import Desk, TinyModelSource, ellipsoid
from tests.ui.hands import answer, click, let_pass, wait_for
from tests.ui.window import Window

GREEN = (0.0, 1.0, 0.0)
TABLE_OF_FILE = (Label(2, "liver", GREEN), Label(5, "spleen", (0.2, 0.4, 0.6)))


def drawn() -> np.ndarray:
    labels = np.zeros(ellipsoid().shape, np.uint8)
    labels[4:9, 10:30, 12:20] = 2
    labels[12:15, 30:50, 8:30] = 5
    return labels


def save_on(desk: Desk, path: Path, labels: np.ndarray | None = None, **more: Any) -> Path:
    """A label file on the grid of the image that is open."""
    labels = drawn() if labels is None else labels
    return write_labels(path, labels, desk.controller.case.image.grid, TABLE_OF_FILE, **more).path


def finer(path: Path) -> Path:
    """`drawn` on a grid of half the slice distance, at the same place as the desk's image."""
    affine = np.diag([-0.8, -0.8, 1.5, 1.0])
    affine[:3, 3] = -10, 20, 30
    voxels = np.repeat(drawn(), 2, axis=0).transpose(2, 1, 0)
    nib.save(nib.Nifti1Image(voxels, affine), path)
    return path


@pytest.mark.parametrize("name", ["l.seg.nrrd", "l.nii.gz"])
def test_labels_are_laid_onto_the_image_with_names_and_colours(
    name: str, desk: Desk, tmp_path: Path
) -> None:
    desk.controller.label_files.open(save_on(desk, tmp_path / name, description=True))
    np.testing.assert_array_equal(desk.labels, drawn())
    rows = {row.number: row for row in desk.view.panel.labels}
    assert (rows[2].name, rows[5].name) == ("liver", "spleen")
    assert rows[2].color == pytest.approx(GREEN, abs=0.01)
    assert desk.view.panel.message == f"Opened {name}: 2 labels. Undo removes them."
    desk.controller.history.undo()
    assert not desk.labels.any()
    assert desk.view.panel.message == f"Undone: opening of {name}."


def test_one_opened_label_is_it(desk: Desk, tmp_path: Path) -> None:
    path = save_on(desk, tmp_path / "one.nii.gz", (drawn() == 2).astype(np.uint8))
    desk.controller.label_files.open(path)
    assert desk.view.panel.message == "Opened one.nii.gz: 1 label. Undo removes it."


def test_message_about_another_file_is_gone_when_the_question_is_asked(
    desk: Desk, tmp_path: Path
) -> None:
    seen: list[str] = []

    def ask(question: str, answers: tuple[str, ...]) -> None:
        seen.append(desk.view.panel.message)

    desk.controller.label_files._ask = ask
    desk.controller.show_message("fake.nii.gz is not a NIfTI file.", True)
    desk.controller.label_files.open(finer(tmp_path / "fine.nii.gz"))
    assert seen == [""]


def test_another_grid_is_asked_about_and_resampled(desk: Desk, tmp_path: Path) -> None:
    desk.view.answers.append(RESAMPLE)
    desk.controller.label_files.open(finer(tmp_path / "fine.nii.gz"))
    assert "half a voxel" in desk.view.asked[0]
    assert set(np.unique(desk.labels)) == {0, 2, 5}
    overlap = 2 * np.count_nonzero((desk.labels == 2) & (drawn() == 2))
    assert overlap / (np.count_nonzero(desk.labels == 2) + np.count_nonzero(drawn() == 2)) > 0.85
    assert "nearest neighbour" in desk.view.panel.message
    assert desk.view.panel.is_problem


def test_another_grid_is_left_unchanged_unless_asked_for(desk: Desk, tmp_path: Path) -> None:
    desk.controller.label_files.open(finer(tmp_path / "fine.nii.gz"))
    assert not desk.labels.any()
    assert "was not opened" in desk.view.panel.message


@pytest.mark.parametrize(("said", "n_slices"), [(FILL, 5), (LEAVE, 3), (None, 0)])
def test_slices_between_contours_are_filled_if_the_user_says_so(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str | None, n_slices: int
) -> None:
    def read(path: Path, grid: Any, *, resample: bool, fill_gaps: bool) -> LabelFile:
        labels = drawn() // 2 * (np.arange(len(drawn())) < 9)[:, None, None]
        return LabelFile(labels) if fill_gaps else LabelFile(sparse(labels), gaps="Every second.")

    def sparse(labels: np.ndarray) -> np.ndarray:
        return labels * (np.arange(len(labels)) % 2 == 0)[:, None, None]

    monkeypatch.setattr(open_labels, "read_label_file", read)
    if said is not None:
        desk.view.answers.append(said)
    path = tmp_path / "plan.rtstruct.dcm"
    path.write_bytes(b"contours")
    desk.controller.label_files.open(path)
    assert desk.view.asked == ["Every second.\n\nFill the slices between?"]
    assert np.count_nonzero(desk.labels.any(axis=(1, 2))) == n_slices
    assert ("was not opened" in desk.view.panel.message) == (said is None)


def test_labels_without_a_position_are_refused_without_a_question(
    desk: Desk, tmp_path: Path
) -> None:
    desk.view.answers.append(RESAMPLE)
    np.savez(tmp_path / "labels.npz", imgs=np.ones((2, 3, 4), np.uint8))
    desk.controller.label_files.open(tmp_path / "labels.npz")
    assert desk.view.asked == []
    assert desk.view.panel.message.startswith("labels.npz is on another grid than the image")
    assert not desk.labels.any()


def scan(path: Path, voxels: np.ndarray) -> Path:
    """An image file on a grid of its own."""
    nib.save(nib.Nifti1Image(voxels, np.diag([2.0, 2.0, 2.0, 1.0])), path)
    return path


def test_question_about_another_grid_names_both_sizes(desk: Desk, tmp_path: Path) -> None:
    desk.controller.label_files.open(finer(tmp_path / "fine.nii.gz"))
    assert desk.view.asked[0].startswith(
        "fine.nii.gz has 48 x 64 x 40 voxels, the image 48 x 64 x 20. Does it belong to this image?"
    )


def test_another_place_of_the_same_size_is_asked_about_too(desk: Desk, tmp_path: Path) -> None:
    desk.controller.label_files.open(scan(tmp_path / "moved.nii.gz", drawn().transpose(2, 1, 0)))
    assert "has the image's size but another grid (spacing" in desk.view.asked[0]
    assert "Does it belong to this image?" in desk.view.asked[0]


@pytest.mark.parametrize(
    ("lowest", "highest", "dtype", "why"),
    [
        pytest.param(-1000, 1000, np.int16, "negative numbers", id="ct"),
        pytest.param(0, 1000, np.int16, "different values", id="mr"),
        pytest.param(0, 256, np.uint8, "different values", id="8 bits"),
        pytest.param(0, 9, np.float32, "fractions", id="fractions"),
    ],
)
def test_image_is_refused_as_labels_before_its_grid_is_asked_about(
    lowest: int, highest: int, dtype: type, why: str, desk: Desk, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).random((30, 40, 25)) * (highest - lowest) + lowest
    desk.controller.label_files.open(scan(tmp_path / "scan.nii.gz", noise.astype(dtype)))
    assert desk.view.asked == []
    assert desk.view.panel.message.startswith("scan.nii.gz is not a label file: it holds ")
    assert why in desk.view.panel.message
    if why == "negative numbers":
        assert desk.view.panel.message.endswith("and label numbers start at 0.")
    assert not desk.labels.any()


def test_many_labels_are_no_image(desk: Desk, tmp_path: Path) -> None:
    labels = (np.indices(ellipsoid().shape) // 4 * [[[[100]]], [[[16]]], [[[1]]]]).sum(0) + 1
    desk.controller.label_files.open(save_on(desk, tmp_path / "l.nii.gz", labels))
    np.testing.assert_array_equal(desk.labels, labels)
    assert len(np.unique(labels)) > 100


def test_text_is_no_label_file(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear colleague")
    desk.controller.label_files.open(tmp_path / "letter.txt")
    assert desk.view.panel.message.startswith("letter.txt is not a label file (.nii.gz, ")
    assert len(desk.view.panel.message) < 120


def test_labels_that_are_there_are_kept_or_replaced_as_asked(desk: Desk, tmp_path: Path) -> None:
    desk.draw_on(10)
    painted = desk.labels.copy()
    path = save_on(desk, tmp_path / "l.nii.gz", np.where(drawn() == 2, 1, 0).astype(np.uint8))
    desk.view.answers[:] = [None, ADD]
    desk.controller.label_files.open(path)
    np.testing.assert_array_equal(desk.labels, painted)
    desk.controller.label_files.open(path)
    np.testing.assert_array_equal(desk.labels == 1, painted == 1)
    assert np.count_nonzero(desk.labels == 2)
    desk.controller.history.undo()
    desk.view.answers.append(REPLACE)
    desk.controller.label_files.open(path)
    np.testing.assert_array_equal(desk.labels == 1, drawn() == 2)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("l.nii.gz", b""),
        ("l.seg.nrrd", b"NRRD0004\ntype: short\n"),
        ("l.json", b"{"),
        ("l.dcm", b"x"),
    ],
)
def test_bad_label_file_leaves_everything_as_it_was(
    name: str, content: bytes, desk: Desk, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    desk.draw_on(10)
    painted, n_events = desk.labels.copy(), len(desk.annotation.log)
    desk.controller.label_files.open(tmp_path / name)
    np.testing.assert_array_equal(desk.labels, painted)
    assert len(desk.annotation.log) == n_events
    assert desk.view.panel.is_problem
    assert desk.view.panel.progress is None


def test_label_table_goes_out_and_in_again(desk: Desk, tmp_path: Path) -> None:
    write_label_table(tmp_path / "in.txt", TABLE_OF_FILE)
    desk.controller.label_files.import_table(tmp_path / "in.txt")
    assert [row.name for row in desk.view.panel.labels] == ["Label 1", "liver", "spleen"]
    desk.controller.label_files.export_table(tmp_path / "out.csv")
    out = read_label_table(tmp_path / "out.csv")
    for row, label in zip(out, desk.annotation.table, strict=True):
        assert (row.number, row.name) == (label.number, label.name)
        assert row.color == pytest.approx(label.color, abs=1 / 255)
    desk.controller.history.undo()
    assert len(desk.annotation.table) == 1


def test_bad_label_table_changes_nothing(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("1,liver,red\n")
    before = desk.annotation.table
    desk.controller.label_files.import_table(tmp_path / "bad.csv")
    assert desk.annotation.table == before
    assert "Line 1 of bad.csv" in desk.view.panel.message


def test_renamed_label_takes_the_code_of_its_new_name(desk: Desk) -> None:
    case = desk.controller.case
    case.rename_label(1, "liver")
    assert term_of(desk.annotation.table[0]).type.value == "10200004"
    case.rename_label(1, "spleen")
    assert term_of(desk.annotation.table[0]).type.value == "78961009"
    assert rows_of(case)[0].code == "Spleen (SCT 78961009)"


def test_one_file_a_label_with_names_beside(desk: Desk, tmp_path: Path) -> None:
    desk.controller.label_files.open(save_on(desk, tmp_path / "l.seg.nrrd"))
    desk.controller.save(tmp_path / "out.nii.gz", SaveOptions(one_a_label=True, description=True))
    for name, number in (("liver", 2), ("spleen", 5)):
        saved = nib.load(tmp_path / f"out_{name}.nii.gz")
        np.testing.assert_array_equal(
            np.asarray(saved.dataobj).transpose(2, 1, 0), drawn() == number
        )
        (label,) = read_label_table(tmp_path / f"out_{name}.label.txt")
        assert (label.number, label.name) == (1, name)
    assert desk.view.panel.message == "Saved and checked: 2 files, 2 labels."
    for name in ("out_liver.nii.gz", "out_spleen.nii.gz"):
        assert f"{tmp_path / name}: " in desk.view.panel.detail
    assert not desk.view.panel.is_dirty


def test_no_label_is_no_file_of_its_own(desk: Desk, tmp_path: Path) -> None:
    desk.controller.save(tmp_path / "out.nii.gz", SaveOptions(one_a_label=True))
    assert "no label to save" in desk.view.panel.message
    assert not list(tmp_path.glob("out*"))


def test_label_file_without_an_image_is_a_layer_of_its_own(desk: Desk, tmp_path: Path) -> None:
    path = save_on(desk, tmp_path / "l.seg.nrrd")
    read = get_reader(str(path))
    assert read is not None
    [(data, settings, kind)] = read(str(path))
    layer = Labels(data, **settings)
    assert kind == "labels"
    np.testing.assert_array_equal(layer.data, drawn())
    np.testing.assert_allclose(layer.scale, (3.0, 0.8, 0.8))
    assert [one.name for one in layer.metadata[TABLE]] == ["liver", "spleen"]
    assert layer.metadata[GRID].lps.origin_xyz == pytest.approx((10, -20, 30))
    np.testing.assert_allclose(layer.get_color(2)[:3], GREEN, atol=0.01)


class TestOnTheScreen:
    """Through napari, the dialogs and a real mouse."""

    pytestmark = pytest.mark.gui

    @pytest.fixture
    def window(self, make_napari_viewer: Callable[..., Any], tmp_path: Path) -> Iterator[Window]:
        made = Window(make_napari_viewer(show=True), TinyModelSource())
        write_series(tmp_path / "ct", ellipsoid().astype(np.int16), tags=REFERABLE)
        made.viewer.open(str(tmp_path / "ct"), plugin="napari-medsam")
        wait_for(lambda: made.controller.case is not None)
        wait_for(lambda: made.controller.desk.state.state == "ready")
        yield made
        made.controller.close()

    @pytest.mark.parametrize("name", ["l.seg.dcm", "l.rtstruct.dcm", "l.seg.nrrd"])
    def test_dropped_label_file_lands_on_the_open_image(
        self, name: str, window: Window, tmp_path: Path
    ) -> None:
        pytest.importorskip("highdicom", reason="needs the extra [dicom]")
        grid = read_image(tmp_path / "ct").grid
        path = write_labels(tmp_path / name, drawn(), grid, TABLE_OF_FILE).path
        n_layers = len(window.viewer.layers)
        window.viewer.open(str(path), plugin="napari-medsam")
        wait_for(lambda: window.labels.any())
        np.testing.assert_array_equal(window.labels, drawn())
        assert window.parts.table.item(1, 2).text() == "liver"
        assert len(window.viewer.layers) == n_layers
        window.look_at("z", 13)
        window.picture(f"opened_{name.split('.')[1]}")

    def test_image_and_labels_opened_together_belong_together(
        self, make_napari_viewer: Callable[..., Any], tmp_path: Path
    ) -> None:
        pytest.importorskip("highdicom", reason="needs the extra [dicom]")
        write_series(tmp_path / "ct", ellipsoid().astype(np.int16), tags=REFERABLE)
        grid = read_image(tmp_path / "ct").grid
        path = write_labels(tmp_path / "l.rtstruct.dcm", drawn(), grid, TABLE_OF_FILE).path
        made = Window(make_napari_viewer(show=True), TinyModelSource())
        made.viewer.open([str(tmp_path / "ct"), str(path)], plugin="napari-medsam")
        wait_for(lambda: made.controller.case is not None and made.labels.any())
        np.testing.assert_array_equal(made.labels, drawn())
        made.controller.close()

    def test_button_opens_a_file_and_the_question_is_answered_by_mouse(
        self, window: Window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        affine = np.diag([-0.7, -0.9, 1.25, 1.0])
        affine[:3, 3] = 30, -12, 50
        voxels = np.repeat(drawn(), 2, axis=0).transpose(2, 1, 0)
        path = tmp_path / "fine.nii.gz"
        nib.save(nib.Nifti1Image(voxels, affine), path)
        monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))

        def resample(box: Any) -> None:
            window.shot(box, "question_resample")
            click(next(b for b in box.buttons() if b.text().replace("&", "") == RESAMPLE))

        answer(resample)
        click(window.parts.buttons["open_labels"])
        wait_for(lambda: window.labels.any())
        assert "nearest neighbour" in window.parts.message.text()
        window.picture("resampled")

    def test_format_chosen_in_the_dialog_is_what_is_saved(
        self, window: Window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pytest.importorskip("highdicom", reason="needs the extra [dicom]")
        offered: list[str] = []

        def choose(_: Any, __: str, suggested: str, filters: str) -> tuple[str, str]:
            offered.extend(filters.split(";;"))
            return suggested, next(one for one in offered if one.startswith("DICOM SEG"))

        monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
        window.look_at("z", 10)
        window.draw((10, 12, 10), (10, 48, 38))
        click(window.parts.buttons["save"])
        wait_for(lambda: "Saved " in window.parts.message.text())
        assert [one.split(" (")[0] for one in offered] == [
            "NIfTI", "3D Slicer segmentation", "NRRD", "MetaImage",
            "DICOM SEG", "DICOM label map", "DICOM RTSTRUCT",
        ]  # fmt: skip
        (saved,) = tmp_path.glob("*_labels.seg.dcm")
        with segments_by_highdicom(saved) as seg:
            assert seg.number_of_segments == 1

    def test_menu_saves_one_file_a_label(
        self, window: Window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target = tmp_path / "each.nii.gz"
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
        window.look_at("z", 10)
        window.draw((10, 12, 10), (10, 48, 38))
        window.parts.files.description.trigger()
        window.parts.files.menu.popup(window.parts.files.more.mapToGlobal(window.parts.pos()))
        let_pass(100)
        window.shot(window.parts.files.menu, "more_menu")
        window.parts.files.menu.hide()
        window.parts.buttons["save_each_label"].trigger()
        wait_for(lambda: "Saved and checked: each_Label_1.nii.gz" in window.parts.message.text())
        assert (tmp_path / "each_Label_1.label.txt").is_file()
