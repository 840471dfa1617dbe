"""napari's own menus and buttons act on our layers, in a real window with a real mouse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from napari import _app_model

from napari_medsam.ui.layers.labels_layer import LayerLock
from napari_medsam.ui.state.case import KEEPS_TYPE, TAKEN_OVER
from tests.ui.desk import TinyModelSource, ellipsoid, image_layer
from tests.ui.hands import click, let_pass, wait_for
from tests.ui.window import Window

pytestmark = pytest.mark.gui

ON_10, ON_12 = ((10, 12, 10), (10, 48, 38)), ((12, 12, 10), (12, 48, 38))


@pytest.fixture
def window(make_napari_viewer: Callable[..., Any]) -> Iterator[Window]:
    made = Window(make_napari_viewer(show=True), TinyModelSource())
    made.open(image_layer())
    yield made
    made.controller.close()


def run(command: str) -> None:
    """Run a command of napari as its menus do."""
    get = getattr(_app_model, "get_app_model", None) or _app_model.get_app
    get().commands.execute_command(command).result()
    let_pass(200)


def shown_labels(window: Window) -> int:
    """How many pixels of the canvas have the colour of a label."""
    let_pass(300)
    picture = window.viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
    return int((np.ptp(picture, axis=-1) > 40).sum())


def test_converted_labels_still_show_and_save_what_is_drawn_later(window: Window) -> None:
    window.look_at("z", 10)
    window.draw(*ON_10)
    case = window.controller.case
    window.viewer.layers.selection.active = case.labels.layer
    run("napari.layer.convert_to_int64")
    assert case.labels.layer.data.dtype == np.uint16
    assert window.controller.workspace.message.sentence == KEEPS_TYPE
    window.picture("converted")
    window.controller.boxes.toggle_draw()
    window.look_at("z", 12)
    before = shown_labels(window)
    window.draw(*ON_12)
    np.testing.assert_array_equal(case.labels.layer.data, case.annotation.labels)
    np.testing.assert_array_equal(case.labels.layer.data[12] > 0, ellipsoid()[12] > 0)
    window.picture("drawn_after_converting")
    assert shown_labels(window) > before + 500


def test_deleted_layers_come_back_and_undo_goes_on(window: Window) -> None:
    window.look_at("z", 10)
    window.draw(*ON_10)
    case, viewer = window.controller.case, window.viewer
    for layer in (case.labels.layer, case.boxes.layer):  # napari 0.9 aborts if both are gone
        if LayerLock is not None:
            layer.locked = LayerLock.NONE
        viewer.layers.selection.active = layer
        click(viewer.window._qt_viewer.layerButtons.deleteButton)
        let_pass(200)
        assert layer not in viewer.layers
        assert "Nothing is lost" in window.controller.workspace.message.sentence
        window.picture(f"deleted {layer.name}")
        window.hands.press("N")
        wait_for(lambda: case.labels.layer in viewer.layers and case.boxes.layer in viewer.layers)
        let_pass(200)
    assert shown_labels(window) > 500
    window.picture("brought_back")
    window.hands.press("U")
    let_pass(200)
    assert not case.labels.layer.data.any()
    assert case.boxes.layer.nshapes == 0
    window.look_at("z", 12)
    window.draw(*ON_12)
    np.testing.assert_array_equal(case.labels.layer.data[12] > 0, ellipsoid()[12] > 0)
    window.picture("drawn_after_undo")


def test_array_of_a_script_is_seen_and_undone(window: Window) -> None:
    window.look_at("z", 10)
    case, new = window.controller.case, np.zeros(ellipsoid().shape, np.int32)
    new[10, 10:50, 10:40] = 5
    case.labels.layer.data = new
    assert window.controller.workspace.message.sentence == TAKEN_OVER
    assert shown_labels(window) > 500
    window.picture("script")
    window.hands.press("U")
    let_pass(200)
    assert not case.labels.layer.data.any()
    assert shown_labels(window) < 500


def test_image_that_is_scaled_and_moved_takes_boxes_where_the_mouse_draws_them(
    window: Window,
) -> None:
    window.image.scale = (5.0, 0.5, 1.0)
    window.image.translate = (20.0, -30.0, 10.0)
    window.viewer.reset_view()
    window.viewer.dims.set_point(0, 20.0 + 10 * 5.0)
    let_pass(200)
    window.draw(*ON_10)
    np.testing.assert_array_equal(window.labels[10] > 0, ellipsoid()[10] > 0)
    assert not np.delete(window.labels, 10, axis=0).any()
    window.picture("moved")
