"""An `Edit`: masks painted one by one and logged together as one event."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import TypedDict

import numpy as np

from napari_medsam.engine.annotation.events import (
    BoxSlice,
    Event,
    LabelSlice,
    Origin,
    PlacedBox,
    PropagationRecord,
)
from napari_medsam.engine.annotation.label_patch import Labels, Origins, Patch
from napari_medsam.engine.annotation.label_volume import LabelVolume
from napari_medsam.engine.annotation.provenance import event_of, last_at, painted_for
from napari_medsam.engine.data.masks import SliceMask, parts_touching
from napari_medsam.engine.data.prompts import BoxPrompt, SliceRef, around
from napari_medsam.engine.data.volume import plane_index

Trust = dict[LabelSlice, float | None]
"""Confidence of each slice of a label, 0 to 1; None if a propagation removed the label there."""


class EditSettings(TypedDict, total=False):
    """How masks are painted, and what is logged with them; see `Annotation.edit`."""

    overwrite: bool
    model: str
    window: str


@dataclass(eq=False)
class Edit:
    """An open event: each mask is painted at once, and all are logged together at the end.

    Made by `Annotation.edit`. A context manager: leaving it closes the edit, and one undo takes
    all of it back. An edit that is interrupted keeps what it has painted.

    Parameters
    ----------
    label_volume
        The arrays to paint into.
    event
        Kind, time, model and window of the event to log.
    overwrite
        Whether masks replace other labels and hand-painted voxels.
    history, boxes
        The log, and the boxes by id, when the edit begins.
    on_close
        Called by `close`; logs the event.

    Attributes
    ----------
    is_over
        Whether `close` was called, even if there was no memory to log the event.
    if_interrupted
        Gives the confidences and the propagation to record if the program ends before the edit.
    """

    label_volume: LabelVolume
    event: Event
    _: KW_ONLY
    overwrite: bool
    history: Sequence[Event]
    boxes: dict[int, PlacedBox]
    on_close: Callable[[Edit], Event | None]
    is_over: bool = field(default=False, init=False)
    if_interrupted: Callable[[], tuple[Trust, PropagationRecord]] | None = field(
        default=None, init=False
    )

    def __post_init__(self) -> None:
        """Begin with nothing painted."""
        self._empty()

    def __enter__(self) -> Edit:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def place(self, placed: PlacedBox) -> None:
        """Add a box or move it; the mask that the box had painted before is removed."""
        self._labels.add(placed.label)
        old = self.boxes.get(placed.box_id)
        if old is not None:
            self._before.append(old)
            self._take_back(old)
        self._after.append(placed)

    def paint(self, mask: SliceMask, label: int, *, key: int | None = None) -> Patch | None:
        """Paint a mask by the overwrite rules; return the patch, or None if nothing changes.

        Parameters
        ----------
        mask, label
            The mask to paint, and its label.
        key
            Id of the box that gave the mask. On each slice the mask replaces the earlier one of
            the same box: a coarser view, a worse mask, or an earlier propagation from the box.
        """
        self._labels.add(label)
        place = None if key is None else (key, mask.slice.axis, mask.slice.index)
        if place is not None:
            self._replace_earlier(place, label)
            self._now[place] = mask, None
        self._masks.append(mask)
        if mask.is_empty:
            return None
        h, w = mask.patch.shape
        where = (slice(mask.y0, mask.y0 + h), slice(mask.x0, mask.x0 + w))
        plane = plane_index(mask.slice.axis, mask.slice.index)
        old = self.label_volume.labels[plane][where]
        old_origin = self.label_volume.origins[plane][where]
        allowed = mask.patch & (old != label)
        if not self.overwrite:
            allowed &= self._free(old, old_origin)
        new, new_origin = old.copy(), old_origin.copy()
        new[allowed] = label
        new_origin[allowed] = self._origin
        patch = self._write(mask.slice, mask.y0, mask.x0, new, new_origin, place)
        if place is not None:
            self._now[place] = mask, patch
        return patch

    def clear(self, where: SliceRef, label: int, near: BoxPrompt | None = None) -> Patch | None:
        """Remove what propagations have painted of a label on a slice; None if nothing changes.

        Voxels from a box, from the brush or from a file stay. With `near`, only connected parts
        that touch that box are removed, because parts elsewhere belong to another object.
        """
        self._labels.add(label)
        plane = plane_index(where.axis, where.index)
        labels, origins = self.label_volume.labels[plane], self.label_volume.origins[plane]
        # First only at the box: a picture may be large, and have thousands of boxes.
        here = (slice(None), slice(None)) if near is None else around(near, 0.0)
        if not ((labels[here] == label) & (origins[here] == Origin.PROPAGATED.value)).any():
            return None
        cleared = (labels == label) & (origins == Origin.PROPAGATED.value)
        if near is not None:
            cleared = parts_touching(cleared, near)
        new, new_origin = labels.copy(), origins.copy()
        new[cleared] = 0
        new_origin[cleared] = Origin.NONE
        return self._write(where.whole, 0, 0, new, new_origin)

    def set_confidences(self, trust: Trust) -> None:
        """Log the confidence of slices of labels with the masks."""
        self._trust |= trust

    def record_propagation(self, run: PropagationRecord) -> None:
        """Log with the masks which propagation they came from."""
        self._runs.append(run)

    def close(self) -> Event | None:
        """Log what was painted; None if nothing was. Closing twice does nothing."""
        self.is_over = True
        return self.on_close(self)

    def finish(self) -> Event | None:
        """Return what was painted since the last call as an event, or None if nothing was."""
        event = self.open_event
        if event is None:
            return None
        packed = event.packed  # first: if memory runs out here, nothing must be lost
        self.history = (*self.history, packed)
        self._empty()
        return packed

    @property
    def open_event(self) -> Event | None:
        """The event that `finish` would return now."""
        if not (self._patches or self._before or self._after):
            return None
        return replace(
            self.event,
            labels=tuple(sorted(self._labels)),
            change=tuple(self._patches),
            places=tuple(self._places),
            boxes_before=tuple(self._before),
            boxes_after=tuple(self._after),
            masks=tuple(self._masks),
            trust=tuple(sorted(self._trust.items())),
            runs=tuple(self._runs),
        )

    @property
    def unfinished(self) -> Event | None:
        """The event so far, in the form to restore if the program ends before the edit does.

        `if_interrupted` gives its confidences and the requested propagation.
        """
        event = self.open_event
        if event is None or self.if_interrupted is None:
            return event
        trust, run = self.if_interrupted()
        return replace(event, trust=tuple(sorted((self._trust | trust).items())), runs=(run,))

    def _empty(self) -> None:
        self._patches: list[Patch] = []
        self._places: list[BoxSlice | None] = []
        self._masks: list[SliceMask] = []
        self._trust: Trust = {}
        self._runs: list[PropagationRecord] = []
        self._labels: set[int] = set()
        self._before: list[PlacedBox] = []
        self._after: list[PlacedBox] = []
        self._now: dict[BoxSlice, tuple[SliceMask, Patch | None]] = {}

    @property
    def _origin(self) -> Origin:
        return Origin.BOX if self.event.kind == "box" else Origin.PROPAGATED

    def _replace_earlier(self, place: BoxSlice, label: int) -> None:
        """Remove what the same box painted on this slice, in this event or an earlier one."""
        mask, patch = self._now.pop(place, (None, None))
        if mask is None and self.event.kind == "propagate":
            patch = last_at(place, label, self.history)
        self._masks = [other for other in self._masks if other is not mask]
        if patch is not None:
            nothing = np.zeros(patch.shape, dtype=bool)
            # Logged with its place: whoever paints there next, it is no longer this box's mask.
            self._revert(patch, label, self._origin, keep=nothing, place=place)

    def _free(self, old: Labels, old_origin: Origins) -> np.ndarray:
        """True for background pixels. Only a newly drawn box may fill what the user has erased."""
        free = old == 0
        if self.event.kind == "propagate" or self._before:
            free &= old_origin != Origin.HAND.value
        return free

    def _write(
        self,
        where: SliceRef,
        y0: int,
        x0: int,
        new: Labels,
        new_origin: Origins,
        place: BoxSlice | None = None,
    ) -> Patch | None:
        patch = self.label_volume.patch(where, y0, x0, new, new_origin)
        if patch is not None:
            self.label_volume.apply(patch)
            self._patches.append(patch)
            self._places.append(place)
        return patch

    def _take_back(self, placed: PlacedBox) -> None:
        """Remove what a box painted, except voxels that another box's mask also covers."""
        for patch in painted_for(placed, self.history):
            keep = self._covered_by_others(placed, patch)
            self._revert(patch, placed.label, Origin.BOX, keep=keep)

    def _revert(
        self,
        patch: Patch,
        label: int,
        origin: Origin,
        *,
        keep: np.ndarray,
        place: BoxSlice | None = None,
    ) -> None:
        """Restore the state before a patch, for voxels that still have the label it painted."""
        now: Labels = patch.window_of(self.label_volume.labels)
        now_origin: Origins = patch.window_of(self.label_volume.origins)
        # Voxels that the patch only removed may belong to another box by now.
        mine = (patch.spread(patch.new) == label) & (now == label) & ~keep
        mine &= now_origin == origin.value
        before, before_origin = patch.spread(patch.old), patch.spread(patch.old_origin)
        new, new_origin = now.copy(), now_origin.copy()
        is_own = before == label
        before[is_own], before_origin[is_own] = 0, Origin.NONE
        new[mine], new_origin[mine] = before[mine], before_origin[mine]
        where = SliceRef(patch.axis, patch.index)
        self._write(where, patch.y0, patch.x0, new, new_origin, place)

    def _covered_by_others(self, placed: PlacedBox, patch: Patch) -> np.ndarray:
        """(h, w) bool: pixels of the patch inside the mask of another box of the same label."""
        covered = np.zeros(patch.shape, dtype=bool)
        h, w = patch.shape
        others: dict[int, tuple[Event, set[BoxPrompt]]] = {}
        for other in self.boxes.values():
            same = other.label == placed.label and other.box.slice == placed.box.slice
            event = event_of(other, self.history) if same else None
            if event is not None and other.box_id != placed.box_id:
                others.setdefault(id(event), (event, set()))[1].add(other.box)
        # A folded log has one event with the masks of all boxes, so each event is read only once.
        for event, boxes in others.values():
            for mask in event.masks:
                if mask.prompt in boxes:
                    covered |= mask.mask[patch.y0 : patch.y0 + h, patch.x0 : patch.x0 + w]
        return covered
