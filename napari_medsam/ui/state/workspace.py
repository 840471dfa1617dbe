"""`Workspace`: what all actions of one window share, and the signals by which they follow it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

from napari.components import ViewerModel
from psygnal import Signal

from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.data.signals import emit
from napari_medsam.engine.inference.embedding_cache import EmbeddingCache
from napari_medsam.engine.inference.predictor import PromptableModel
from napari_medsam.headless.disk_cache_settings import cache_preferences, memory_for_embeddings
from napari_medsam.storage.file_names import shown
from napari_medsam.storage.settings import Settings
from napari_medsam.ui.layers.boxes_layer import Later
from napari_medsam.ui.layers.image_layer import has_other_pixels
from napari_medsam.ui.layers.labels_layer import Throttle
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.dock_state import Progress, View
from napari_medsam.ui.state.jobs import Jobs
from napari_medsam.ui.state.messages import Message, MessageLine

SOME = SliceRef("x", 0)
"""For `has_same_pixels`: a slice that crosses all axial planes, so that some are looked at."""


@dataclass(frozen=True)
class Lanes:
    """The lanes of work. Jobs of different lanes run beside each other.

    On one lane a new job cancels the job before it. So a click, whose job is on `images`, cancels a
    propagation, but never a save or the reading of a file.

    Parameters
    ----------
    images
        Boxes, points, propagations, previews and prefetch, of all cases of the window.
    models
        Installs, imports, opens and measures models: a box that is drawn waits for the model.
    saving
        Writes label files.
    label_files
        Reads label files.
    measures
        Measures labels, and saves pages of measures.
    earlier_work
        Reads archived journals. The journal of each case has a lane of its own besides.
    """

    images: Jobs
    models: Jobs
    saving: Jobs
    label_files: Jobs
    measures: Jobs
    earlier_work: Jobs

    def close(self) -> None:
        for lane in fields(self):
            getattr(self, lane.name).close()


class Workspace:
    """What the actions of one window share.

    Parameters
    ----------
    viewer
        The viewer, or only its model.
    view
        Shows the `DockState`, and asks the user.
    make_jobs
        Makes a lane of work; called for each of `Lanes`, and once more for each case.
    throttle, later
        See `LabelsLayer` and `BoxesLayer`; without a screen both act at once.
    idle
        Delays a function until the user has paused for a moment; without it nothing is done then.
    cache
        Where embeddings are stored; only in memory if not given.
    """

    case_changed = Signal()
    """Another case is open, or none."""

    session_outdated = Signal()
    """The model, or the intensity window on screen, is another."""

    session_changed = Signal()
    """The open case has another session, or none for now."""

    pixels_changed = Signal(Case)
    """Others have written into the image of this case."""

    scrolled = Signal()
    """Another slice is on screen."""

    slices_ready = Signal(object)
    """These slices (a sequence of `SliceRef`) have an embedding now."""

    settings_changed = Signal(object)
    """The user has changed preferences; the listeners get the `Settings`."""

    changed = Signal()
    """What the dock shows may be different."""

    def __init__(
        self,
        viewer: ViewerModel,
        view: View,
        *,
        make_jobs: Callable[[], Jobs] = Jobs,
        throttle: Throttle = lambda function: function,
        later: Later = lambda function: function(),
        idle: Throttle | None = None,
        cache: EmbeddingCache | None = None,
    ) -> None:
        self.viewer, self.view = viewer, view
        self.make_jobs = make_jobs
        self.lanes = Lanes(*(make_jobs() for _ in fields(Lanes)))
        self.throttle, self.later, self.idle = throttle, later, idle
        self.cache = EmbeddingCache() if cache is None else cache
        self.case: Case | None = None
        self.model: PromptableModel | None = None
        self.replace = False  # whether masks may overwrite other labels and painted voxels
        self.is_closed = False
        self._messages = MessageLine()

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
        message = Message(shown(sentence), is_problem, shown(detail))
        self._messages.show(message, self.case, for_now=for_now, lasts=lasts)
        self.refresh()

    def refuse(self, why: str) -> None:
        """Show for now why something cannot be done."""
        self.show_message(why, is_problem=True, for_now=True)

    @property
    def message(self) -> Message:
        """What the message line shows now."""
        return self._messages.current(self.case)

    def refresh(self) -> None:
        """Show the current state in the dock."""
        emit(self.changed)

    def show_progress(self, case: Case, progress: Progress | None) -> None:
        """Set the progress of a case's job, None after its end, and show it."""
        case.progress = progress
        self.refresh()

    def stop(self, case: Case) -> None:
        """Stop the running job of a case; boxes that wait stay in the queue."""
        if case.progress is not None:
            self.lanes.images.cancel()

    def has_same_pixels(self, case: Case, where: SliceRef | None = None) -> bool:
        """Whether nobody has written into a case's image; if so, `pixels_changed` is emitted.

        With `where`, that slice is looked at, or some planes that it crosses: all take too long to
        look at before each box.
        """
        planes = slice(None)
        if where is not None:
            planes = case.image.volume.planes_of(where.axis, where.index)
        if has_other_pixels(case.layer, case.image, planes):
            emit(self.pixels_changed, case)
            return False
        return True

    def apply_settings(self, chosen: Settings) -> None:
        """Apply changed preferences."""
        self.cache.max_bytes = memory_for_embeddings(chosen.memory_mb * 1024**2)
        if self.cache.disk is not None:
            self.cache.disk.max_bytes, self.cache.disk.precision = cache_preferences()
        emit(self.settings_changed, chosen)
        self.refresh()

    def choose_replace(self, replace: bool) -> None:
        """Set whether masks may overwrite other labels and painted voxels."""
        self.replace = replace

    def use_model(self, model: PromptableModel | None) -> None:
        """Use another model from now on; None until it is loaded."""
        self.model = model
        emit(self.session_outdated)
        self.refresh()  # the available tools depend on the model

    def close(self) -> None:
        """Stop all jobs; nothing is reported to any action from now on."""
        self.is_closed = True
        self.case = None
        self.lanes.close()
        for name, signal in vars(type(self)).items():
            if isinstance(signal, Signal):
                getattr(self, name).disconnect()
