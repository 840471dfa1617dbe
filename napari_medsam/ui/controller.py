"""The `Controller`: turns what the user does into calls on a `Case`, and shows a new `DockState`.

It has no widgets and works with a bare `ViewerModel`. At most one case is open. The annotations
of other images are retained, so that returning to an image resumes its annotation.

Work runs on six lanes: images (the latest job wins), models, saving, opening label files (a click
cancels neither of these two), measures, and earlier work.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple
from weakref import WeakSet

from napari.components import ViewerModel
from napari.layers import Image

from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.data.volume import Axis
from napari_medsam.engine.inference.embedding_cache import EmbeddingCache
from napari_medsam.engine.inference.predictor import PromptableModel
from napari_medsam.engine.session import Session
from napari_medsam.formats.common.default_window import why_this_window
from napari_medsam.headless.disk_cache_settings import (
    cache_preferences,
    cache_size,
    memory_for_embeddings,
)
from napari_medsam.storage.settings import Settings, settings
from napari_medsam.ui.actions.boxes import BoxActions, deleted_message
from napari_medsam.ui.actions.dock_summary import dock_state_of, modality_of
from napari_medsam.ui.actions.earlier_work import EarlierWork
from napari_medsam.ui.actions.journal import Journals
from napari_medsam.ui.actions.label_rows import RowMeasures
from napari_medsam.ui.actions.label_templates import Templates
from napari_medsam.ui.actions.measures import Measures
from napari_medsam.ui.actions.model import ModelActions
from napari_medsam.ui.actions.model_source import CatalogueModelSource, ModelSource
from napari_medsam.ui.actions.mouse import BoxMouse
from napari_medsam.ui.actions.open_cases import OpenCases
from napari_medsam.ui.actions.open_labels import LabelFiles
from napari_medsam.ui.actions.points import PointTool
from napari_medsam.ui.actions.prefetch import Prefetcher
from napari_medsam.ui.actions.preview import Preview
from napari_medsam.ui.actions.propagation_targets import (
    requested_range,
    take_drawn_boxes,
    targets,
    why_no_seeds,
)
from napari_medsam.ui.actions.review import ReviewActions
from napari_medsam.ui.actions.save import ONE_FILE, SaveActions, SaveOptions, suggested_path
from napari_medsam.ui.actions.segment import Segmenter
from napari_medsam.ui.actions.slice_strip import ReadySlices, strip_of
from napari_medsam.ui.actions.view_events import ViewWatch
from napari_medsam.ui.layers.boxes_layer import Later
from napari_medsam.ui.layers.labels_layer import Throttle, show_axis, show_slice
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.dock_state import DockState, View
from napari_medsam.ui.state.jobs import JobRunner, Jobs


class Message(NamedTuple):
    """What the dock's message line shows: a sentence, its colour and its tooltip."""

    sentence: str = ""
    is_problem: bool = False
    detail: str = ""


NO_MESSAGE = Message()


def _at_once(function: Callable[[], None]) -> None:
    function()


def _nothing() -> None:
    """For a controller that is never idle."""


def _collect() -> None:
    """Free reference cycles, as removed napari layers leave: Python collects them rarely."""
    gc.collect()


controllers: WeakSet[Controller] = WeakSet()
"""The active controllers of all windows of this program."""


class Controller:
    """Drives one viewer.

    Parameters
    ----------
    viewer
        The viewer, or only its model.
    view
        Shows the `DockState`.
    shelf
        Where models come from.
    make_jobs
        Makes a lane of work; called six times, and once more for each case.
    throttle, later
        See `LabelsLayer` and `BoxesLayer`; without a screen both act at once.
    idle
        See `Prefetcher`; without it nothing is embedded ahead.
    cache
        Where embeddings are stored; only in memory if not given.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        view: View,
        *,
        shelf: ModelSource | None = None,
        make_jobs: Callable[[], JobRunner] = Jobs,
        throttle: Throttle = lambda function: function,
        later: Later = _at_once,
        idle: Throttle | None = None,
        cache: EmbeddingCache | None = None,
    ) -> None:
        self.viewer = viewer
        self._view = view
        self._throttle, self._later = throttle, later
        self._lanes = [make_jobs() for _ in range(6)]
        self._cache = EmbeddingCache() if cache is None else cache
        self._ready = ReadySlices()
        self._tidy = _nothing if idle is None else idle(_collect)
        self._prefetch = Prefetcher(self._lanes[0], idle, lambda where: self._on_ready([where]))
        self._draw_strip_soon = throttle(self._draw_strip)
        self._model: PromptableModel | None = None
        self._message = NO_MESSAGE
        self._lasting = NO_MESSAGE  # shown again when a message `for_now` expires
        self._message_state: object = None  # of a message that is only `for_now`
        self._replace = False
        self._threads = settings().threads
        self._is_closed = False
        self.desk = ModelActions(
            shelf or CatalogueModelSource(),
            self._lanes[1],
            self.show_message,
            self.refresh,
            self._on_model,
        )
        self.review = ReviewActions(
            viewer, lambda: self._segmenter, self.show_message, self.refresh
        )
        self.boxes = BoxActions(viewer, lambda: self._segmenter, self.show_message, self.refresh)
        self._saver = SaveActions(self._lanes[2], view.ask, self.show_message, self.refresh, later)
        self.label_files = LabelFiles(
            self._lanes[3], lambda: self.case, view.ask, self.show_message, self.refresh
        )
        self.templates = Templates(lambda: self.case, self.show_message, self.refresh)
        self.measures = Measures(viewer, self._lanes[4], lambda: self.case, self.show_message)
        self._measuring = RowMeasures(
            lambda: None if self._is_closed else self.case, later, self.refresh
        )
        self._watch = ViewWatch(
            viewer, throttle, self.refresh, self._renew_session, self._on_scroll
        )
        self.pointer = PointTool(viewer, self._lanes[0], self.show_message, self.refresh, later)
        preview = Preview(viewer, self._lanes[0], throttle, self._prefetch.stop)
        self.hand = BoxMouse(preview, self.cancel, self.show_message, self.refresh, later)
        self.hand.preview.is_on = settings().preview
        self.journals = Journals(make_jobs, view.offer, self.show_message, self.refresh, idle)
        self.earlier = EarlierWork(
            self._lanes[5],
            lambda: self._segmenter,
            self.journals,
            self.show_message,
            self.refresh,
            self.pointer.next_object,
        )
        self._cases = OpenCases(viewer, self._make_case, self._on_case_opened, self.show_message)
        controllers.add(self)

    def start(self) -> None:
        """Begin to load the model; a box drawn meanwhile is segmented when it is ready."""
        self.desk.choose(self.desk.state.name)

    # --- the panel ---------------------------------------------------------------------

    def show_message(
        self,
        sentence: str,
        is_problem: bool = False,
        for_now: bool = False,
        *,
        detail: str = "",
        lasts: bool = False,
    ) -> None:
        """Show a message to the user; see `Notify`."""
        self._message = Message(sentence, is_problem, detail)
        self._message_state = self._described_state() if for_now else None
        if not for_now:
            self._lasting = self._message if lasts else NO_MESSAGE
        self.refresh()

    def _described_state(self) -> object:
        """What a message `for_now` describes; if it changes, the message may be wrong."""
        segmenter = self._segmenter
        if segmenter is None:
            return ()
        case, where = segmenter.case, segmenter.case.where()
        last = case.annotation.log[-1] if case.annotation.log else None
        view = where.axis if where is not None else None
        return case, case.label, view, last, segmenter.propagator.is_running

    def refresh(self) -> None:
        """Show the current state in the dock."""
        if self._message_state is not None and self._message_state != self._described_state():
            self._message, self._message_state = self._lasting, None
        self._view.show_panel(self.panel())
        self._draw_strip_soon()
        self._prefetch.schedule()
        self._measuring.schedule()
        self.journals.schedule()

    def _draw_strip(self) -> None:
        if self._is_closed:  # a throttled call can come after the dock is gone
            return
        segmenter = self._segmenter
        strip = strip_of(segmenter.case, segmenter.session, self._ready) if segmenter else None
        self._view.show_strip(strip)

    def _on_ready(self, slices: Sequence[SliceRef]) -> None:
        self._ready.add(slices)
        self._draw_strip_soon()

    def panel(self) -> DockState:
        readings = self.label_files.reading, self.earlier.reading
        case = self.case
        running = (action.progress for action in (self._saver, *readings, self.desk))
        panel = DockState(
            hint="",
            message=self._message.sentence,
            is_problem=self._message.is_problem,
            detail=self._message.detail,
            model=self.desk.state,
            models=self.desk.choices,
            progress=next(filter(None, running), None),
            replace=self._replace,
            has_failed_save=case is not None and self._saver.has_failed(case),
            precision=self.desk.preference,
            cache=cache_size(self._cache),
        )
        return dock_state_of(panel, self._segmenter, self.pointer.tool)

    @property
    def case(self) -> Case | None:
        """The open case."""
        return self._cases.current[0] if self._cases.current else None

    @property
    def cases(self) -> list[Case]:
        """The cases of all images, the open one included."""
        return self._cases.all

    @property
    def session(self) -> Session | None:
        """The open case's session; None until the model is ready."""
        return self._segmenter.session if self._segmenter else None

    @property
    def _segmenter(self) -> Segmenter | None:
        return self._cases.current[1] if self._cases.current else None

    # --- image, model, window ----------------------------------------------------------

    def on_image_chosen(self, layer: Image | None) -> None:
        """Open or resume a layer's case; the case that was open is retained."""
        self._cases.choose(layer)
        self._tidy()

    def _make_case(self, layer: Image) -> tuple[Case, Segmenter]:
        case = Case(self.viewer, layer, self, self._throttle, self._later)
        segmenter = Segmenter(case, self._lanes[0], self.show_message, self.refresh)
        segmenter.on_ready = self._on_ready
        return case, segmenter

    def _on_case_opened(self) -> None:
        case = self.case
        self._watch.follow(case)
        self.pointer.follow(self._segmenter)
        self.hand.follow(self._segmenter)
        notes = ""
        if case is not None:
            case.boxes.draw_mode(True)
            if case.where() is None:  # a picture, opened while another view than axial was shown
                show_axis(self.viewer, case.layer, "z")
            self.viewer.layers.selection.active = case.boxes.layer
            self._renew_session()
            self.desk.on_modality(modality_of(case))
            notes = " ".join(filter(None, (*case.image.notes, why_this_window(case.image))))
        self.show_message(notes, bool(case and case.image.notes))
        if case is not None:
            self.journals.follow(case)

    def _on_model(self, model: PromptableModel | None) -> None:
        self._model = model
        self._renew_session()
        self.refresh()  # the available tools depend on the model

    def _renew_session(self) -> None:
        self._prefetch.use(None)
        if self._segmenter is not None:
            self._segmenter.replace = self._replace
            self._segmenter.use(self._model, self._cache)
            self.pointer.follow(self._segmenter)
            self._prefetch.use(self._segmenter.session)
            self._on_scroll()

    def on_window_chosen(self, name: str) -> None:
        """Use another intensity window for the model from now on; existing masks stay."""
        if self.case is None or name == self.case.window_name:
            return
        try:
            self.case.choose_window(name)
        except ValueError as error:
            self.show_message(str(error), is_problem=True)
            return
        self._renew_session()
        self.show_message(f"Window {name}: slices are prepared again; existing masks stay.")

    def on_replace_chosen(self, replace_others: bool) -> None:
        """Set whether masks may overwrite other labels and painted voxels."""
        self._replace = replace_others
        if self._segmenter is not None:
            self._segmenter.replace = replace_others

    def _on_scroll(self) -> None:
        if self.case is not None:
            self._prefetch.focus(self.case.where())
        self._draw_strip_soon()

    # --- boxes, propagation ------------------------------------------------------------

    def on_boxes_changed(self, case: Case) -> None:
        recorded = {placed.box_id for placed in case.annotation.boxes}
        drawn = take_drawn_boxes(case)
        changed, deleted = drawn.changed, drawn.deleted
        segmenter = self._cases.segmenter_of(case)
        is_reported = False
        if changed and segmenter is not None:
            segmenter.ask(changed)
        elif deleted and segmenter is not None:
            is_reported = segmenter.propagator.keyframes_gone(deleted)
        self.pointer.after_turn()
        case.sync()
        if drawn.problem and not changed:
            self.show_message(drawn.problem, for_now=True)
        elif deleted and not is_reported:
            n_recorded = sum(placed.box_id in recorded for placed in deleted)
            self.show_message(deleted_message(n_recorded), for_now=True)
        self.refresh()

    def toggle_box_tool(self) -> None:
        """Draw boxes, or stop drawing them."""
        if self.case is not None:
            on = not self.case.is_drawing
            self.case.open()
            self.pointer.close_tool()
            self.case.boxes.draw_mode(on)
            self.viewer.layers.selection.active = self.case.boxes.layer
            self.refresh()

    def on_range_chosen(self, first: int, last: int) -> None:
        """Set how far from its boxes a propagation goes, down and up."""
        shown = requested_range(self.case) if self.case else None
        if self.case is not None and shown is not None:
            self.case.reach = (max(0, shown.start - first), max(0, last - shown.stop))
            self.case.has_own_range = True
            self.case.widened.clear()
            self.refresh()

    def on_extent_chosen(self, is_extent: bool) -> None:
        """Set whether a box encloses its object on all slices of the range: a 3D box."""
        if self._segmenter is not None:
            self._segmenter.propagator.is_extent = is_extent

    def propagate(self, first: int | None = None, last: int | None = None) -> None:
        """Propagate the chosen label's object over the range, and those boxed on the same slice."""
        case, segmenter = self.case, self._segmenter
        if segmenter is not None and segmenter.propagator.refuse_while_running():
            return
        shown = requested_range(case) if case else None
        if case is None or segmenter is None or shown is None:
            self.show_message(why_no_seeds(case), is_problem=True, for_now=True)
            return
        may_widen = first is None and last is None and not case.has_own_range
        first = shown.first if first is None else first
        last = shown.last if last is None else last
        try:
            segmenter.propagate(targets(case), first, last, may_widen)
        except ValueError as error:
            self.show_message(str(error), is_problem=True, for_now=True)

    def cancel(self) -> None:
        """Cancel the box being dragged, or else the running job; painted masks stay."""
        if self.hand.cancel_drag():
            return
        self.desk.cancel()
        if self._segmenter is not None:
            self._segmenter.cancel()

    def embed_all(self) -> None:
        """Embed all slices along the axis on screen, so that each box is segmented at once."""
        segmenter = self._segmenter
        if segmenter is not None and not segmenter.propagator.refuse_while_running():
            segmenter.embed_all()

    def on_slice_chosen(self, index: int) -> None:
        """Go to a slice along the axis on screen."""
        where = self.case.where() if self.case is not None else None
        if self.case is not None and where is not None:
            show_slice(self.viewer, self.case.layer, SliceRef(where.axis, index))

    def on_settings(self, chosen: Settings) -> None:
        """Apply changed preferences."""
        self.hand.preview.is_on = chosen.preview
        self._cache.max_bytes = memory_for_embeddings(chosen.memory_mb * 1024**2)
        if self._cache.disk is not None:
            place = cache_preferences()
            self._cache.disk.max_bytes, self._cache.disk.precision = place
        if chosen.threads != self._threads:
            self._threads = chosen.threads
            self.desk.choose(self.desk.state.name)  # compiled again
        self.refresh()

    def clear_cache(self) -> None:
        """Delete all embeddings, in memory and on disk."""
        self._prefetch.stop()
        self._cache.clear()
        freed = self._cache.disk.clear() if self._cache.disk is not None else 0
        self._ready.recount()
        self.show_message(f"Cache cleared: {freed / 1e6:,.0f} MB freed.")

    # --- brush, labels, undo -----------------------------------------------------------

    def on_painted(self, case: Case) -> None:
        if case is self.case:
            self.refresh()

    def undo(self) -> None:
        """Undo the last step; a running job is stopped first."""
        if self._segmenter is not None:
            undone = self._segmenter.undo()
            self.pointer.after_turn()
            self.show_message(undone, for_now=True)

    def redo(self) -> None:
        if self._segmenter is not None:
            redone = self._segmenter.redo()
            self.pointer.after_turn()
            self.show_message(redone, for_now=True)

    def on_case(self, verb: Callable[..., object], *what: object) -> None:
        """Call a method of the open case that needs no model: `on_case(Case.pick_label, 2)`."""
        if self.case is not None:
            verb(self.case, *what)
            self.refresh()

    # --- files -------------------------------------------------------------------------

    def suggested_path(self) -> Path | None:
        """The file name to propose for saving; None if no case is open."""
        return suggested_path(self.case) if self.case else None

    def unsaved(self) -> list[str]:
        """The names of images whose labels are not saved to a file."""
        return [case.layer.name for case in self.cases if case.annotation.is_dirty]

    def save(self, path: Path, how: SaveOptions = ONE_FILE) -> None:
        """Write the labels on the image's own grid and show what was checked."""
        if self.case is not None:
            self._saver.save(self.case, path, how)

    def save_now(self, case: Case, path: Path, moved_to: Path | None = None) -> Path:
        """Write a case's labels before returning, for napari's own File > Save."""
        return self._saver.save_now(case, path, moved_to)

    # --- the viewer --------------------------------------------------------------------

    def on_view_chosen(self, axis: Axis) -> None:
        """Turn to the axial, coronal or sagittal view."""
        if self.case is not None:
            show_axis(self.viewer, self.case.layer, axis)
            self.refresh()

    def close(self) -> None:
        """Stop all jobs and disconnect all events after the dock is gone. Touches no widget."""
        self._is_closed = True
        controllers.discard(self)
        self._prefetch.close()
        for lane in self._lanes:
            lane.close()
        self._watch.close()
        self._cases.close()
        self.journals.close()
