"""A user's session in the real window with the real model: open, draw a box, propagate, save.

Run it as a program: ``python -m tests.whole_program.window_run IMAGE LABELS``, where IMAGE is the
sample case as a file. It simulates keys and mouse; the caller checks the saved file.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QFileDialog

from napari_medsam.headless.demo import box_on_largest_slice
from napari_medsam.headless.synthetic_case import synthetic_abdomen
from napari_medsam.ui.plugin.app import new_viewer
from napari_medsam.ui.widgets.dock import MedSamWidget
from tests.ui.hands import Hands, click, let_pass, wait_for

LIVER, TIMEOUT_SECONDS = 1, 120.0


def main(image: str, labels: Path) -> None:
    viewer = new_viewer()
    viewer.open(image, plugin="napari-medsam")
    dock = _dock(viewer)
    controller = dock.controller
    wait_for(lambda: controller.case is not None, TIMEOUT_SECONDS)
    wait_for(lambda: controller.desk.state.state != "loading", TIMEOUT_SECONDS)
    _draw_box_around_liver(viewer, controller)
    wait_for(lambda: bool(controller.case.annotation.log), TIMEOUT_SECONDS)
    wait_for(lambda: controller.panel().progress is None, TIMEOUT_SECONDS)
    Hands(viewer).press("G")
    wait_for(lambda: controller.case.annotation.log[-1].kind == "propagate", TIMEOUT_SECONDS)
    wait_for(lambda: controller.panel().progress is None, TIMEOUT_SECONDS)
    QFileDialog.getSaveFileName = staticmethod(lambda *_: (str(labels), ""))
    click(dock.parts.buttons["save"])
    wait_for(lambda: "Saved" in dock.parts.message.text(), TIMEOUT_SECONDS)
    print(dock.parts.message.text())
    controller.close()
    viewer.close()


def _dock(viewer: Any) -> MedSamWidget:
    (dock,) = viewer.window._qt_window.findChildren(MedSamWidget)
    return dock


def _draw_box_around_liver(viewer: Any, controller: Any) -> None:
    box = box_on_largest_slice(synthetic_abdomen().reference == LIVER)
    z = box.slice.index
    viewer.dims.set_point(0, z * controller.case.layer.scale[0])
    let_pass(300)
    Hands(viewer).drag(
        controller.case.layer,
        (z, round(box.y_min), round(box.x_min)),
        (z, round(box.y_max), round(box.x_max)),
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
