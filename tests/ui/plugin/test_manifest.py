"""What the manifest promises: it is valid, files open through our reader, labels are saved."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from npe2 import PluginManager, PluginManifest

from napari_medsam.ui.layers import sample_data
from napari_medsam.ui.layers.image_layer import KEY, image_file_of
from napari_medsam.ui.plugin import reader
from napari_medsam.ui.plugin.reader import get_reader
from napari_medsam.ui.plugin.writer import write_nifti as write
from tests.conftest import PROJECT
from tests.ui.desk import Desk, ellipsoid, image_layer, make_desk

MANIFEST = PROJECT / "napari_medsam" / "napari.yaml"
FREE_MENUS = ("napari/layers/", "napari/file/io_utilities", "napari/file/new_layer")


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_file(MANIFEST)


@pytest.fixture
def oblique_nifti(tmp_path: Path) -> Path:
    """A volume whose axes run to the head first, tilted, 3 mm apart along its last axis."""
    turn = np.array([[0.0, 0.98, -0.199], [0.0, 0.199, 0.98], [1.0, 0.0, 0.0]])
    affine = np.eye(4)
    affine[:3, :3] = turn * (0.8, 0.8, 3.0)
    affine[:3, 3] = 5, 6, 7
    path = tmp_path / "scan.nii.gz"
    nib.save(nib.Nifti1Image(ellipsoid().transpose(2, 1, 0), affine), path)
    return path


def test_manifest_at_the_top_is_the_packages() -> None:
    assert (PROJECT / "napari.yaml").read_text() == MANIFEST.read_text()


def test_every_command_of_the_manifest_exists(manifest: PluginManifest) -> None:
    for command in manifest.contributions.commands or []:
        module, _, name = str(command.python_name).partition(":")
        assert callable(getattr(importlib.import_module(module), name))


def test_title_of_the_dock_fits_its_width(manifest: PluginManifest) -> None:
    [widget] = manifest.contributions.widgets or []
    title = f"{widget.display_name} ({manifest.display_name})"
    assert len(title) <= 34  # at 340 pixels about 36 letters are shown


def test_menu_entries_are_where_napari_shows_them(manifest: PluginManifest) -> None:
    assert all(menu.startswith(FREE_MENUS) for menu in manifest.contributions.menus)


def test_file_opens_with_its_spacing_and_its_geometry(oblique_nifti: Path) -> None:
    read = get_reader(str(oblique_nifti))
    assert read is not None
    [(data, settings, kind)] = read(str(oblique_nifti))
    assert kind == "image"
    image = settings["metadata"][KEY]
    np.testing.assert_allclose(settings["scale"], image.volume.spacing_xyz[::-1])
    assert data.shape == image.volume.shape_zyx
    assert "affine" not in settings


@pytest.mark.parametrize("name", ["notes.txt", "model.pth", "scan.nii.gz.part", "settings.json"])
def test_other_files_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"text")
    assert get_reader(str(tmp_path / name)) is None


def test_other_file_is_reported_in_the_dock(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def takers(paths: list[str]) -> list[SimpleNamespace]:
        names = ["napari-medsam", *(["napari"] if paths[0].endswith(".csv") else [])]
        return [SimpleNamespace(plugin_name=name) for name in names]

    plugins = SimpleNamespace(iter_compatible_readers=takers)
    monkeypatch.setattr(reader.PluginManager, "instance", lambda: plugins)
    monkeypatch.setattr(reader, "current_controller", lambda: desk.controller)
    desk.controller.show_message("before.nii.gz is damaged.", True)
    (tmp_path / "letter.txt").write_text("Dear colleague")
    read = get_reader(str(tmp_path / "letter.txt"))
    assert read is not None
    assert read(str(tmp_path / "letter.txt")) == reader.NO_LAYER
    message = desk.view.panel.message
    assert message.startswith("letter.txt is not an image this program can read: DICOM, NIfTI, ")
    (tmp_path / "table.csv").write_text("1,2")  # napari's own reader takes it
    assert get_reader(str(tmp_path / "table.csv")) is None


def test_folder_without_dicom_is_reported_in_the_dock(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    takers = [SimpleNamespace(plugin_name=name) for name in ("napari-medsam", "napari")]
    plugins = SimpleNamespace(iter_compatible_readers=lambda _: takers)
    monkeypatch.setattr(reader.PluginManager, "instance", lambda: plugins)
    monkeypatch.setattr(reader, "current_controller", lambda: None)
    folder = tmp_path / "letters"
    folder.mkdir()
    (folder / "letter.txt").write_text("Dear colleague")
    assert get_reader(str(folder)) is None
    monkeypatch.setattr(reader, "current_controller", lambda: desk.controller)
    read = get_reader(str(folder))
    assert read is not None
    assert read(str(folder)) == reader.NO_LAYER
    message = desk.view.panel.message
    assert message.startswith("The folder letters holds no DICOM images. Not opened from")
    (folder / "1.PNG").write_bytes(b"")  # napari's own reader takes a folder of pictures
    assert get_reader(str(folder)) is None
    (folder / "1.PNG").unlink()
    takers.append(SimpleNamespace(plugin_name="of-stores"))
    assert get_reader(str(folder)) is None


@pytest.fixture
def plugins(manifest: PluginManifest, monkeypatch: pytest.MonkeyPatch) -> PluginManager:
    """A real plugin manager with napari's own plugins and this one."""
    manager = PluginManager()
    # npe2 takes napari 0.10 for one older than 0.4.16, and then a manager finds plugins by itself.
    known = {found.name for found in manager.iter_manifests()}
    for needed in (PluginManifest.from_distribution("napari"), manifest):
        if needed.name not in known:
            manager.register(needed)
    monkeypatch.setattr(reader.PluginManager, "instance", lambda: manager)
    return manager


@pytest.mark.parametrize("is_open", [False, True], ids=["empty dock", "image"])
@pytest.mark.parametrize("name", ["notes.txt", "model.pth", "scan.nii.gz.part", "settings.json"])
def test_other_files_are_reported_in_an_open_dock(
    plugins: PluginManager,
    tmp_path: Path,
    name: str,
    is_open: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = make_desk()
    if is_open:
        desk.open(image_layer())
    monkeypatch.setattr(reader, "current_controller", lambda: desk.controller)
    (tmp_path / name).write_text("{}")
    read = get_reader(str(tmp_path / name))
    assert read is not None
    assert read(str(tmp_path / name)) == reader.NO_LAYER
    message = desk.view.panel.message
    assert message.startswith(f"{name} is not an image this program can read: DICOM, NIfTI, ")
    desk.controller.close()


def test_file_of_napari_is_left_to_it(
    plugins: PluginManager, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "current_controller", lambda: desk.controller)
    (tmp_path / "table.csv").write_text("1,2")
    assert get_reader(str(tmp_path / "table.csv")) is None


def test_folder_without_dicom_is_refused(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("no images here")
    assert get_reader(str(tmp_path)) is None


def test_labels_drawn_on_an_oblique_file_are_saved_onto_it(
    desk: Desk, oblique_nifti: Path, tmp_path: Path
) -> None:
    data, settings, _ = get_reader(str(oblique_nifti))(str(oblique_nifti))[0]
    desk.open(Image(data, **settings))
    layer = desk.controller.case.labels.layer
    layer.data[:] = np.asarray(data) > 0
    target = tmp_path / "labels.nii.gz"
    assert write(str(target), layer.data, layer.as_layer_data_tuple()[1]) == [str(target)]
    image, labels = nib.load(oblique_nifti), nib.load(target)
    np.testing.assert_allclose(labels.affine, image.affine, atol=1e-5)
    np.testing.assert_array_equal(labels.get_fdata() > 0, image.get_fdata() > 0)


def test_labels_of_any_layer_are_saved_with_its_scale(tmp_path: Path) -> None:
    layer = Labels((ellipsoid() > 0).astype(np.uint8), scale=(3, 0.8, 0.8))
    write(str(tmp_path / "any.nii.gz"), layer.data, layer.as_layer_data_tuple()[1])
    saved = nib.load(tmp_path / "any.nii.gz")
    np.testing.assert_allclose(saved.header.get_zooms(), (0.8, 0.8, 3.0), atol=1e-6)


def test_labels_of_a_film_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="4 dimensions"):
        write(str(tmp_path / "film.nii.gz"), np.zeros((2, 3, 4, 5), int), {"name": "film"})


@pytest.mark.parametrize(
    "sample", ["synthetic_ct", "fundus", "microaneurysms", "histology", "cell"]
)
def test_sample_opens_offline(sample: str) -> None:
    viewer = ViewerModel()
    [(data, settings, _)] = getattr(sample_data, sample)()
    layer: Any = viewer.add_image(data, **settings)
    assert image_file_of(layer) is layer.metadata[KEY]
    assert image_file_of(layer).volume.modality
