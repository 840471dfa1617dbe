"""The records of the annotation log: `Label`, `PlacedBox`, `PropagationRecord`, `Event`, `Step`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Literal

from napari_medsam.engine.annotation.compressed_events import (
    PackedConfidences,
    PackedLabelSlices,
    PackedMasks,
    PackedPatches,
)
from napari_medsam.engine.annotation.label_patch import Change
from napari_medsam.engine.data.labels import Label
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import BoxPrompt, PointPrompt
from napari_medsam.engine.data.volume import Axis

EventKind = Literal["box", "propagate", "paint", "clear", "import", "boxes", "table", "review"]


class Origin(IntEnum):
    """The origin of a voxel's label.

    Compare arrays with a member's ``value``. With the member itself numpy converts every voxel,
    which takes 7 times as long, and has crashed the process when memory was short.
    """

    NONE = 0
    BOX = 1
    PROPAGATED = 2
    HAND = 3
    FILE = 4


BoxSlice = tuple[int, Axis, int]
"""A box's id, an axis and a slice index: the box that gave a mask, and the mask's slice."""


LabelSlice = tuple[int, Axis, int]
"""A label's number, an axis and a slice index: the unit of review."""


@dataclass(frozen=True, slots=True)
class PlacedBox:
    """A box that the user placed: its id (which moves do not change), its label and its corners."""

    box_id: int
    label: int
    box: BoxPrompt


@dataclass(frozen=True, slots=True)
class PropagationRecord:
    """The request of a propagation, and the extent of its objects when it had ended.

    Journals store these field names, so they keep their older words.

    Parameters
    ----------
    axis, reach
        The axis, and the first and last slice that were requested.
    courses
        For each `PropagationTarget` to update when a keyframe changes: its `key` and the ids of
        its boxes.
    ends
        Label, first and last slice of each object found; empty while the propagation runs.
    """

    axis: Axis
    reach: tuple[int, int]
    courses: tuple[tuple[int, tuple[int, ...]], ...] = ()
    ends: tuple[tuple[int, int, int], ...] = ()

    @property
    def is_unfinished(self) -> bool:
        """Whether it was still running when it was stored; a finished or stopped run has ends."""
        return not self.ends


@dataclass(frozen=True, eq=False)
class Event:
    """One entry of the log: a user's action or a model's result, with all it changed.

    Journals store these field names.

    Parameters
    ----------
    kind
        The kind of action.
    time
        Seconds since 1970, by the machine's clock.
    labels
        The label numbers concerned.
    change
        The changed voxels.
    places
        For each patch of `change`, the box it came from and its slice; None for patches that only
        remove something.
    boxes_before, boxes_after
        The boxes that were removed or moved, and the boxes that were added or replaced them.
    table_before, table_after
        The whole label table if the event changed it, else None.
    masks
        The model's masks before the overwrite rules were applied.
    model, window
        What made the masks: `PromptableModel.identity`, and the intensity window as text.
    points
        `PointAnswer.prompts` of the one mask, if it came from points without a box.
    trust
        Confidence of each propagated slice of a label, 0 to 1 (`engine.data.confidence`); None
        if the propagated mask is no longer there.
    runs
        The propagation that ended with this event; for a folded event, those of all its events.
    accepted_before, accepted_after
        The slices whose acceptance was withdrawn, and those that were accepted.
    by_hand
        For a folded event, the slices that count as painted by hand.
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
        """The same event with compressed content, as the log stores it.

        Pack an event before it is appended: the log, its journal and caches know an event by its
        identity, and this is a new object.
        """
        return replace(
            self,
            change=PackedPatches.of(self.change),
            places=PackedLabelSlices.of(self.places),
            masks=PackedMasks.of(self.masks),
            trust=PackedConfidences.of(self.trust),
        )


StepKind = Literal["event", "undo", "redo", "saved"]


@dataclass(frozen=True, eq=False)
class Step:
    """A step of the log: an event was added, the last one undone or redone, or labels saved."""

    kind: StepKind
    event: Event | None = None
