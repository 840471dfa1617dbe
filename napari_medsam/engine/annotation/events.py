"""The rows of the log: labels, placed boxes, and the `Event` that holds one thing that was done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Literal, get_args

from napari_medsam.engine.annotation.packed import (
    pack_confidences,
    pack_label_slices,
    pack_masks,
    pack_patches,
)
from napari_medsam.engine.annotation.patch import Change
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import BoxPrompt, PointPrompt
from napari_medsam.engine.data.volume import Axis

MOST_LABELS = 65535
"""Labels are 16-bit; 0 is the background."""

# Okabe and Ito's palette (2008), which colour-blind readers can tell apart; black left out.
PALETTE: tuple[tuple[float, float, float], ...] = (
    (0.902, 0.624, 0.000),
    (0.337, 0.706, 0.914),
    (0.000, 0.620, 0.451),
    (0.941, 0.894, 0.259),
    (0.000, 0.447, 0.698),
    (0.835, 0.369, 0.000),
    (0.800, 0.475, 0.655),
)

EventKind = Literal["box", "propagate", "paint", "clear", "import", "boxes", "table", "review"]


class Origin(IntEnum):
    """Where a voxel's label came from.

    Compare arrays with a member's ``value``: with the member itself numpy converts every voxel,
    which takes 7 times as long, and ended the process where memory was short.
    """

    NONE = 0
    BOX = 1
    PROPAGATED = 2
    HAND = 3
    FILE = 4


LabelState = Literal["", "not started", "in progress", "done", "unsure"]
"""How far the work on a label is, as its user says; "" where nobody has said."""
LABEL_STATES: tuple[LabelState, ...] = get_args(LabelState)


@dataclass(frozen=True)
class Label:
    """A row of the label table: number 1 to 65535, name, colour as RGB in 0..1.

    No voxel of a locked label changes, and none becomes it, until it is unlocked
    (`canvas.Canvas.patch`); its name and colour may. A label that is "done" is locked
    (`with_state`, `with_lock`).
    A file's labels may carry more (`formats.common.coded_terms.CodedLabel`): change one with
    `dataclasses.replace`, which keeps what it carries.
    """

    number: int
    name: str
    color: tuple[float, float, float]
    locked: bool = field(default=False, kw_only=True)
    state: LabelState = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        """A label's number must fit the labels array."""
        if not 1 <= self.number <= MOST_LABELS:
            raise ValueError(f"A label's number is 1 to {MOST_LABELS}; this one is {self.number}.")


def with_state(label: Label, state: LabelState) -> Label:
    """The label in another state: done locks it, and taking that back unlocks it.

    Raises
    ------
    ValueError
        There is no such state.
    """
    if state not in LABEL_STATES:
        known = ", ".join(LABEL_STATES[1:])
        raise ValueError(f"A label's state is one of {known}; this is {state!r}.")
    was_done = label.state == "done"
    locked = state == "done" or (label.locked and not was_done)
    return replace(label, state=state, locked=locked)


def with_lock(label: Label, locked: bool) -> Label:
    """The label locked or unlocked; who unlocks what was done goes on with it."""
    goes_on = label.state == "done" and not locked
    return replace(label, locked=locked, state="in progress" if goes_on else label.state)


BoxSlice = tuple[int, Axis, int]
"""A box's id and a slice: what a mask answers, and where."""


LabelSlice = tuple[int, Axis, int]
"""A label and a slice: what a reviewer looks at."""


@dataclass(frozen=True, slots=True)
class PlacedBox:
    """A box on the screen: its identity through moves, the label it asks for, where it lies."""

    box_id: int
    label: int
    box: BoxPrompt


@dataclass(frozen=True, slots=True)
class PropagationRecord:
    """How a propagation was asked for, and how far its objects reached when it had ended.

    Parameters
    ----------
    axis, reach
        Along which axis; the first and last slice asked for.
    courses
        The key of each course that is to be followed on when a keyframe changes (`Course.key`),
        with the ids of its boxes.
    ends
        Label, first and last slice of what there was; none while it runs.
    """

    axis: Axis
    reach: tuple[int, int]
    courses: tuple[tuple[int, tuple[int, ...]], ...] = ()
    ends: tuple[tuple[int, int, int], ...] = ()

    @property
    def is_unfinished(self) -> bool:
        """Whether it ran still when it was kept: a run that has ended, or was stopped, has ends."""
        return not self.ends


@dataclass(frozen=True, eq=False)
class Event:
    """One thing that was done.

    Parameters
    ----------
    kind
        What it was.
    time
        Seconds since 1970, by the clock of the machine.
    labels
        The label numbers it is about.
    change
        What it did to the voxels.
    places
        For each patch of `change`, which box it answers on which slice; None for patches that
        only take something back.
    boxes_before, boxes_after
        The boxes it took away or moved, and what they became.
    table_before, table_after
        The whole label table where the event changed it, else None.
    masks
        The model's masks as they came, before the rules of overwriting.
    model, window
        What made the masks: `PromptableModel.identity`, and the window in words.
    points
        `PointAnswer.prompts` of its one mask, where points were asked and no box.
    trust
        How far to trust each propagated slice of a label, 0 to 1 (`engine.data.confidence`); None
        where what was propagated is no longer there.
    runs
        The propagation that it is the end of; of an event that others were folded into, theirs.
    accepted_before, accepted_after
        The slices whose acceptance it took back, and those it accepted.
    by_hand
        Of an event that others were folded into: the slices that count as painted by hand.
    """

    kind: EventKind
    time: float
    labels: tuple[int, ...] = ()
    change: Change = ()
    places: Sequence[BoxSlice | None] = ()
    boxes_before: tuple[PlacedBox, ...] = ()
    boxes_after: tuple[PlacedBox, ...] = ()
    table_before: tuple[Label, ...] | None = None
    table_after: tuple[Label, ...] | None = None
    masks: Sequence[SliceMask] = ()
    model: str = ""
    window: str = ""
    points: tuple[PointPrompt, ...] = ()
    trust: Sequence[tuple[LabelSlice, float | None]] = ()
    runs: tuple[PropagationRecord, ...] = ()
    accepted_before: tuple[LabelSlice, ...] = ()
    accepted_after: tuple[LabelSlice, ...] = ()
    by_hand: tuple[LabelSlice, ...] = ()

    @property
    def packed(self) -> Event:
        """The same event in little room, as a log keeps it.

        Packed where it is made or read, before it is appended: a log, its journal and what is
        remembered of an event know it by its identity.
        """
        return replace(
            self,
            change=pack_patches(self.change),
            places=pack_label_slices(self.places),
            masks=pack_masks(self.masks),
            trust=pack_confidences(self.trust),
        )


StepKind = Literal["event", "undo", "redo", "saved"]


@dataclass(frozen=True, eq=False)
class Step:
    """A step of the log: an event was done, the last one undone or redone, or all was saved."""

    kind: StepKind
    event: Event | None = None
