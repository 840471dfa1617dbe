"""The `Controller`: makes a window's `Workspace` and its actions, and opens cases.

It has no widgets and works with a bare `ViewerModel`. At most one case is open. The annotations
of other images are retained, so that returning to an image resumes its annotation.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from weakref import WeakSet

from napari.layers import Image

from napari_medsam.engine.data.signals import emit
from napari_medsam.formats.common.default_window import why_this_window
from napari_medsam.headless.build_request import modality_of
from napari_medsam.headless.disk_cache_settings import cache_size
from napari_medsam.ui.actions.boxes import BoxActions
from napari_medsam.ui.actions.dock_summary import dock_state_of
from napari_medsam.ui.actions.earlier_work import EarlierWork
from napari_medsam.ui.actions.journal import Journals
from napari_medsam.ui.actions.label_rows import RowMeasures
from napari_medsam.ui.actions.label_templates import Templates
from napari_medsam.ui.actions.measures import Measures
from napari_medsam.ui.actions.model import ModelActions
from napari_medsam.ui.actions.model_source import ModelSource
from napari_medsam.ui.actions.mouse import BoxMouse
from napari_medsam.ui.actions.open_cases import OpenCases
from napari_medsam.ui.actions.open_labels import LabelFiles
from napari_medsam.ui.actions.points import PointTool
from napari_medsam.ui.actions.prefetch import Prefetcher
from napari_medsam.ui.actions.preview import Preview
from napari_medsam.ui.actions.propagation_actions import PropagationActions
from napari_medsam.ui.actions.review import ReviewActions
from napari_medsam.ui.actions.save import ONE_FILE, SaveActions, SaveOptions, suggested_path
from napari_medsam.ui.actions.segment import Segmenter
from napari_medsam.ui.actions.session import SessionActions
from napari_medsam.ui.actions.slice_strip import SliceStrip
from napari_medsam.ui.actions.undo import UndoActions
from napari_medsam.ui.actions.view_events import ViewActions
from napari_medsam.ui.layers.labels_layer import show_axis
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.dock_state import DockState
from napari_medsam.ui.state.workspace import Workspace

controllers: WeakSet[Controller] = WeakSet()
"""The active controllers of all windows of this program."""


class Controller:
    """Drives one window; `shelf` is where models come from."""

    def __init__(self, workspace: Workspace, shelf: ModelSource | None = None) -> None:
        self.workspace = workspace
        # First: what the dock shows comes before any work that its listeners begin.
        workspace.changed.connect(self._show_panel)
        self.show_message, self.refresh = workspace.show_message, workspace.refresh
        self._prefetcher = Prefetcher(workspace)
        self._strip = SliceStrip(workspace)
        self._measuring = RowMeasures(workspace)
        segmenter = Segmenter(workspace)
        self.desk = ModelActions(workspace, shelf or ModelSource())
        self.sessions = SessionActions(workspace, segmenter, self._prefetcher, self._strip)
        self.view = ViewActions(workspace)
        self.pointer = PointTool(workspace, segmenter)
        self.hand = BoxMouse(workspace, Preview(workspace, self._prefetcher), self.cancel)
        self.boxes = BoxActions(workspace, segmenter, self.pointer)
        self.propagation = PropagationActions(workspace, segmenter)
        self.review = ReviewActions(workspace, segmenter)
        self.history = UndoActions(workspace, segmenter, self.pointer)
        self.saver = SaveActions(workspace)
        self.label_files = LabelFiles(workspace)
        self.templates = Templates(workspace)
        self.measures = Measures(workspace)
        self.journals = Journals(workspace)
        self.earlier = EarlierWork(workspace, self.journals, self.pointer.next_object)
        self._segmenter = segmenter
        self._cases = OpenCases(workspace, segmenter, self._make_case, self._on_case_opened)
        controllers.add(self)

    def start(self) -> None:
        """Begin to load the model; a box drawn meanwhile is segmented when it is ready."""
        self.desk.choose(self.desk.state.name)

    # --- the dock ----------------------------------------------------------------------

    def _show_panel(self) -> None:
        self.workspace.view.show_panel(self.panel())

    def panel(self) -> DockState:
        case, message = self.case, self.workspace.message
        readings = self.label_files.reading, self.earlier.reading
        running = (action.progress for action in (self.saver, *readings, self.desk))
        panel = DockState(
            message=message.sentence,
            is_problem=message.is_problem,
            detail=message.detail,
            model=self.desk.state,
            models=self.desk.choices,
            progress=next(filter(None, running), None),
            replace=self.workspace.replace,
            precision=self.desk.preference,
            cache=cache_size(self.workspace.cache),
        )
        return dock_state_of(panel, case, self.pointer.tool)

    # --- cases -------------------------------------------------------------------------

    @property
    def case(self) -> Case | None:
        """The open case."""
        return self.workspace.case

    @property
    def cases(self) -> list[Case]:
        """The cases of all images, the open one included."""
        return self._cases.all

    def on_image_chosen(self, layer: Image | None) -> None:
        """Open or resume a layer's case; the case that was open is retained."""
        self._cases.choose(layer)

    def _make_case(self, layer: Image) -> Case:
        workspace = self.workspace
        case = Case(workspace.viewer, layer, self.show_message, workspace.throttle, workspace.later)
        case.boxes.changed.connect(partial(self.boxes.on_changed, case))
        case.painted.connect(workspace.refresh)
        case.labels.take_over_undo(self.history.undo, self.history.redo)
        return case

    def _on_case_opened(self) -> None:
        case, notes = self.case, ""
        emit(self.workspace.case_changed)
        if case is not None:
            case.boxes.draw_mode(True)
            if case.where() is None:  # a picture, opened while another view than axial was shown
                show_axis(self.workspace.viewer, case.layer, "z")
            self.workspace.viewer.layers.selection.active = case.boxes.layer
            self.sessions.renew()
            self.desk.on_modality(modality_of(case.image))
            if not case.not_recorded:  # else the line says that; the notes were shown before
                notes = " ".join(filter(None, (*case.image.notes, why_this_window(case.image))))
        self.show_message(notes, bool(case and case.image.notes))
        if case is not None:
            self.journals.follow(case)  # after the message: it may show one of its own

    def on_case(self, verb: Callable[..., object], *what: object) -> None:
        """Call a method of the open case that needs no model: `on_case(Case.pick_label, 2)`."""
        if self.case is not None:
            verb(self.case, *what)
            self.refresh()

    def cancel(self) -> None:
        """Cancel the box being dragged, or else the running job; painted masks stay."""
        if self.hand.cancel_drag():
            return
        self.desk.cancel()
        if self.case is not None:
            self._segmenter.cancel(self.case)

    # --- files -------------------------------------------------------------------------

    def suggested_path(self) -> Path | None:
        """The file name to propose for saving; None if no case is open."""
        return suggested_path(self.case) if self.case else None

    def unsaved(self) -> list[str]:
        """The names of images whose labels are not saved to a file."""
        for case in self.cases:
            case.take_over()
        return [case.layer.name for case in self.cases if case.annotation.is_dirty]

    def save(self, path: Path, how: SaveOptions = ONE_FILE) -> None:
        """Write the labels on the image's own grid and show what was checked."""
        if self.case is not None:
            self.saver.save(self.case, path, how)

    def close(self) -> None:
        """Stop all jobs and disconnect all events after the dock is gone. Touches no widget."""
        controllers.discard(self)
        self._prefetcher.close()
        self.workspace.close()
        self.view.close()
        self.hand.close()
        self._cases.close()
        self.journals.close()
