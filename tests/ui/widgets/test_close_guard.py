"""A window closed during a job: the process ends on its own, without an error."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from tests.conftest import PROJECT

pytestmark = pytest.mark.gui

PROGRAM = """
    import time
    import napari
    from qtpy.QtCore import QTimer
    from napari_medsam.ui.widgets.dock import MedSamWidget
    from tests.ui.desk import TinyModelSource, image_layer, rectangle

    shelf = TinyModelSource()
    decode = shelf.model.decode

    def slow(*arguments):
        time.sleep(0.2)
        return decode(*arguments)

    viewer = napari.Viewer(show=True)
    dock = MedSamWidget(viewer, shelf)
    viewer.window.add_dock_widget(dock)
    viewer.add_layer(image_layer())

    def when(ready, then):
        QTimer.singleShot(50, lambda: then() if ready() else when(ready, then))

    def draw():
        case = dock.controller.case
        case.boxes.layer.add_rectangles(rectangle((10, 12, 10), (10, 48, 38)))
        when(lambda: case.annotation.boxes, propagate)

    def propagate():
        shelf.model.decode = slow
        dock.controller.propagation.propagate(0, 19)
        when(lambda: dock.controller.panel().progress.n_done > 1, finish)

    def finish():
        assert dock.controller.panel().progress.what == "Propagating"
        print("closing")
        {finish}

    when(lambda: dock.controller.case, draw)
    napari.run()
"""


@pytest.mark.parametrize(
    "finish",
    [
        pytest.param("viewer.close()", id="window"),
        pytest.param("viewer.window.remove_dock_widget(dock); viewer.close()", id="dock first"),
        pytest.param("viewer.layers.clear(); viewer.close()", id="layers first"),
    ],
)
def test_closing_during_a_propagation_ends_the_process(finish: str) -> None:
    done = run(PROGRAM.replace("{finish}", finish))
    assert done.returncode == 0, done.stderr
    assert "closing" in done.stdout
    assert "Traceback" not in done.stderr


EXIT = """
    import napari
    from napari._qt.dialogs.confirm_close_dialog import ConfirmCloseDialog
    from qtpy.QtCore import QTimer
    from napari_medsam.ui.widgets import file_dialogs
    from napari_medsam.ui.widgets.dock import MedSamWidget
    from tests.ui.desk import TinyModelSource, image_layer, rectangle

    viewer = napari.Viewer(show=True)
    dock = MedSamWidget(viewer, TinyModelSource())
    viewer.window.add_dock_widget(dock)
    viewer.add_layer(image_layer())

    def asked(parent, question, choices):
        print("ours:", question)
        return choices[1]

    file_dialogs.ask = asked
    def naparis(dialog):
        print("napari's")
        return dialog.DialogCode.Rejected

    # napari until 0.9 calls the one, from 0.10 on the other.
    ConfirmCloseDialog.exec_ = ConfirmCloseDialog.exec = naparis

    def when(ready, then):
        QTimer.singleShot(50, lambda: then() if ready() else when(ready, then))

    def draw():
        case = dock.controller.case
        case.boxes.layer.add_rectangles(rectangle((10, 12, 10), (10, 48, 38)))
        when(lambda: case.annotation.boxes, leave)

    def leave():
        (leave,) = (a for a in viewer.window.file_menu.actions() if a.text() == "Exit")
        leave.trigger()

    when(lambda: dock.controller.case, draw)
    napari.run()
"""


def test_exit_with_unsaved_labels_asks_once_and_ends_the_program() -> None:
    done = run(EXIT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ours: Labels of case are not saved") == 1
    assert "napari's" not in done.stdout
    assert "Traceback" not in done.stderr


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", textwrap.dedent(program)],
        capture_output=True,
        cwd=PROJECT,
        timeout=90,
        text=True,
    )
