"""napari's File > Save: the name chooses the format, and the dock knows of the file."""

from __future__ import annotations

import contextlib
import gzip
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from napari.components import ViewerModel
from napari.layers import Image, Labels
from npe2 import DynamicPlugin, PluginManager
from qtpy.QtWidgets import QFileDialog

from napari_medsam.formats.labels.read import read_labels
from napari_medsam.ui.actions.save import BORROWED, CHANGED, REPLACE
from napari_medsam.ui.plugin import writer
from napari_medsam.ui.plugin.current_dock import case_of
from napari_medsam.ui.plugin.reader import get_reader
from napari_medsam.ui.plugin.writer import write_nifti, write_seg_nrrd
from napari_medsam.ui.state.resume_offers import ONLY_LOOK
from tests.formats.dicom_files import REFERABLE, write_series
from tests.ui.desk import Desk, TinyModelSource, ellipsoid, image_layer, make_desk
from tests.ui.hands import let_pass, wait_for
from tests.ui.window import Window


@pytest.fixture
def drawn(desk: Desk) -> Desk:
    PluginManager.instance().discover()
    desk.draw_on(10)
    return desk


def save(desk: Desk, path: Path) -> list[str]:
    """As File > Save Selected Layers does with the labels layer."""
    PluginManager.instance().discover()
    layer = desk.controller.case.labels.layer
    desk.viewer.layers.selection = {layer}
    return desk.viewer.layers.save(str(path), selected=True)


@pytest.fixture
def rival() -> Iterator[list[str]]:
    """Another plugin that saves labels under the last part of our endings; what it was given."""
    given: list[str] = []
    manager = PluginManager.instance()
    manager.discover()
    plugin = DynamicPlugin("a-rival", plugin_manager=manager)
    plugin.register()

    @plugin.contribute.writer(
        layer_types=["labels"], filename_extensions=[".nrrd", ".gz", ".dcm", ".tar.gz"]
    )
    def write(path: str, data: Any, meta: Any) -> list[str]:
        given.append(path)
        return [path]

    yield given
    plugin.cleanup()


@pytest.mark.usefixtures("rival")
@pytest.mark.parametrize("name", ["l.nii.gz", "l.nii", "L.NII.GZ", "my.scan.nii.gz"])
def test_nifti_is_compressed_as_its_name_says(drawn: Desk, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert save(drawn, path) == [str(path)]
    is_zipped = path.read_bytes()[:2] == b"\x1f\x8b"
    assert is_zipped == name.lower().endswith(".gz")
    plain = nib.Nifti1Image.from_bytes(unzipped(path))
    np.testing.assert_array_equal(np.asarray(plain.dataobj).transpose(2, 1, 0), drawn.labels)


def unzipped(path: Path) -> bytes:
    return (
        gzip.decompress(path.read_bytes())
        if path.name.lower().endswith("gz")
        else (path.read_bytes())
    )


@pytest.mark.parametrize("name", ["l.seg.nrrd", "L.SEG.NRRD", "l.Seg.Nrrd"])
def test_seg_nrrd_goes_to_3d_slicers_writer(
    drawn: Desk, tmp_path: Path, name: str, rival: list[str]
) -> None:
    assert save(drawn, tmp_path / name) == [str(tmp_path / name)]
    assert rival == []
    assert segments(tmp_path / name) == ["Label 1"]


def segments(path: Path) -> list[str]:
    """The names of a 3D Slicer segmentation's segments; none in any other NRRD."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO("NrrdImageIO")
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    keys = [key for key in reader.GetMetaDataKeys() if key.endswith("_Name")]
    return [reader.GetMetaData(key) for key in keys if key.startswith("Segment")]


@pytest.mark.parametrize("name", ["l.nrrd", "L.NRRD", "l.mha", "l.seg.mha"])
def test_plain_nrrd_and_mha_hold_no_segments(drawn: Desk, tmp_path: Path, name: str) -> None:
    save(drawn, tmp_path / name)
    is_nrrd = name.lower().endswith("nrrd")
    read = sitk.ReadImage(str(tmp_path / name), imageIO="NrrdImageIO" if is_nrrd else "MetaImageIO")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read), drawn.labels)
    assert not is_nrrd or segments(tmp_path / name) == []


@pytest.mark.parametrize(
    ("name", "modality"),
    [("l.seg.dcm", "SEG"), ("L.SEG.DCM", "SEG"), ("l.rtstruct.dcm", "RTSTRUCT")],
)
def test_dicom_objects_are_told_apart_by_the_whole_name(
    desk: Desk, tmp_path: Path, name: str, modality: str, rival: list[str]
) -> None:
    pytest.importorskip("highdicom")
    series = tmp_path / "series"
    write_series(series, ellipsoid().astype(np.int16), tags=REFERABLE)
    [(data, how, _)] = get_reader(str(series))(str(series))
    desk.open(Image(data, **how))
    layer = desk.controller.case.labels.layer
    n = desk.controller.case.image.volume.shape_zyx[0] // 2
    desk.viewer.dims.set_point(0, n * how["scale"][0])
    layer.data_setitem((np.array([n] * 2), np.array([8, 9]), np.array([8, 8])), 1)
    assert save(desk, tmp_path / name) == [str(tmp_path / name)]
    assert rival == []
    assert pydicom.dcmread(tmp_path / name).Modality == modality


# --- the dock knows --------------------------------------------------------------------


def test_saved_by_napari_is_saved_for_the_dock(drawn: Desk, tmp_path: Path) -> None:
    assert drawn.view.panel.is_dirty
    save(drawn, tmp_path / "l.nii.gz")
    assert not drawn.view.panel.is_dirty
    assert drawn.controller.unsaved() == []
    assert drawn.view.panel.message == "Saved and checked: l.nii.gz, 1 label."
    drawn.draw_on(12)
    assert drawn.view.panel.is_dirty


def by_dock(desk: Desk, path: Path) -> None:
    desk.controller.save(path)


def by_napari(desk: Desk, path: Path) -> None:
    with contextlib.suppress(RuntimeError):
        save(desk, path)


@pytest.mark.parametrize("second", [by_dock, by_napari])
@pytest.mark.parametrize("first", [by_dock, by_napari])
def test_both_ways_to_save_mark_the_same(
    drawn: Desk,
    tmp_path: Path,
    first: Callable[[Desk, Path], None],
    second: Callable[[Desk, Path], None],
) -> None:
    path, proposed = tmp_path / "l.nii.gz", drawn.controller.suggested_path()
    first(drawn, path)
    panel = drawn.view.panel
    assert (panel.is_dirty, panel.has_failed_save) == (False, False)
    assert panel.message == "Saved and checked: l.nii.gz, 1 label."
    assert "read back with nibabel" in panel.detail
    assert drawn.controller.suggested_path() == tmp_path / proposed.name
    drawn.draw_on(12)
    second(drawn, path)
    assert drawn.view.asked == [], "nobody else wrote the file"
    assert not drawn.view.panel.is_dirty
    path.write_bytes(b"other work")
    drawn.draw_on(13)
    second(drawn, path)
    assert drawn.view.asked == [f"l.nii.gz: {CHANGED}"], "one question"
    assert path.read_bytes() == b"other work"
    assert (drawn.view.panel.is_dirty, drawn.view.panel.has_failed_save) == (True, False)
    drawn.view.answers.append(REPLACE)
    second(drawn, path)
    assert len(drawn.view.asked) == 2
    assert not drawn.view.panel.is_dirty


@pytest.mark.parametrize("way", [by_dock, by_napari])
def test_both_ways_to_save_fail_the_same(
    drawn: Desk, tmp_path: Path, way: Callable[[Desk, Path], None]
) -> None:
    way(drawn, tmp_path / "nowhere" / "l.nii.gz")
    assert (drawn.view.panel.is_dirty, drawn.view.panel.has_failed_save) == (True, True)
    way(drawn, tmp_path / "l.nii.gz")
    assert (drawn.view.panel.is_dirty, drawn.view.panel.has_failed_save) == (False, False)


def test_save_all_layers_saves_the_labels_if_they_are_the_only_layer(
    drawn: Desk, tmp_path: Path
) -> None:
    layer = drawn.controller.case.labels.layer
    alone = ViewerModel()
    alone.add_layer(layer)
    assert alone.layers.save(str(tmp_path / "l.nii.gz")) == [str(tmp_path / "l.nii.gz")]
    assert not drawn.view.panel.is_dirty


@pytest.mark.gui
def test_save_all_layers_to_a_folder_counts_as_saved_where_napari_moves_it(
    make_napari_viewer: Callable[..., Any], tmp_path: Path
) -> None:
    window = Window(make_napari_viewer(show=True), TinyModelSource())
    window.open(image_layer())
    window.look_at("z", 10)
    window.draw((10, 12, 10), (10, 48, 38))
    case = window.controller.case
    window.viewer.layers.save(str(tmp_path / "all"))
    path = tmp_path / "all" / "case labels.nii.gz"
    if not path.exists():
        assert window.controller.unsaved() != []
        window.controller.close()
        pytest.skip("this napari saves all layers with its own writers only")
    wait_for(lambda: window.controller.unsaved() == [])
    assert f"Saved and checked: {path.name}" in window.parts.message.text()
    np.testing.assert_array_equal(read_labels(path, case.image.grid), case.annotation.labels)
    path.write_bytes(b"other work")
    assert case.files.changed([path]) == [path]
    case.annotation.load_labels(np.zeros_like(case.annotation.labels))
    with pytest.raises(shutil.Error, match="already exists"):
        window.viewer.layers.save(str(tmp_path / "all"))
    let_pass(100)
    assert path.read_bytes() == b"other work"
    assert window.controller.unsaved() != [], "napari moved nothing"
    window.controller.close()


def test_file_that_others_changed_is_asked_about_by_napari_too(drawn: Desk, tmp_path: Path) -> None:
    path = tmp_path / "l.nii.gz"
    save(drawn, path)
    path.write_bytes(b"other work")
    drawn.draw_on(12)
    with pytest.raises(RuntimeError, match="was not replaced"):
        save(drawn, path)
    assert "another program has changed" in drawn.view.asked[-1]
    assert path.read_bytes() == b"other work"
    assert drawn.view.panel.is_dirty
    drawn.view.answers.append(REPLACE)
    save(drawn, path)
    assert np.count_nonzero(nib.load(path).get_fdata()) == np.count_nonzero(drawn.labels)


def test_dock_does_not_ask_about_a_file_that_napari_saved(drawn: Desk, tmp_path: Path) -> None:
    save(drawn, tmp_path / "l.nii.gz")
    drawn.draw_on(12)
    drawn.controller.save(tmp_path / "l.nii.gz")
    assert drawn.view.asked == []
    assert not drawn.view.panel.is_dirty


def test_window_that_only_looks_replaces_no_file_through_napari(
    drawn: Desk, tmp_path: Path
) -> None:
    path = tmp_path / "l.nii.gz"
    save(drawn, path)
    second = make_desk()
    second.view.replies.append(ONLY_LOOK)
    second.open(image_layer())
    second.draw_on(12)
    with pytest.raises(RuntimeError, match=BORROWED):
        save(second, path)
    second.controller.close()


def test_case_that_waits_is_marked_saved_and_the_open_one_is_not(
    drawn: Desk, tmp_path: Path
) -> None:
    first = drawn.controller.case
    drawn.open(image_layer(ellipsoid(), "other"))
    drawn.draw_on(10)
    layer = first.labels.layer
    write_nifti(str(tmp_path / "l.nii.gz"), *layer.as_layer_data_tuple()[:2])
    assert drawn.controller.unsaved() == ["other"]


def test_copy_of_the_labels_is_no_save_of_them(drawn: Desk, tmp_path: Path) -> None:
    data, meta, _ = drawn.controller.case.labels.layer.as_layer_data_tuple()
    copy = Labels(data.copy(), **{k: meta[k] for k in ("scale", "metadata")})
    assert case_of(copy.data) is None
    write_nifti(str(tmp_path / "l.nii.gz"), *copy.as_layer_data_tuple()[:2])
    assert drawn.view.panel.is_dirty


def test_picture_saved_by_napari_is_saved_for_the_dock(desk: Desk, tmp_path: Path) -> None:
    desk.open(image_layer(ellipsoid()[10:11], "picture"))
    desk.draw((12, 10), (48, 38)) if desk.boxes.ndim == 2 else desk.draw_on(0)
    assert desk.view.panel.is_dirty
    save(desk, tmp_path / "l.png")
    assert not desk.view.panel.is_dirty


def test_nothing_is_saved_past_a_save_that_runs(tmp_path: Path) -> None:
    desk = make_desk()
    desk.open(image_layer())
    desk.draw_on(10)
    lane = desk.controller.workspace.lanes.saving
    lane.start = lambda job: None  # type: ignore[method-assign]
    desk.controller.save(tmp_path / "l.nii.gz")
    with pytest.raises(RuntimeError, match="already being saved"):
        save(desk, tmp_path / "l.nii.gz")
    desk.controller.close()


def test_labels_of_a_closed_dock_are_saved_as_a_layer(drawn: Desk, tmp_path: Path) -> None:
    layer = drawn.controller.case.labels.layer
    drawn.controller.close()
    assert case_of(layer.data) is None
    write_nifti(str(tmp_path / "l.nii.gz"), *layer.as_layer_data_tuple()[:2])
    np.testing.assert_allclose(
        nib.load(tmp_path / "l.nii.gz").header.get_zooms(), (0.8, 0.8, 3.0), atol=1e-6
    )


# --- a name without an ending ----------------------------------------------------------


def test_name_without_an_ending_gets_that_of_the_format(drawn: Desk, tmp_path: Path) -> None:
    given = drawn.controller.case.labels.layer.as_layer_data_tuple()[:2]
    assert write_seg_nrrd(str(tmp_path / "case labels"), *given) == [
        str(tmp_path / "case labels.seg.nrrd")
    ]
    assert write_nifti(str(tmp_path / "1.5 T"), *given) == [str(tmp_path / "1.5 T.nii.gz")]
    assert len(segments(tmp_path / "case labels.seg.nrrd")) == 1


def test_file_that_the_dialog_did_not_ask_about_is_left(drawn: Desk, tmp_path: Path) -> None:
    there = tmp_path / "l.seg.nrrd"
    there.write_bytes(b"theirs")
    given = drawn.controller.case.labels.layer.as_layer_data_tuple()[:2]
    with pytest.raises(RuntimeError, match="already exists"):
        write_seg_nrrd(str(tmp_path / "l"), *given)
    assert there.read_bytes() == b"theirs"


@pytest.mark.gui
@pytest.mark.parametrize("name", ["case labels", "case labels.seg.nrrd"])
def test_format_chosen_in_naparis_dialog_is_written(
    make_napari_viewer: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    window = Window(make_napari_viewer(show=True), TinyModelSource())
    window.open(image_layer())
    window.look_at("z", 10)
    window.draw((10, 12, 10), (10, 48, 38))
    window.viewer.layers.selection = {window.controller.case.labels.layer}

    def choose(*_: Any, **how: Any) -> tuple[str, str]:
        lines = how["filter"].split(";;")
        return str(tmp_path / name), next(one for one in lines if "3D Slicer" in one)

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    window.viewer.window._qt_viewer._save_layers_dialog(selected=True)
    assert segments(tmp_path / "case labels.seg.nrrd") == ["Label 1"]
    wait_for(lambda: "Saved and checked: case labels.seg.nrrd" in window.parts.message.text())
    window.controller.close()


TURNED = ({"rotate": (0, 0, 30)}, {"shear": (0.2, 0, 0)}, {"translate": (9, 0, 0)})
SIZES = {"scale": (3.0, 0.8, 0.5)}


def written(layer: Labels, path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, list[str]]:
    """What nibabel reads of a layer that napari saves, and what the user was told."""
    told: list[str] = []
    monkeypatch.setattr(writer, "show_warning", told.append)
    data, settings, _ = layer.as_layer_data_tuple()
    write_nifti(str(path), data, settings)
    return nib.load(path), told


@pytest.mark.parametrize(
    ("place", "mm", "is_told"),
    [
        (SIZES, (0.5, 0.8, 3), False),
        ({"affine": np.diag([3, 0.8, 0.5, 1])}, (0.5, 0.8, 3), False),
        ({"scale": (3000, 800, 500), "units": ("um",) * 3}, (0.5, 0.8, 3), False),
        ({}, (1, 1, 1), False),
        ({"scale": (-3, 0.8, 0.5)}, (0.5, 0.8, 3), True),
        *((SIZES | turned, (0.5, 0.8, 3), True) for turned in TURNED),
    ],
)
def test_size_of_another_readers_labels_is_saved_and_a_lost_place_is_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: dict[str, Any],
    mm: tuple[float, ...],
    is_told: bool,
) -> None:
    layer = Labels(np.ones((4, 6, 5), int), **place)
    image, told = written(layer, tmp_path / "l.nii.gz", monkeypatch)
    np.testing.assert_allclose(image.header.get_zooms(), mm, rtol=1e-5)
    np.testing.assert_array_equal(image.affine[:3, 3], 0)
    assert bool(told) == is_told
    if told:
        assert "no known place" in told[0]


@pytest.mark.parametrize("place", [*TURNED, {"scale": (1, 1, 1)}, {}])
def test_labels_of_a_closed_case_that_were_moved_say_where_they_are_saved(
    drawn: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: dict[str, Any]
) -> None:
    layer = drawn.controller.case.labels.layer
    drawn.viewer.layers.remove(drawn.controller.case.layer)
    for name, value in place.items():
        setattr(layer, name, value)
    image, told = written(layer, tmp_path / "l.nii.gz", monkeypatch)
    np.testing.assert_allclose(image.affine[:3, 3], (-10, 20, 30), atol=1e-4)
    assert bool(told) == bool(place)
    assert not told or "on the screen only" in told[0]


def test_image_that_napari_converts_to_labels_says_that_its_place_is_lost(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = desk.controller.case.layer
    layer = Labels(image.data.astype(int), scale=image.scale, metadata=image.metadata)
    _, told = written(layer, tmp_path / "l.nii.gz", monkeypatch)
    assert "no known place" in told[0]
