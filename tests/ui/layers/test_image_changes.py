"""Scripts, other plugins and napari's own menus change the image layer of an open case."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from napari.layers import Image, Layer

from napari_medsam.ui.layers.image_layer import image_file_of
from napari_medsam.ui.layers.place import place_of
from tests.ui.desk import Desk, ellipsoid, image_file, image_layer, make_desk

pytestmark = pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")  # napari's own

BOX = ((10, 12, 10), (10, 48, 38))


def saved(desk: Desk, folder: Path) -> Any:
    desk.controller.save(folder / "out.nii.gz")
    return nib.load(folder / "out.nii.gz")


def open_plain(**place: Any) -> Desk:
    """A desk with the ellipsoid in a layer of another reader."""
    desk = make_desk()
    desk.open(Image(ellipsoid(), name="plain", **{"scale": (3, 0.8, 0.8)} | place))
    return desk


VIEWS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "flipped": lambda a: a[::-1],
    "flipped in the plane": lambda a: a[:, ::-1],
    "cropped at the end": lambda a: a[:15],
    "cropped at the start": lambda a: a[5:],
    "cropped in the plane": lambda a: a[:, 4:, 4:],
    "every second": lambda a: a[::2],
    "axes exchanged": lambda a: a.transpose(0, 2, 1),
    "one slice": lambda a: a[10],
    "other type": lambda a: a.view(np.int8),
}


@pytest.mark.parametrize("name", VIEWS)
def test_view_of_the_files_pixels_is_not_the_file(desk: Desk, tmp_path: Path, name: str) -> None:
    layer = desk.controller.case.layer
    layer.data = VIEWS[name](layer.data)
    message = desk.view.panel.message
    assert "were replaced" in message
    assert "place in the patient is not known" in message
    shape = layer.data.shape if layer.ndim == 3 else (1, *layer.data.shape)
    assert desk.controller.case.image.volume.shape_zyx == shape
    desk.controller.case.labels.layer.data = np.ones(layer.data.shape, np.uint16)
    file = saved(desk, tmp_path)
    assert file.shape[: layer.ndim] == layer.data.shape[::-1]
    np.testing.assert_array_equal(file.affine[:3, 3], 0)


def test_channel_of_a_files_colours_is_not_the_file() -> None:
    layer = image_layer(np.repeat(ellipsoid()[10:11, :, :, None], 3, axis=3))
    assert image_file_of(layer).grid.kind == "nifti"
    part = Image(layer.data[..., 1], metadata=layer.metadata)
    assert image_file_of(part).grid.kind == "npz"


@pytest.mark.parametrize("known", [True, False])
def test_array_that_is_set_again_changes_nothing(known: bool) -> None:
    desk = make_desk()
    desk.open(image_layer() if known else Image(ellipsoid(), scale=(3, 0.8, 0.8)))
    desk.draw_on(10)
    case = desk.controller.case
    case.layer.data = case.layer.data
    assert desk.controller.case is case
    array = case.layer.data
    array[3] = 9
    case.layer.data = array
    assert desk.controller.case is not case
    desk.controller.close()


@pytest.mark.parametrize("flat", [False, True])
def test_writing_into_the_image_begins_a_new_case(flat: bool) -> None:
    desk = make_desk()
    desk.open(image_layer(ellipsoid()[10:11] if flat else None))
    low, high = (BOX[0][1:], BOX[1][1:]) if flat else BOX
    desk.viewer.dims.set_point(0, 0 if flat else 30.0)
    desk.draw(low, high)
    case = desk.controller.case
    case.layer.data[..., 20:24] = 0
    desk.draw(low, high)
    assert desk.controller.case is not case
    assert "were replaced" in desk.view.panel.message
    desk.draw(low, high)
    plane = desk.labels if flat else desk.labels[10]
    assert plane.any()
    assert not plane[:, 20:24].any(), "the embedding is that of the new pixels"
    desk.controller.close()


def test_writing_into_the_image_before_it_is_chosen_is_noticed() -> None:
    layer = image_layer()
    layer.data[...] = layer.data[:, ::-1].copy()
    layer.data[:, 0] = 9
    assert image_file_of(layer).grid.kind == "npz"


def test_writing_between_opening_and_the_fingerprint_is_noticed() -> None:
    volume = image_file().volume
    volume.watch()
    assert not volume.has_changed()
    volume.voxels[...] += 1
    assert volume.has_changed()
    assert volume.fingerprint
    assert volume.has_changed()
    assert volume.has_changed(slice(3, 4))


@pytest.mark.parametrize("kind", ["float16", ">i2", "rgb", "picture"])
def test_writing_into_an_image_that_was_converted_begins_a_new_case(kind: str) -> None:
    desk = make_desk()
    if kind == "rgb":
        voxels = np.repeat(ellipsoid()[10, ..., None] / 255, 3, axis=-1)
    else:
        voxels = ellipsoid().astype("f2" if kind == "picture" else kind)
        voxels = voxels[10] if kind == "picture" else voxels
        if voxels.dtype.kind == "f":
            voxels.flat[0] = np.nan
    flat = kind in ("rgb", "picture")
    scale = (0.8, 0.8) if flat else (3, 0.8, 0.8)
    layer = desk.open(Image(voxels, name="plain", rgb=kind == "rgb", scale=scale))
    low, high = (BOX[0][1:], BOX[1][1:]) if flat else BOX
    desk.viewer.dims.set_point(0, 0 if flat else 30.0)
    desk.draw(low, high)
    case = desk.controller.case
    desk.draw(low, high)
    assert desk.controller.case is case, "nobody wrote"
    part = (Ellipsis, slice(20, 24), slice(None)) if kind == "rgb" else (Ellipsis, slice(20, 24))
    layer.data[part] = 0
    desk.draw(low, high)
    assert desk.controller.case is not case
    desk.draw(low, high)
    plane = desk.labels if flat else desk.labels[10]
    assert plane.any()
    assert not plane[:, 20:24].any(), "the model sees what is shown"
    desk.controller.close()


def test_brush_after_writing_into_the_image_is_noticed_in_the_next_pause() -> None:
    desk = make_desk(prefetch=True)  # with pauses
    desk.open(image_layer())
    case = desk.controller.case
    case.layer.data[...] = case.layer.data[:, ::-1].copy()
    case.labels.layer.paint((10, 5, 5), 1)
    assert desk.controller.case is not case
    assert not desk.controller.case.has_known_place
    desk.controller.close()


def test_saving_after_writing_into_the_image_says_on_which_grid(desk: Desk, tmp_path: Path) -> None:
    desk.draw_on(10)
    desk.controller.case.layer.data[3, 3, 3] += 1
    saved(desk, tmp_path)
    assert "pixels were changed" in desk.view.panel.message


@pytest.mark.parametrize("axis", ["propagate", "resume"])
def test_writing_into_the_image_is_noticed_wherever_it_is_used_again(desk: Desk, axis: str) -> None:
    desk.draw_on(10)
    case = desk.controller.case
    if axis == "resume":
        desk.open(image_layer(name="other"))
    case.layer.data[3] = 7
    if axis == "resume":
        desk.controller.on_image_chosen(case.layer)
    else:
        desk.controller.propagation.propagate()
    assert desk.controller.case is not case
    assert desk.controller.case.layer is case.layer


MOVES: dict[str, dict[str, Any]] = {
    "scale": {"scale": (2.0, 0.5, 0.25)},
    "translate": {"translate": (100.0, -7.0, 9.0)},
    "affine": {"affine": np.diag([2.0, 3.0, 0.5, 1.0])},
    "units": {"units": ("um", "um", "um")},
    "negative scale": {"scale": (-3.0, 0.8, 0.8)},
}


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("name", MOVES)
def test_layers_follow_the_image(tmp_path: Path, name: str, known: bool) -> None:
    desk = make_desk()
    desk.open(image_layer() if known else Image(ellipsoid(), scale=(3, 0.8, 0.8)))
    case = desk.controller.case
    desk.viewer.dims.set_point(0, 30.0)
    desk.draw(*BOX)
    before = desk.labels.copy()
    for setting, value in MOVES[name].items():
        setattr(case.layer, setting, value)
    place = place_of(case.layer)
    ours = [layer for layer in desk.viewer.layers if layer is not case.layer]
    assert len(ours) == 3, "labels, boxes, preview"
    for layer in ours:
        for setting, value in place_of(layer).items():
            if "preview" in layer.name and setting == "translate":
                continue
            assert np.array_equal(value, place[setting]), (layer.name, setting)
    assert desk.controller.case is case
    np.testing.assert_array_equal(desk.labels, before)
    desk.viewer.dims.set_point(0, case.layer.data_to_world((12, 0, 0))[0])
    assert case.where().index == 12
    desk.draw((12, 12, 10), (12, 48, 38))
    np.testing.assert_array_equal(desk.labels[12] > 0, ellipsoid()[12] > 0)
    sizes = np.abs(np.asarray(case.layer.scale) * np.diag(case.layer.affine.linear_matrix))
    sizes = sizes / 1000 if name == "units" else sizes
    expected = (0.8, 0.8, 3.0) if known else tuple(sizes[::-1])
    np.testing.assert_allclose(saved(desk, tmp_path).header.get_zooms(), expected, rtol=1e-5)
    np.testing.assert_allclose(case.image.volume.spacing_xyz, expected, rtol=1e-6)
    n, millilitres = np.count_nonzero(desk.labels == 1), np.prod(expected) / 1000
    np.testing.assert_allclose(case.tally.millilitres(1), n * millilitres, rtol=1e-6)
    desk.controller.close()


def test_image_that_is_moved_says_what_is_saved(desk: Desk) -> None:
    desk.controller.case.layer.scale = (1, 1, 1)
    assert "on the grid of its file" in desk.view.panel.message
    plain = open_plain()
    plain.controller.case.layer.scale = (5, 1, 2)
    assert "Voxels of plain are now 2 x 1 x 5 mm" in plain.view.panel.message
    plain.controller.close()


TURNS: dict[str, Any] = {
    "rotate": (10.0, 0.0, 0.0),
    "shear": (0.2, 0.0, 0.0),
    "affine": np.array([[1, 0, 0, 0], [0, 0.8, -0.6, 0], [0, 0.6, 0.8, 0], [0, 0, 0, 1.0]]),
}


@pytest.mark.parametrize("name", TURNS)
def test_turned_image_is_put_back(desk: Desk, name: str) -> None:
    layer = desk.controller.case.layer
    before = place_of(layer)
    setattr(layer, name, TURNS[name])
    assert "turned or sheared" in desk.view.panel.message
    for setting, value in before.items():
        np.testing.assert_array_equal(place_of(layer)[setting], value)
    desk.draw_on(10)
    np.testing.assert_array_equal(desk.labels[10] > 0, ellipsoid()[10] > 0)


@pytest.mark.parametrize("which", ["labels", "boxes"])
@pytest.mark.parametrize("name", [*MOVES, *TURNS])
def test_our_layers_that_are_moved_are_put_back(desk: Desk, which: str, name: str) -> None:
    layer: Layer = getattr(desk.controller.case, which).layer
    for setting, value in (MOVES.get(name) or {name: TURNS[name]}).items():
        setattr(layer, setting, value)
    assert "put back" in desk.view.panel.message
    for setting, value in place_of(desk.controller.case.layer).items():
        np.testing.assert_array_equal(place_of(layer)[setting], value)
    desk.draw_on(10)
    np.testing.assert_array_equal(desk.labels[10] > 0, ellipsoid()[10] > 0)


def test_linked_layers_move_together(desk: Desk) -> None:
    case = desk.controller.case
    desk.viewer.layers.link_layers([case.layer, case.labels.layer, case.boxes.layer])
    case.layer.scale = (2, 2, 2)
    case.labels.layer.translate = (5, 5, 5)
    for layer in (case.labels.layer, case.boxes.layer):
        np.testing.assert_array_equal(layer.scale, case.layer.scale)
        np.testing.assert_array_equal(layer.translate, case.layer.translate)


def test_labels_layer_of_a_closed_case_can_be_moved(desk: Desk) -> None:
    case = desk.controller.case
    desk.viewer.layers.remove(case.layer)
    case.labels.layer.scale = (1, 2, 3)
    np.testing.assert_array_equal(case.labels.layer.scale, (1, 2, 3))


def test_file_whose_layer_was_turned_before_it_was_chosen_is_refused() -> None:
    layer = image_layer()
    layer.rotate = (10.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="shown turned or sheared"):
        image_file_of(layer)


@pytest.mark.parametrize(
    ("unit", "mm"), [("um", 1e-3), ("nm", 1e-6), ("cm", 10.0), ("inch", 25.4), ("pixel", 1.0)]
)
def test_units_of_length_become_millimetres(unit: str, mm: float) -> None:
    layer = Image(np.zeros((4, 5, 6)), scale=(3, 2, 1), units=(unit,) * 3)
    np.testing.assert_allclose(image_file_of(layer).volume.spacing_xyz, np.array([1, 2, 3]) * mm)


@pytest.mark.parametrize(
    ("place", "known"),
    [({}, False), ({"scale": (1, 1, 2)}, True), ({"units": ("mm",) * 3}, True)],
)
def test_size_that_no_layer_states_is_not_claimed(place: dict[str, Any], known: bool) -> None:
    desk = make_desk()
    layer = desk.open(Image(ellipsoid(), name="plain", **place))
    assert ("lengths are given in pixels" in desk.view.panel.message) is not known
    desk.viewer.dims.set_point(0, 10)
    desk.draw(*BOX)
    [row] = [row for row in desk.view.panel.labels if row.number == 1]
    assert (row.millilitres is not None) is known
    layer.scale = (2, 2, 2)
    [row] = [row for row in desk.view.panel.labels if row.number == 1]
    assert row.millilitres == pytest.approx(np.count_nonzero(desk.labels) * 8 / 1000)
    desk.controller.close()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [3, 4])
def test_colours_of_any_type_are_segmented(dtype: Any, channels: int) -> None:
    top = 1.0 if dtype is np.float32 else float(np.iinfo(dtype).max)
    colours = np.repeat(ellipsoid()[10][..., None] / 200 * top, channels, axis=2).astype(dtype)
    if dtype is np.float32:
        colours[0, 0] = np.nan
    desk = make_desk()
    desk.open(Image(colours, rgb=True, name="plain"))
    desk.draw(BOX[0][1:], BOX[1][1:])
    np.testing.assert_array_equal(desk.labels > 0, ellipsoid()[10] > 0)
    desk.controller.close()


DTYPES = ["?", "u1", "i1", "u2", ">u2", ">i2", "i4", "u4", "i8", "u8", "f2", ">f4", "f4", ">f8"]
DTYPES += ["f8"]


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_image_of_any_real_type_is_segmented(tmp_path: Path, dtype: str, flat: bool) -> None:
    voxels = (ellipsoid() > 0 if dtype == "?" else ellipsoid() // 2).astype(dtype)
    desk = make_desk()
    desk.open(Image(voxels[10] if flat else voxels, name="plain"))
    desk.viewer.dims.set_point(0, 10)
    desk.draw(*((BOX[0][1:], BOX[1][1:]) if flat else BOX))
    plane = desk.labels if flat else desk.labels[10]
    np.testing.assert_array_equal(plane > 0, ellipsoid()[10] > 0)
    file = np.squeeze(np.asarray(saved(desk, tmp_path).dataobj)).T
    np.testing.assert_array_equal(file, desk.labels)
    desk.controller.close()


def test_image_with_nan_and_infinity_is_segmented() -> None:
    voxels = ellipsoid().astype(np.float32)
    voxels[10, :3] = np.nan
    voxels[10, 3] = np.inf
    voxels[10, 4] = -np.inf
    desk = make_desk()
    desk.open(Image(voxels, contrast_limits=(0, 200), name="plain"))
    desk.viewer.dims.set_point(0, 10)
    desk.draw(*BOX)
    assert desk.labels[10].any()
    desk.controller.close()


def test_lazy_and_strided_arrays_are_segmented() -> None:
    da = pytest.importorskip("dask.array")
    wide = np.zeros((40, 128, 96), np.uint8)
    wide[::2, ::2, ::2] = ellipsoid()
    for data in (da.from_array(ellipsoid(), chunks=7), wide[::2, ::2, ::2]):
        desk = make_desk()
        desk.open(Image(data, name="plain"))
        desk.viewer.dims.set_point(0, 10)
        desk.draw(*BOX)
        np.testing.assert_array_equal(desk.labels[10] > 0, ellipsoid()[10] > 0)
        desk.controller.close()


def test_largest_level_of_a_pyramid_is_segmented() -> None:
    desk = make_desk()
    desk.open(Image([ellipsoid(), ellipsoid()[:, ::2, ::2]], multiscale=True, name="pyramid"))
    assert desk.controller.case.image.volume.shape_zyx == ellipsoid().shape
    desk.viewer.dims.set_point(0, 10)
    desk.draw(*BOX)
    np.testing.assert_array_equal(desk.labels[10] > 0, ellipsoid()[10] > 0)
    desk.controller.close()


def no_pixels(_: Any) -> None:
    raise OSError("the disk is gone")


class Unreadable:
    """A lazy array whose file went away after it was shown."""

    shape, ndim, dtype, is_gone = (6, 7, 8), 3, np.dtype(np.uint8), False

    def __getitem__(self, key: Any) -> np.ndarray:
        return np.zeros(self.shape, np.uint8)[key]

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        if self.is_gone:
            raise OSError("the disk is gone")
        return np.zeros(self.shape, np.uint8)


def unreadable() -> Image:
    data = Unreadable()
    layer = Image(data, name="odd", contrast_limits=(0, 1))
    data.is_gone = True
    return layer


REFUSED: dict[str, tuple[Callable[[], Image], str]] = {
    "film": (lambda: Image(np.zeros((2, 3, 4, 5)), name="odd"), "4 dimensions"),
    "unreadable": (unreadable, "cannot be read"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_segmented_is_one_sentence(name: str) -> None:
    desk = make_desk()
    made, words = REFUSED[name]
    desk.open(made())
    assert words in desk.view.panel.message
    assert desk.view.panel.message.startswith(("odd ", "The pixels of odd "))
    assert not desk.view.panel.has_case
    assert [layer.name for layer in desk.viewer.layers] == ["odd"]
    assert not desk.controller.cases
    desk.controller.close()


def test_file_is_known_by_its_own_array_only() -> None:
    image = image_file()
    layer = image_layer()
    assert image_file_of(layer) is layer.metadata["napari_medsam"]
    assert image_file_of(Image(image.volume.voxels, metadata={"napari_medsam": image})) is image
    copied = Image(image.volume.voxels.copy(), metadata={"napari_medsam": image})
    assert image_file_of(copied).grid.kind == "npz"
