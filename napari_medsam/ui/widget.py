"""The dock: its parts' signals go to the `Controller`, whose panels come back; and the dialogs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from napari.layers import Image
from napari.viewer import Viewer
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QFileDialog, QFrame, QScrollArea, QVBoxLayout, QWidget
from superqt.utils import qthrottled

from napari_medsam.cache_place import lasting_cache
from napari_medsam.ui import shortcuts
from napari_medsam.ui.case import Case
from napari_medsam.ui.controller import Controller
from napari_medsam.ui.memory import give_back_large_arrays
from napari_medsam.ui.model_rows import ask_weights
from napari_medsam.ui.panel import Panel, Strip
from napari_medsam.ui.parts import Parts
from napari_medsam.ui.shelf import CatalogueShelf, Shelf

WIDTH = 320
REDRAW_MS = 60
IDLE_MS = 500
SAVE_FILTERS = (
    "NIfTI (*.nii.gz *.nii)",
    "NRRD (*.nrrd)",
    "MetaImage (*.mha)",
    "Picture (*.png *.tif *.tiff)",
)


def _later(function: Callable[[], None]) -> None:
    QTimer.singleShot(0, function)


def _throttle(function: Callable[[], None]) -> Callable[[], None]:
    throttled: Callable[[], None] = qthrottled(function, timeout=REDRAW_MS)
    return throttled


def _idle(function: Callable[[], None]) -> Callable[[], None]:
    """Half a second after the first of many calls: scrolling on must not put it off for ever."""
    throttled: Callable[[], None] = qthrottled(function, timeout=IDLE_MS, leading=False)
    return throttled


MOST_IN_MEMORY = 192 * 1024**2
"""96 slices of LiteMedSAM. The others come from disk in a few milliseconds, and the whole window
with a volume of 300x512x512 stays under 1.6 GB."""


class MedSamWidget(QWidget):
    """Box segmentation in a napari viewer.

    Parameters
    ----------
    napari_viewer
        The viewer that the dock is in.
    shelf
        Where models come from; the catalogue's when not given.
    """

    def __init__(self, napari_viewer: Viewer, shelf: Shelf | None = None) -> None:
        super().__init__()
        give_back_large_arrays()
        self._viewer = napari_viewer
        shelf = shelf or CatalogueShelf()
        self.parts = Parts(self._images)
        self._lay_out()
        self.controller = Controller(
            napari_viewer,
            self,
            shelf=shelf,
            throttle=_throttle,
            later=_later,
            idle=_idle,
            cache=lasting_cache(MOST_IN_MEMORY),
        )
        self._connect()
        self.controller.start()
        self.reset_choices()

    def _lay_out(self) -> None:
        scroll = QScrollArea()
        scroll.setWidget(self.parts)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scroll)
        self.setMinimumWidth(WIDTH)

    def _connect(self) -> None:
        parts, controller = self.parts, self.controller
        parts.image.changed.connect(controller.on_image_chosen)
        parts.model.chosen.connect(lambda name: controller.desk.choose(name))
        parts.precision.activated.connect(
            lambda index: controller.desk.choose_precision(parts.precision.itemData(index))
        )
        parts.preset.textActivated.connect(controller.on_window_chosen)
        parts.model_row.install.clicked.connect(lambda: controller.desk.install())
        for wanted in (parts.model_row.import_file.clicked, parts.model.file_wanted):
            wanted.connect(lambda: self.ask_weights())
        for wanted in (parts.model_row.import_folder.clicked, parts.model.folder_wanted):
            wanted.connect(lambda: self.ask_weights(folder=True))
        parts.points.inside.clicked.connect(lambda: controller.pointer.toggle(True))
        parts.points.outside.clicked.connect(lambda: controller.pointer.toggle(False))
        parts.points.next_object.clicked.connect(lambda: controller.pointer.next_object())
        for axis, view in parts.view_buttons.items():
            view.clicked.connect(lambda _=False, axis=axis: controller.on_view_chosen(axis))
        on_case = controller.on_case
        parts.table.picked.connect(lambda n: on_case(Case.pick_label, n))
        parts.table.renamed.connect(lambda n, name: on_case(Case.rename_label, n, name))
        parts.table.recolored.connect(lambda n, color: on_case(Case.recolor_label, n, color))
        parts.add_label.clicked.connect(lambda: on_case(Case.add_label))
        parts.remove_label.clicked.connect(lambda: on_case(Case.remove_label))
        parts.replace.toggled.connect(controller.on_replace_chosen)
        parts.range.chosen.connect(controller.on_range_chosen)
        parts.range.extent.clicked.connect(controller.on_extent_chosen)
        parts.embed_all.clicked.connect(lambda: controller.embed_all())
        parts.strip.jumped.connect(controller.on_slice_chosen)
        parts.strip.end_moved.connect(controller.review.move_end)
        parts.cache.clear.clicked.connect(lambda: controller.clear_cache())
        self._connect_keys()
        # The dock gets no close event with the window; only its destruction is told.
        self.destroyed.connect(controller.close)

    def _connect_keys(self) -> None:
        parts, controller = self.parts, self.controller
        actions: dict[str, Callable[[], object]] = {
            "toggle_box_tool": controller.toggle_box_tool,
            "propagate": controller.propagate,
            "cancel": controller.cancel,
            "undo": controller.undo,
            "redo": controller.redo,
            "next_label": lambda: controller.on_case(Case.pick_next_label),
            "save": self.ask_where_to_save,
            "next_doubtful": controller.review.show_next,
            "accept": controller.review.accept,
            "fix": controller.review.fix,
            "go_on": controller.review.go_on,
        }
        buttons = {
            "toggle_box_tool": parts.box_tool,
            "propagate": parts.propagate,
            "cancel": parts.progress.cancel,
            "undo": parts.undo,
            "redo": parts.redo,
            "next_label": parts.next_label,
            "save": parts.save,
            "next_doubtful": parts.review.next,
            "accept": parts.review.accept,
            "fix": parts.review.fix,
            "go_on": parts.review.go_on,
        }
        for name, pressed in buttons.items():
            pressed.clicked.connect(lambda _=False, name=name: actions[name]())
        viewer = self._viewer
        shortcuts.bind(viewer, actions)
        self.destroyed.connect(lambda: shortcuts.unbind(viewer))

    def show_panel(self, panel: Panel) -> None:
        self.parts.show_panel(panel)

    def show_strip(self, strip: Strip | None) -> None:
        self.parts.strip.show_strip(strip)

    # --- images ------------------------------------------------------------------------

    def _images(self, _: object = None) -> list[Image]:
        return [layer for layer in self._viewer.layers if isinstance(layer, Image)]

    def reset_choices(self, event: object = None) -> None:
        """Let the image box follow the layers; napari calls this when they change."""
        with self.parts.image.changed.blocked():
            self.parts.image.reset_choices()
        # napari is still busy adding the layer: it selects it, and fits the view, after this.
        _later(self._open_chosen)

    def _open_chosen(self) -> None:
        self.controller.on_image_chosen(self.parts.image.value)

    # --- dialogs -----------------------------------------------------------------------

    def ask_where_to_save(self) -> None:
        """Ask for a file and save the labels there."""
        suggested = self.controller.suggested_path()
        if suggested is None:
            return
        filters = sorted(SAVE_FILTERS, key=lambda f: f"*{suggested.suffix}" not in f)
        path, _ = QFileDialog.getSaveFileName(
            self, "Save labels", str(suggested), ";;".join(filters)
        )
        if path:
            self.controller.save(Path(path))

    def ask_weights(self, *, folder: bool = False) -> None:
        """Ask for a file, a zip or a folder, and take in the models it holds."""
        path = ask_weights(self, folder=folder)
        if path is not None:
            self.controller.desk.import_file(path)
