"""What newer versions of napari do otherwise, met in a real window; docs/napari-versions.md."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel, overlays
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_medsam.ui.napari_support.mouse_position import keep_mouse_in_place
from tests.conftest import PROJECT
from tests.ui.desk import TinyModelSource, image_layer, rectangle
from tests.ui.hands import let_pass, wait_for
from tests.ui.window import Window


@pytest.fixture
def window(make_napari_viewer: Callable[..., Any]) -> Iterator[Window]:
    made = Window(make_napari_viewer(show=True), TinyModelSource())
    made.open(image_layer())
    made.look_at("z", 10)
    yield made
    made.controller.close()


def drawn_corners(window: Window) -> list[list[float]]:
    """The boxes on the screen, each as its lowest and highest row and column."""
    return sorted(
        [*np.min(v, axis=0)[1:], *np.max(v, axis=0)[1:]]
        for v in window.controller.case.boxes.layer.data
    )


def logged_corners(window: Window) -> list[list[float]]:
    return sorted(
        [b.box.y_min, b.box.x_min, b.box.y_max, b.box.x_max]
        for b in window.controller.case.annotation.boxes
    )


def assert_screen_shows_the_log(window: Window) -> None:
    let_pass(200)
    assert np.allclose(drawn_corners(window), logged_corners(window), atol=0.51)


@pytest.mark.gui
@pytest.mark.parametrize(
    ("axis", "start", "end"),
    [
        ("z", (10, 5, 20), (10, 30, 40)),
        ("y", (2, 30, 4), (8, 30, 20)),
        ("x", (2, 8, 24), (8, 30, 24)),
    ],
)
def test_box_on_a_slice_shown_head_up_lies_where_the_mouse_drew_it(
    window: Window, axis: str, start: tuple[int, ...], end: tuple[int, ...]
) -> None:
    """Off the middle, so that a box turned upside down is not the same box."""
    window.look_at(axis, start["zyx".index(axis)])
    window.draw(start, end)
    [corners] = window.controller.case.boxes.layer.data
    assert np.allclose(np.min(corners, axis=0), start, atol=0.5)
    assert np.allclose(np.max(corners, axis=0), end, atol=0.5)


def test_mouse_position_is_mended_where_napari_is_wrong_and_nowhere_else() -> None:
    keep_mouse_in_place()
    plain = getattr(ViewerModel, "canvas_to_world", None)
    if plain is None:
        pytest.skip("canvas_to_world came with napari 0.10")
    viewer = ViewerModel()
    viewer.add_image(np.zeros((4, 50, 60)))
    camera = viewer.scene.camera
    camera.center, camera.zoom = (0, 25, 30), 2
    height, width = viewer.canvas.size
    for vertical, horizontal in product((1, -1), (1, -1)):
        down, right = "down" if vertical == 1 else "up", "right" if horizontal == 1 else "left"
        camera.orientation2d = (down, right)
        world = viewer.canvas_to_world((height / 2 + 10, width / 2 + 20))
        assert np.allclose(world[1:], (25 + vertical * 5, 30 + horizontal * 10))


@pytest.mark.gui
@pytest.mark.parametrize("how", ["add", "data"])
def test_box_added_by_a_program_while_one_is_drawn_leaves_screen_and_log_alike(
    window: Window, how: str
) -> None:
    """0.10 ends the drawing or adjusts it; before, the mouse went on in the wrong shape."""
    boxes = window.controller.case.boxes.layer
    other = rectangle((10, 40, 5), (10, 55, 15))

    def halfway() -> None:
        if how == "add":
            boxes.add_rectangles(other)
        else:
            boxes.data = [*boxes.data, other]

    window.hands.drag(window.image, (10, 12, 10), (10, 34, 38), halfway=halfway)
    wait_for(lambda: bool(window.controller.case.annotation.boxes))
    assert_screen_shows_the_log(window)
    assert [40, 5, 55, 15] in np.round(logged_corners(window)).tolist()
    n_before = len(window.controller.case.annotation.log)
    window.draw((10, 14, 12), (10, 48, 36))
    assert len(window.controller.case.annotation.log) > n_before, "the tool must go on working"
    assert_screen_shows_the_log(window)


@pytest.mark.gui
def test_box_removed_by_undo_while_another_is_drawn_leaves_screen_and_log_alike(
    window: Window,
) -> None:
    window.draw((10, 40, 5), (10, 55, 15))
    window.draw((10, 5, 30), (10, 15, 45))
    window.hands.drag(
        window.image, (10, 12, 10), (10, 48, 38), halfway=lambda: window.hands.press("U")
    )
    let_pass(300)
    assert_screen_shows_the_log(window)
    assert np.round(logged_corners(window)).tolist() == [[12, 10, 48, 38], [40, 5, 55, 15]]


@pytest.mark.gui
def test_box_brought_back_by_redo_while_another_is_drawn_is_not_taken_for_deleted(
    window: Window,
) -> None:
    window.draw((10, 40, 5), (10, 55, 15))
    window.hands.press("U")
    window.hands.drag(
        window.image, (10, 12, 10), (10, 48, 38), halfway=lambda: window.hands.press("J")
    )
    let_pass(300)
    assert_screen_shows_the_log(window)
    assert np.round(logged_corners(window)).tolist() == [[12, 10, 48, 38], [40, 5, 55, 15]]


@pytest.mark.gui
def test_box_tool_put_away_in_mid_drawing_leaves_screen_and_log_alike(window: Window) -> None:
    window.hands.drag(
        window.image, (10, 12, 10), (10, 48, 38), halfway=lambda: window.hands.press("N")
    )
    let_pass(300)
    assert_screen_shows_the_log(window)
    window.hands.press("N")
    window.draw((10, 14, 12), (10, 46, 36))
    assert_screen_shows_the_log(window)


HAS_CONTOUR = hasattr(overlays, "LabelsBrushStrokeOverlay")  # napari 0.8 and later


def go_round(window: Window, corners: list[tuple[int, int, int]]) -> None:
    """Click with the right button in paint mode, then move the mouse, no button held."""
    layer = window.controller.case.labels.layer
    window.viewer.layers.selection.active = layer
    layer.mode, layer.brush_size = "paint", 3
    let_pass(50)
    native = window.viewer.window._qt_viewer.canvas.native
    points: list[QPoint] = [window.hands.pixel(window.image, corner) for corner in corners]
    QTest.mouseMove(native, points[0])
    let_pass(30)
    QTest.mousePress(native, Qt.MouseButton.RightButton, pos=points[0])
    let_pass(30)
    QTest.mouseRelease(native, Qt.MouseButton.RightButton, pos=points[0])
    for start, end in pairwise(points):
        for n in range(1, 7):
            QTest.mouseMove(native, start + (end - start) * n / 6)
            let_pass(20)
    let_pass(300)


@pytest.mark.gui
def test_right_button_in_paint_mode_is_logged_and_undone_like_any_stroke(window: Window) -> None:
    """From 0.8 on it begins a contour, which is filled when it is closed; before, it paints."""
    case = window.controller.case
    go_round(window, [(10, 20, 15), (10, 40, 15), (10, 40, 30), (10, 20, 30), (10, 20, 15)])
    assert bool(case.annotation.labels[10, 30, 22]) is HAS_CONTOUR, "the inside is filled"
    assert np.array_equal(np.asarray(case.labels.layer.data), case.annotation.labels)
    assert [event.kind for event in case.annotation.log[1:]] == ["paint"]
    window.hands.press("U")
    let_pass(200)
    assert not case.annotation.labels.any()
    assert not np.any(case.labels.layer.data)


@pytest.mark.gui
@pytest.mark.skipif(not HAS_CONTOUR, reason="contours came with napari 0.8")
def test_contour_given_up_with_escape_leaves_nothing(window: Window) -> None:
    case = window.controller.case
    go_round(window, [(10, 20, 15), (10, 40, 15), (10, 40, 30)])
    assert np.any(case.labels.layer.data)
    window.hands.press("Escape")
    let_pass(200)
    assert not np.any(case.labels.layer.data)
    assert not case.annotation.labels.any()
    assert len(case.annotation.log) == 1


@pytest.mark.gui
def test_our_layers_have_the_units_of_the_image(window: Window) -> None:
    """From 0.7 on layers are drawn in physical units: without ours a box would lie elsewhere."""
    window.draw((10, 12, 10), (10, 48, 38))
    case = window.controller.case
    for layer in (case.layer, case.boxes.layer, case.labels.layer):
        assert [str(unit) for unit in layer.units] == ["millimeter"] * 3, layer.name
        for voxel in ((0, 0, 0), (19, 63, 47)):
            assert np.allclose(layer.data_to_world(voxel), case.layer.data_to_world(voxel))


OLD_NAMES = {"axes", "scale_bar", "text_overlay", "grid", "floating_axes", "welcome_screen"}
"""Attributes of the viewer that napari 0.9 moved to `scene` and `canvas`, but the camera."""


def test_only_public_names_of_napari_are_used() -> None:
    """A private or deprecated name is what a next version may take away without a word."""
    found = []
    for path in sorted((PROJECT / "napari_medsam").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("napari."):
                names = [*str(node.module).split("."), *(one.name for one in node.names)]
                found += [f"{path.name}: {node.module}"] if any(n[0] == "_" for n in names) else []
            if isinstance(node, ast.Attribute) and "viewer" in ast.unparse(node.value).lower():
                is_old = node.attr in OLD_NAMES or node.attr.startswith("_qt")
                found += [f"{path.name}: {ast.unparse(node)}"] if is_old else []
            if isinstance(node, ast.Attribute) and ast.unparse(node) == "viewer.camera":
                found += [] if path.name == "labels_layer.py" else [f"{path.name}: viewer.camera"]
    assert not found
