"""What an image that is gone has held is free soon after another is opened."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from qtpy import API_NAME

from tests.ui.desk import TinyModelSource, image_layer
from tests.ui.hands import let_pass, wait_for
from tests.ui.window import Window

pytestmark = pytest.mark.gui


@pytest.fixture
def no_collecting() -> Iterator[None]:
    """Python's own collector waits for a quarter more objects; here it never comes."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.skipif(
    API_NAME == "PySide6",
    reason="napari's own controls keep a removed layer with PySide6 (seen without our dock)",
)
def test_removed_image_is_freed_when_another_is_chosen(
    make_napari_viewer: Callable[..., Any], no_collecting: None
) -> None:
    window = Window(make_napari_viewer(show=True), TinyModelSource())
    window.open(image_layer(name="first"))
    window.look_at("z", 10)
    window.draw((10, 12, 10), (10, 48, 38))
    gone = weakref.ref(window.image)
    window.viewer.layers.clear()
    let_pass(200)
    window.open(image_layer(name="second"))
    wait_for(lambda: gone() is None)
