"""Images of all kinds, opened, replaced and removed under the plugin. No window is opened."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_medsam.ui.layers.image_layer import AS_SHOWN, KEY, image_file_of, image_layer_data
from napari_medsam.ui.layers.labels_layer import camera_of
from tests.ui.desk import Desk, ellipsoid, image_file, image_layer, make_desk


def test_layer_of_our_reader_shows_millimetres_and_carries_the_image() -> None:
    layer = image_layer()
    np.testing.assert_allclose(layer.scale, (3.0, 0.8, 0.8))
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 3
    assert image_file_of(layer) is layer.metadata[KEY]


@pytest.mark.parametrize("flat", [False, True])
def test_pixels_of_unknown_size_are_no_millimetres(flat: bool) -> None:
    image = image_file(ellipsoid()[10:11] if flat else ellipsoid())
    image = replace(image, grid=replace(image.grid, has_spacing=False))
    desk = make_desk()
    layer = desk.open(_layer_of(image))
    for one in desk.viewer.layers:
        assert {str(unit) for unit in one.units} == {"pixel"}, one.name
    assert image_file_of(layer) is image
    desk.controller.close()


def _layer_of(image: Any) -> Image:
    data, settings, _ = image_layer_data(image)
    return Image(data, **settings)


def test_image_whose_low_values_are_bright_is_shown_so_with_its_own_values() -> None:
    image = image_file(ellipsoid())
    turned = replace(image, volume=replace(image.volume, mirror=255.0))
    data, settings, _ = image_layer_data(turned)
    np.testing.assert_array_equal(data, image.volume.voxels)
    layer = Image(data, **settings)
    assert layer.colormap.map(np.array([0.0]))[0, 0] == 1
    assert layer.colormap.map(np.array([1.0]))[0, 0] == 0


def test_picture_is_shown_as_two_dimensional() -> None:
    data, settings, _ = image_layer_data(image_file(ellipsoid()[10:11]))
    assert data.shape == (64, 48)
    assert len(settings["scale"]) == 2


def test_box_on_an_rgb_picture_is_segmented() -> None:
    desk = make_desk()
    rgb = np.repeat(ellipsoid()[10:11, :, :, None], 3, axis=3)
    desk.open(image_layer(rgb))
    desk.draw((12, 10), (48, 38))
    np.testing.assert_array_equal(desk.labels > 0, ellipsoid()[10] > 0)
    assert desk.view.panel.is_flat
    assert desk.view.panel.range is None


def test_layer_of_another_reader_is_taken_with_its_scale() -> None:
    layer = Image(ellipsoid(), scale=(3, 0.8, 0.8), name="plain")
    image = image_file_of(layer)
    assert image.volume.spacing_xyz == (0.8, 0.8, 3.0)
    assert "place in the patient" in image.notes[0]


def test_float_rgb_layer_becomes_eight_bits() -> None:
    layer = Image(np.full((8, 9, 3), 0.5, np.float32), rgb=True)
    voxels = image_file_of(layer).volume.voxels
    assert voxels.shape == (1, 8, 9, 3)
    assert voxels[0, 0, 0, 0] == 128


def test_four_dimensions_are_refused_in_words() -> None:
    desk = make_desk()
    desk.open(Image(np.zeros((2, 4, 8, 8)), name="film"))
    assert "film has 4 dimensions" in desk.view.panel.message
    assert not desk.view.panel.has_case


@pytest.mark.parametrize("turned", [{"rotate": 10.0}, {"shear": [0.2]}])
def test_turned_layer_is_refused_in_words(turned: dict[str, Any]) -> None:
    layer = Image(np.zeros((8, 8)), name="slanted", **turned)
    with pytest.raises(ValueError, match="slanted is shown turned or sheared"):
        image_file_of(layer)


def test_shifted_layer_is_segmented_in_the_right_voxels() -> None:
    desk = make_desk()
    desk.open(Image(ellipsoid(), scale=(3, 0.8, 0.8), translate=(100, -7, 9)))
    desk.viewer.dims.set_point(0, 130)
    desk.draw((10, 12, 10), (10, 48, 38))
    np.testing.assert_array_equal(desk.labels[10] > 0, ellipsoid()[10] > 0)


def test_layers_of_the_user_are_not_touched(desk: Desk) -> None:
    own = Labels(np.full(ellipsoid().shape, 3, np.uint8), name="mine")
    desk.viewer.add_layer(own)
    desk.draw_on(10)
    assert (own.data == 3).all()
    assert own.visible


def test_second_image_has_its_own_labels_and_the_first_waits(desk: Desk) -> None:
    first = desk.controller.case.layer
    desk.draw_on(10)
    painted = desk.labels.copy()
    desk.open(image_layer(name="second"))
    assert not desk.labels.any()
    assert desk.boxes.nshapes == 0
    desk.controller.on_image_chosen(first)
    np.testing.assert_array_equal(desk.labels, painted)
    assert desk.boxes.nshapes == 1


def test_picture_opened_while_a_volume_is_seen_from_the_side_is_seen_flat(desk: Desk) -> None:
    desk.controller.view.choose_axis("x")
    desk.open(image_layer(ellipsoid()[10:11], name="picture"))
    desk.draw((12, 10), (48, 38))
    np.testing.assert_array_equal(desk.labels > 0, ellipsoid()[10] > 0)


def test_removed_image_closes_its_case_and_leaves_the_labels(desk: Desk) -> None:
    desk.draw_on(10)
    case = desk.controller.case
    desk.viewer.layers.remove(case.layer)
    assert not desk.view.panel.has_case
    assert "was removed" in desk.view.panel.message
    assert case.labels.layer in desk.viewer.layers
    assert case.boxes.layer not in desk.viewer.layers
    assert not getattr(case.labels.layer, "locked", False)


def test_removed_labels_layer_comes_back_with_its_labels(desk: Desk) -> None:
    desk.draw_on(10)
    layer = desk.controller.case.labels.layer
    desk.viewer.layers.remove(layer)
    assert "Nothing is lost" in desk.view.panel.message
    desk.controller.boxes.toggle_draw()
    assert layer in desk.viewer.layers
    assert desk.labels.any()


def test_removed_image_while_a_box_waits_paints_nothing(slow_desk: Desk) -> None:
    for lane in slow_desk.lanes:
        lane.release()  # type: ignore[attr-defined]
    slow_desk.draw_on(10)
    case = slow_desk.controller.case
    slow_desk.viewer.layers.remove(case.layer)
    slow_desk.controller.workspace.lanes.images.release()  # type: ignore[attr-defined]
    assert not case.annotation.labels.any()


def test_replaced_pixels_begin_a_new_case(desk: Desk) -> None:
    desk.draw_on(10)
    layer = desk.controller.case.layer
    layer.data = np.zeros((5, 16, 16), np.uint8)
    assert desk.controller.case.image.volume.shape_zyx == (5, 16, 16)
    assert "were replaced" in desk.view.panel.message


def test_chosen_window_is_shown_and_used(desk: Desk) -> None:
    desk.controller.sessions.choose_window("brain")
    session = desk.controller.case.session
    assert (session.window.lower, session.window.upper) == (0.0, 80.0)
    assert desk.controller.case.layer.contrast_limits == [0.0, 80.0]


def test_window_as_shown_follows_the_contrast_limits(desk: Desk) -> None:
    desk.controller.sessions.choose_window(AS_SHOWN)
    desk.controller.case.layer.contrast_limits = (10, 90)
    session = desk.controller.case.session
    assert (session.window.lower, session.window.upper) == (10.0, 90.0)


def test_head_is_up_in_coronal_and_sagittal_views_only(desk: Desk) -> None:
    camera = camera_of(desk.viewer)
    up = []
    for axis in ("z", "y", "x"):
        desk.controller.view.choose_axis(axis)
        up.append(str(camera.orientation2d[0]))
    assert up == ["down", "up", "up"]


def test_saved_labels_lie_on_the_images_grid(desk: Desk, tmp_path: Path) -> None:
    desk.draw_on(10)
    desk.controller.save(tmp_path / "out.nii.gz")
    saved = nib.load(tmp_path / "out.nii.gz")
    np.testing.assert_array_equal(np.asarray(saved.dataobj).transpose(2, 1, 0), desk.labels)
    np.testing.assert_allclose(saved.affine @ (0, 0, 0, 1), (-10, 20, 30, 1), atol=1e-4)
    assert not desk.view.panel.is_dirty
    assert "1 label." in desk.view.panel.message


def test_failed_save_is_told_and_stays_unsaved(desk: Desk, tmp_path: Path) -> None:
    desk.draw_on(10)
    desk.controller.save(tmp_path / "nowhere" / "out.nii.gz")
    assert desk.view.panel.is_problem
    assert desk.view.panel.message == (
        f"Not saved: the folder {tmp_path / 'nowhere'} does not exist."
    )
    assert desk.view.panel.is_dirty


def test_save_of_an_image_without_a_place_says_so(tmp_path: Path) -> None:
    desk = make_desk()
    desk.open(Image(ellipsoid(), scale=(3, 0.8, 0.8), name="plain"))
    desk.draw_on(10)
    desk.controller.save(tmp_path / "out.nii.gz")
    saved = nib.load(tmp_path / "out.nii.gz")
    np.testing.assert_allclose(saved.header.get_zooms(), (0.8, 0.8, 3.0), atol=1e-6)
    assert "place in the patient" in desk.view.panel.message


def test_saves_are_proposed_beside_the_image(tmp_path: Path) -> None:
    (tmp_path / "scan.nii.gz").touch()
    image = image_file(name="scan")
    image = replace(image, grid=replace(image.grid, source=tmp_path / "scan.nii.gz"))
    desk = make_desk()
    data, settings, _ = image_layer_data(image)
    desk.open(Image(data, **settings))
    assert desk.controller.suggested_path() == tmp_path / "scan_labels.nii.gz"


@pytest.mark.parametrize(
    ("name", "proposed"),
    [
        ("CT Body 3.0", "CT Body 3.0_labels.nii.gz"),
        ("scan.nii.gz", "scan_labels.nii.gz"),
        ("T1.5mm.NRRD", "T1.5mm_labels.nii.gz"),
        ("", "image_labels.nii.gz"),
    ],
)
def test_proposed_name_loses_no_more_than_a_files_suffix(
    tmp_path: Path, name: str, proposed: str
) -> None:
    source = tmp_path / "scan.nii.gz"
    source.touch()
    image = image_file(name=name)
    data, settings, _ = image_layer_data(replace(image, grid=replace(image.grid, source=source)))
    desk = make_desk()
    desk.open(Image(data, **settings))
    assert desk.controller.suggested_path() == tmp_path / proposed


def test_going_to_and_fro_between_images_adds_no_layer(desk: Desk) -> None:
    """A layer that is added and removed again costs memory that no driver gives back."""
    first = desk.controller.case.layer
    second = desk.open(image_layer(name="other"))
    added: list[str] = []
    there = list(desk.viewer.layers)
    desk.viewer.layers.events.inserted.connect(lambda event: added.append(event.value.name))
    for layer in (first, second, first, second):
        desk.controller.on_image_chosen(layer)
        assert f"{layer.name} preview" in desk.viewer.layers
    assert not added
    assert list(desk.viewer.layers) == there


def test_layers_of_a_case_that_was_closed_go(desk: Desk) -> None:
    case = desk.controller.case
    case.layer.data = np.zeros((5, 16, 16), np.uint8)
    previews = [layer for layer in desk.viewer.layers if layer.name.startswith("case preview")]
    assert [layer.data.shape for layer in previews] == [(1, 16, 16)]
    desk.viewer.layers.remove(case.layer)
    assert not [one for one in desk.viewer.layers if "preview" in one.name]


def test_layers_of_a_case_that_waits_go_with_its_image(desk: Desk) -> None:
    first = desk.controller.case.layer
    desk.open(image_layer(name="other"))
    desk.viewer.layers.remove(first)
    assert "case preview" not in desk.viewer.layers
    assert "other preview" in desk.viewer.layers


def test_table_that_did_not_change_gives_no_new_colours(desk: Desk) -> None:
    """A colormap that is set makes OpenGL compile the layer's shader again."""
    case, told = desk.controller.case, []
    case.labels.layer.events.colormap.connect(lambda event: told.append(event))
    desk.draw_on(10)
    case.sync()
    assert desk.labels.any()
    assert not told
    case.recolor_label(1, (0.1, 0.2, 0.3))
    assert told
    np.testing.assert_allclose(case.labels.layer.get_color(1)[:3], (0.1, 0.2, 0.3), atol=1e-6)


def test_colours_that_were_shuffled_become_the_tables_again(desk: Desk) -> None:
    case = desk.controller.case
    case.labels.layer.new_colormap(seed=3)
    desk.draw_on(10)
    (label,) = case.annotation.table
    np.testing.assert_allclose(case.labels.layer.get_color(1)[:3], label.color, atol=1e-6)
