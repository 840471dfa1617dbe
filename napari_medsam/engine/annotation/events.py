"""The rows of the log: labels, placed boxes, and the `Event` that holds one thing that was done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Literal

from napari_medsam.engine.annotation.packed import (
    pack_confidences,
    pack_label_slices,
    pack_masks,
    pack_patches,
)
from napari_medsam.engine.annotation.patch import Change
from napari_medsam.engine.data.labels import Label
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import BoxPrompt, PointPrompt
from napari_medsam.engine.data.volume import Axis

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
