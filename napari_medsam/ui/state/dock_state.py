"""What the dock shows, as one frozen `DockState`, and the `View` that shows it.

The controller makes a `DockState` after each event; the widget only draws it. So what the user
reads can be tested without a screen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from napari_medsam.engine.data.labels import LabelState
from napari_medsam.engine.data.volume import Axis
from napari_medsam.models.runtime.precision_choice import PrecisionPreference
from napari_medsam.ui.state.resume_offers import ResumeOffer


class Notify(Protocol):
    """Shows a sentence to the user; `detail` is its tooltip.

    A sentence `for_now` is about the current state: it is removed when the annotation, the chosen
    label, the view or the image changes. Any other stays until the next one. One that `lasts` is
    about a problem that remains: it is shown again when a sentence `for_now` that replaced it is
    removed.
    """

    def __call__(
        self,
        sentence: str,
        is_problem: bool = False,
        for_now: bool = False,
        *,
        detail: str = "",
        lasts: bool = False,
    ) -> None: ...


PROPAGATING = "Propagating"
"""`Progress.what` of a propagation."""

PRECISIONS: dict[PrecisionPreference, str] = {"f32": "Exact", "auto": "Fast", "bf16": "bfloat16"}


@dataclass(frozen=True)
class LabelRow:
    """A row of the label table; `millilitres` is None if there is no volume.

    `code` is the coded term for DICOM and 3D Slicer, in words. `n_to_look_at` counts the uncertain
    slices of this view that are not yet accepted, boxed or painted. `diameters` is the longest
    and the perpendicular one in `length_unit`, on axial slice `measured_on`; None until measured.
    """

    number: int
    name: str
    color: tuple[float, float, float]
    n_voxels: int
    millilitres: float | None
    code: str = ""
    n_to_look_at: int = 0
    locked: bool = False
    state: LabelState = "not started"
    diameters: tuple[float, float] | None = None
    length_unit: str = "mm"
    measured_on: int = 0


@dataclass(frozen=True)
class Progress:
    """The progress of a job: `n_done` of `n_all` (0 if not known)."""

    what: str
    n_done: int = 0
    n_all: int = 0
    seconds_left: float | None = None


@dataclass(frozen=True)
class ModelState:
    """The chosen model: its name and whether it can be used.

    ``page`` is the web page with weights that the program cannot download.
    """

    name: str
    title: str
    state: Literal["missing", "installing", "loading", "ready", "failed"]
    sentence: str = ""
    can_install: bool = False
    page: str = ""


@dataclass(frozen=True)
class Range:
    """The slices that a propagation would visit: along `axis`, around the boxes.

    The lowest box is on slice `start`, the highest on `stop`.
    """

    axis: Axis
    n_slices: int
    start: int
    stop: int
    first: int
    last: int


@dataclass(frozen=True)
class PointToolState:
    """Which points the model takes, inside or outside the object, or why none.

    ``drawing`` is which kind a click adds now; None if it adds none.
    """

    why_not: str = ""
    inside: bool = False
    outside: bool = False
    drawing: bool | None = None
    n_points: int = 0


NO_POINTS = PointToolState()


@dataclass(frozen=True)
class DockState:
    """Everything the dock shows.

    `detail` is the tooltip of `message`. `n_doubtful` counts the uncertain slices of the chosen
    label in the view on screen; `has_uncertain` is about all labels and views. If there are none
    on screen, `uncertain_at` names a view or label that has some: "sagittal view (0), Liver".
    `why_no_range` is a sentence: why there is no `range`; empty if there is one, or no case.
    """

    hint: str = ""
    message: str = ""
    is_problem: bool = False
    detail: str = ""
    model: ModelState | None = None
    models: tuple[tuple[str, str], ...] = ()
    has_case: bool = False
    is_flat: bool = False
    view: Axis | None = None
    windows: tuple[str, ...] = ()
    window: str = ""
    labels: tuple[LabelRow, ...] = ()
    label: int = 0
    is_drawing: bool = False
    is_selecting: bool = False
    points: PointToolState = NO_POINTS
    range: Range | None = None
    why_no_range: str = ""
    progress: Progress | None = None
    can_undo: bool = False
    can_redo: bool = False
    is_dirty: bool = False
    has_failed_save: bool = False
    replace: bool = False
    precision: str = "f32"
    n_doubtful: int = 0
    has_uncertain: bool = False
    uncertain_at: str = ""
    is_accepted: bool = False
    is_extent: bool = False
    cache: str = ""


@dataclass(frozen=True)
class StripState:
    """All slices along the axis on screen.

    Parameters
    ----------
    axis, n_slices
        Which slices.
    shown
        The one on screen; None while the axis is not the hidden one.
    ready
        Those that have an embedding.
    keyframes
        Those with a box or a fixed mask of the current label.
    confidences
        (slice, 0 to 1) for those that were propagated for the current label.
    settled
        Those that were accepted, boxed or painted since.
    accepted
        Those that were accepted.
    ends
        First and last slice of the current label's propagation, which can be dragged.
    """

    axis: Axis
    n_slices: int
    shown: int | None = None
    ready: frozenset[int] = frozenset()
    keyframes: tuple[int, ...] = ()
    confidences: tuple[tuple[int, float], ...] = ()
    settled: frozenset[int] = frozenset()
    accepted: frozenset[int] = frozenset()
    ends: tuple[int, int] | None = None


class View(Protocol):
    """The dock, as seen by the controller."""

    def show_panel(self, panel: DockState) -> None:
        """Draw a panel."""

    def show_strip(self, strip: StripState | None) -> None:
        """Draw the slice strip; None if there is none to show."""

    def ask(self, question: str, answers: tuple[str, ...]) -> str | None:
        """Ask the user; returns one of the answers, or None if the question was cancelled."""

    def offer(self, offer: ResumeOffer, answer: Callable[[str | None], None]) -> None:
        """Ask without waiting; `answer` is called once, with None if it was cancelled."""


def time_left(seconds: float | None) -> str:
    """Words like "about 12 s left"; empty if it is not known yet."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"about {max(1, round(seconds))} s left"
    return f"about {round(seconds / 60)} min left"
