"""An `Annotation`: the labels array, the label table, and the log of every change to them.

Every mask, propagation, brush stroke, deletion and label edit is one `Event` in the log, with its
`Change`. Undo and redo step through the log; a whole propagation is one event.

This class guarantees four things:

* a mask never overwrites another label, unless the user chose to replace;
* a model's mask never changes a voxel painted by hand, unless the user chose to replace;
* running a box again removes only what that box had painted;
* nothing changes a locked label.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.annotation.edit import Edit
from napari_medsam.engine.annotation.events import Event, LabelSlice, Origin, PlacedBox, Step
from napari_medsam.engine.annotation.label_patch import Change, Labels, Patch, patch_between
from napari_medsam.engine.annotation.label_volume import LabelVolume
from napari_medsam.engine.annotation.undo_log import UndoLog
from napari_medsam.engine.data.labels import (
    MOST_LABELS,
    Label,
    LabelState,
    default_color,
    default_name,
    with_lock,
    with_state,
)
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import PointPrompt, SliceRef


class Annotation:
    """Labels on one volume, changed only through methods of this class.

    Parameters
    ----------
    shape_zyx
        The volume's shape.

    Attributes
    ----------
    labels
        (Z, Y, X) uint16. The array is shared with the viewer. Only this class writes to it, and
        the viewer's brush, whose strokes are then reported to `record_painted`.
    on_step
        Called after each step of the log: an event, an undo, a redo or a save.
    """

    def __init__(self, shape_zyx: tuple[int, int, int]) -> None:
        self._label_volume = LabelVolume(shape_zyx)
        self._table: dict[int, Label] = {}
        self._boxes: dict[int, PlacedBox] = {}
        self._accepted: set[LabelSlice] = set()
        self._log = UndoLog()
        self._edit: Edit | None = None
        self._next_box_id = 1
        self.on_step: Callable[[Step], None] = lambda step: None

    # --- state -------------------------------------------------------------------------

    @property
    def labels(self) -> Labels:
        return self._label_volume.labels

    @property
    def label_volume(self) -> LabelVolume:
        """The labels with the origin of each voxel; read only."""
        return self._label_volume

    @property
    def table(self) -> tuple[Label, ...]:
        """The labels, by number."""
        return tuple(self._table[n] for n in sorted(self._table))

    @property
    def boxes(self) -> tuple[PlacedBox, ...]:
        """The boxes that exist now, oldest first."""
        return tuple(self._boxes[i] for i in sorted(self._boxes))

    @property
    def accepted(self) -> frozenset[LabelSlice]:
        """The slices of labels that a reviewer has accepted."""
        return frozenset(self._accepted)

    @property
    def log(self) -> tuple[Event, ...]:
        """The events that are done and not undone, oldest first."""
        return self._log.done

    @property
    def n_folded(self) -> int:
        """How many of the oldest events undo cannot take back (`fold`)."""
        return self._log.n_folded

    @property
    def can_undo(self) -> bool:
        return self._log.can_undo and self._edit is None

    @property
    def can_redo(self) -> bool:
        return self._log.can_redo and self._edit is None

    @property
    def is_dirty(self) -> bool:
        """Whether something changed since the last save."""
        return self._log.is_dirty

    def mark_saved(self) -> None:
        """Record that the current labels were saved to a file."""
        self._log.mark_saved()
        self.on_step(Step("saved"))

    def voxel_count(self, label: int) -> int:
        """The number of voxels of a label; updated with each change, not counted here."""
        return self._label_volume.voxel_count(label)

    @property
    def revisions(self) -> NDArray[np.int64]:
        """(Z,) int64: how often each axial slice was changed, undo included. Read only."""
        return self._label_volume.revisions

    def new_box_id(self) -> int:
        """Return an unused box id."""
        self._next_box_id += 1
        return self._next_box_id - 1

    # --- labels ------------------------------------------------------------------------

    def add_label(
        self,
        name: str = "",
        *,
        number: int | None = None,
        color: tuple[float, float, float] | None = None,
    ) -> Label:
        """Add a row to the label table; number, name and colour are chosen if not given.

        Raises
        ------
        ValueError
            The number is taken, or is not 1 to 65535.
        """
        taken = self._table
        number = max(taken, default=0) + 1 if number is None else number
        if number in taken:
            raise ValueError(f"Label {number} exists already: {taken[number].name}.")
        color = color or default_color(number)
        label = Label(number, name.strip() or default_name(number), color)
        self._commit_table((*self.table, label), (number,))
        return label

    def edit_label(
        self,
        number: int,
        *,
        name: str | None = None,
        color: tuple[float, float, float] | None = None,
        locked: bool | None = None,
        state: LabelState | None = None,
    ) -> Label:
        """Rename, recolour, lock or unlock a label, or set its state ("done" locks it).

        Raises
        ------
        ValueError
            There is no such label or no such state.
        """
        old = self._label(number)
        new = replace(old, name=(name or "").strip() or old.name, color=color or old.color)
        new = new if state is None else with_state(new, state)
        new = new if locked is None else with_lock(new, locked)
        if new != old:
            table = tuple(new if label is old else label for label in self.table)
            self._commit_table(table, (number,))
        return new

    def remove_label(self, number: int) -> Event:
        """Remove a label with its voxels and boxes, as one event that can be undone.

        Raises
        ------
        ValueError
            There is no such label, or it is locked.
        """
        label_removed = self._unlocked(number)
        table = tuple(label for label in self.table if label is not label_removed)
        boxes = tuple(b for b in self.boxes if b.label == number)
        event = Event(
            "clear",
            time.time(),
            (number,),
            change=self._cleared(number),
            boxes_before=boxes,
            accepted_before=self._accepted_of(number),
            table_before=self.table,
            table_after=table,
        )
        return self._commit(event, write=True)

    def clear_label(self, number: int) -> Event | None:
        """Remove a label's voxels; the label and its boxes stay. None if it has no voxels.

        Raises
        ------
        ValueError
            There is no such label, or it is locked.
        """
        self._unlocked(number)
        change = self._cleared(number)
        if not change:
            return None
        event = Event(
            "clear",
            time.time(),
            (number,),
            change=change,
            accepted_before=self._accepted_of(number),
        )
        return self._commit(event, write=True)

    def accept(self, label: int, where: SliceRef, accepted: bool = True) -> Event | None:
        """Mark a slice of a label as reviewed and correct, or withdraw that mark.

        An accepted slice acts as a keyframe, and no propagation changes it. Return None if nothing
        changes.

        Raises
        ------
        ValueError
            There is no such label.
        """
        self._label(label)
        place = (label, where.axis, where.index)
        if (place in self._accepted) == accepted:
            return None
        event = Event(
            "review",
            time.time(),
            (label,),
            accepted_before=() if accepted else (place,),
            accepted_after=(place,) if accepted else (),
        )
        return self._commit(event, write=False)

    def load_labels(self, labels: np.ndarray, table: Sequence[Label] = ()) -> Event:
        """Replace all labels with an array (Z, Y, X) of the same shape.

        Numbers without a name in `table` get one. A voxel that keeps its label also keeps its
        origin; locked labels do not change. To add labels to those already there, call
        `engine.annotation.merge.merge_labels` first.

        Raises
        ------
        ValueError
            The shape differs, or a number is not 0 to 65535.
        """
        if labels.shape != self.labels.shape:
            raise ValueError(
                f"Labels of shape {labels.shape} do not fit a volume of {self.labels.shape}."
            )
        if labels.size and (labels.min() < 0 or labels.max() > MOST_LABELS):
            raise ValueError(f"Label numbers are 0 to {MOST_LABELS}.")
        named = self._renamed(table)
        for number in np.unique(labels):
            n = int(number)
            if n and n not in named:
                named[n] = Label.default(n)
        patches = []
        for index, plane in enumerate(labels.astype(np.uint16)):
            origin = np.where(plane > 0, Origin.FILE, Origin.NONE).astype(np.uint8)
            same = plane == self.labels[index]
            origin[same] = self._label_volume.origins[index][same]
            patches.append(self._label_volume.patch(SliceRef("z", index), 0, 0, plane, origin))
        event = Event(
            "import",
            time.time(),
            tuple(sorted(named)),
            change=tuple(p for p in patches if p is not None),
            table_before=self.table,
            table_after=tuple(named[n] for n in sorted(named)),
        )
        return self._commit(event, write=True)

    def load_table(self, table: Sequence[Label]) -> None:
        """Take names, colours and terms from a table; locks and labels not in it do not change."""
        named = self._renamed(table)
        rows = tuple(named[n] for n in sorted(named))
        if rows != self.table:
            self._commit_table(rows, tuple(sorted(label.number for label in table)))

    # --- masks -------------------------------------------------------------------------

    def edit(
        self,
        kind: Literal["box", "propagate"],
        *,
        overwrite: bool = False,
        model: str = "",
        window: str = "",
        points: tuple[PointPrompt, ...] = (),
    ) -> Edit:
        """Open an `Edit`, which paints masks one by one into one event; end it with `Edit.close`.

        `overwrite` lets a mask replace other labels and hand-painted voxels. Only one edit can be
        open. If anything else changes the annotation meanwhile (a brush stroke during a
        propagation), what was painted so far becomes an event of its own, so that undo keeps the
        order in which things happened.

        Raises
        ------
        RuntimeError
            Another edit is open.
        """
        self.finish_pending_edit()
        if self._edit is not None:
            raise RuntimeError("A segmentation is still being painted; close it first.")
        self._edit = Edit(
            self._label_volume,
            Event(kind, time.time(), model=model, window=window, points=points),
            overwrite=overwrite,
            history=self.log,
            boxes=self.boxes,
            on_close=self._close,
        )
        return self._edit

    def finish_pending_edit(self) -> None:
        """Log an edit that ran out of memory when it was closed; do nothing if there is none."""
        if self._edit is not None and self._edit.is_over:
            self._close(self._edit)

    def apply_box(
        self,
        placed: PlacedBox,
        mask: SliceMask,
        *,
        overwrite: bool = False,
        model: str = "",
        window: str = "",
        points: tuple[PointPrompt, ...] = (),
    ) -> Event:
        """Paint a box's mask as one event, after removing what the same box had painted before.

        What a propagation had painted of the object on that slice is removed too, because the user
        draws a box there to correct it. `points` are the point prompts that gave the mask, if any.
        """
        with self.edit(
            "box", overwrite=overwrite, model=model, window=window, points=points
        ) as edit:
            edit.place(placed)
            edit.clear(placed.box.slice, placed.label, near=placed.box)
            edit.paint(mask, placed.label)
        return self._log.done[-1]

    def remove_boxes(self, box_ids: Sequence[int]) -> Event | None:
        """Remove boxes; their masks stay. None if none of the boxes exists."""
        removed = tuple(self._boxes[i] for i in box_ids if i in self._boxes)
        if not removed:
            return None
        event = Event(
            "boxes", time.time(), tuple(sorted({b.label for b in removed})), boxes_before=removed
        )
        return self._commit(event, write=False)

    def record_painted(
        self, indices: tuple[np.ndarray, ...], old: np.ndarray, new: int | np.ndarray
    ) -> Event | None:
        """Log voxels that the viewer's brush, eraser or bucket has already changed.

        Voxels whose old or new label is locked are set back (see `is_held`).

        Parameters
        ----------
        indices
            z, y and x of the voxels, one array each.
        old
            The labels before, one number or one per voxel.
        new
            The labels now, one number or one per voxel.

        Returns
        -------
        The event, or None if no voxel changed.
        """
        z, y, x = (np.asarray(i, dtype=np.intp) for i in indices)
        if z.size == 0:
            return None
        old = np.broadcast_to(np.asarray(old, dtype=np.uint16), z.shape)
        try:
            return self._record_painted(z, y, x, old, new)
        except MemoryError:
            # A stroke that is not in the log would be lost later, so it is taken back now.
            # Reversed, because a stroke may pass a voxel twice and the first old value counts.
            self.labels[z[::-1], y[::-1], x[::-1]] = old[::-1]
            raise

    def _record_painted(
        self, z: np.ndarray, y: np.ndarray, x: np.ndarray, old: np.ndarray, new: int | np.ndarray
    ) -> Event | None:
        if self.is_held(old, new).any():
            z, y, x, old, new = self._put_back((z, y, x), old)
        patches = [self._painted_patch(int(k), y[z == k], x[z == k], old[z == k]) for k in set(z)]
        change = tuple(p for p in patches if p is not None)
        if not change:
            return None
        numbers = {int(n) for n in np.unique(np.asarray(new)) if n}
        event = Event("paint", time.time(), tuple(sorted(numbers)), change=change)
        return self._commit(event, write=True)

    def is_held(self, old: np.ndarray, new: int | np.ndarray) -> np.ndarray:
        """True for each voxel whose change from `old` to `new` is refused: one label is locked."""
        return self._label_volume.holds(np.asarray(old, np.uint16), np.asarray(new, np.uint16))

    # --- undo --------------------------------------------------------------------------

    def undo(self) -> Event | None:
        """Undo the last event and return it; None if there is none or an edit is open."""
        self.finish_pending_edit()
        event = self._log.last
        if event is None or not self.can_undo:
            return None
        self._apply_event(event, forward=False, write=True)
        self._log.step_back()
        self.on_step(Step("undo"))
        return event

    def redo(self) -> Event | None:
        """Redo the last undone event and return it; None if there is none or an edit is open."""
        self.finish_pending_edit()
        event = self._log.next
        if event is None or not self.can_redo:
            return None
        self._apply_event(event, forward=True, write=True)
        self._log.step_forward()
        self.on_step(Step("redo"))
        return event

    # --- the journal -------------------------------------------------------------------

    @property
    def open_event(self) -> Event | None:
        """The event that the open edit would log now; None if there is nothing to log."""
        return self._edit.open_event if self._edit is not None else None

    @property
    def unfinished(self) -> Event | None:
        """`open_event` in the form to restore if the program ends before the edit does."""
        return self._edit.unfinished if self._edit is not None else None

    def replay(self, steps: Iterable[Step]) -> None:
        """Apply recorded steps, undo and redo included; the result is the same log and voxels.

        Raises
        ------
        ValueError
            A step does not follow from those before it, or does not fit the volume.
        """
        for step in steps:
            if step.kind == "event" and step.event is not None:
                self._require_fit(step.event)
                self._append(step.event, write=True)
            elif step.kind == "saved":
                self.mark_saved()
            elif step.kind not in ("undo", "redo") or self._undo_or_redo(step.kind) is None:
                raise ValueError(f"The log has a step {step.kind!r} with nothing to apply it to.")
        boxes = (placed.box_id for event in self._log.all for placed in event.boxes_after)
        # In a folded log, the masks of a removed box are still there under its id.
        keys = (place[0] for event in self._log.all for place in event.places if place is not None)
        self._next_box_id = 1 + max((*boxes, *keys), default=0)

    def fold(self) -> int:
        """Mark the older half of the log for the journal to store as one event; undo stops there.

        Returns how many of the journal's events that is, or 0 if there are too few. Events that
        were folded earlier count as one.
        """
        return self._log.fold()

    def replace_with(self, other: Annotation) -> None:
        """Take over the state of another annotation of the same shape, log and saves included."""
        self._label_volume.replace_with(other._label_volume)
        self._table, self._boxes = dict(other._table), dict(other._boxes)
        self._accepted, self._log = set(other._accepted), other._log.copy()
        self._edit = None  # an edit that could not be closed belonged to the previous content
        self._next_box_id = max(self._next_box_id, other._next_box_id)

    def _undo_or_redo(self, kind: Literal["undo", "redo"]) -> Event | None:
        return self.undo() if kind == "undo" else self.redo()

    def _require_fit(self, event: Event) -> None:
        if not all(patch.fits(self.labels.shape) for patch in event.change):
            raise ValueError(f"The log changes voxels outside a volume of {self.labels.shape}.")

    # --- private -----------------------------------------------------------------------

    def _label(self, number: int) -> Label:
        if number not in self._table:
            raise ValueError(f"There is no label {number} in the table.")
        return self._table[number]

    def _unlocked(self, number: int) -> Label:
        label = self._label(number)
        if label.locked:
            raise ValueError(f"{label.name} is locked; unlock it in the label table first.")
        return label

    def _renamed(self, table: Sequence[Label]) -> dict[int, Label]:
        """The table updated with other rows. Locks stay, and a label that is "done" is locked."""
        named = dict(self._table)
        for label in table:
            old = named.get(label.number)
            if old is not None and not label.state:
                label = replace(label, state=old.state)
            locked = label.locked or label.state == "done" or (old is not None and old.locked)
            named[label.number] = replace(label, locked=locked)
        return named

    def _commit_table(self, table: tuple[Label, ...], numbers: tuple[int, ...]) -> None:
        event = Event("table", time.time(), numbers, table_before=self.table, table_after=table)
        self._commit(event, write=False)

    def _commit(self, event: Event, *, write: bool) -> Event:
        """Append an event to the log, after what an open edit has painted so far."""
        if self._edit is not None and (so_far := self._edit.finish()) is not None:
            self._append(so_far, write=False)
        return self._append(event.packed, write=write)

    def _close(self, edit: Edit) -> Event | None:
        if self._edit is not edit:
            return None
        event = edit.finish()
        self._edit = None
        return None if event is None else self._append(event, write=False)

    def _append(self, event: Event, *, write: bool) -> Event:
        self._apply_event(event, forward=True, write=write)
        self._log.append(event)
        self.on_step(Step("event", event))
        return event

    def _apply_event(self, event: Event, *, forward: bool, write: bool) -> None:
        """Change the state to that after an event, or before it; `write` the voxels as well."""
        if write:  # first, so that nothing changes if memory runs out
            self._label_volume.apply_all(event.change, forward=forward)
        removed, added = event.boxes_before, event.boxes_after
        if not forward:
            removed, added = added, removed
        for placed in removed:
            self._boxes.pop(placed.box_id, None)
        self._boxes.update({placed.box_id: placed for placed in added})
        back, marked = event.accepted_before, event.accepted_after
        if not forward:
            back, marked = marked, back
        self._accepted.difference_update(back)
        self._accepted.update(marked)
        table = event.table_after if forward else event.table_before
        if table is not None:
            self._table = {label.number: label for label in table}
            self._label_volume.lock(label.number for label in table if label.locked)

    def _accepted_of(self, number: int) -> tuple[LabelSlice, ...]:
        return tuple(sorted(place for place in self._accepted if place[0] == number))

    def _cleared(self, number: int) -> Change:
        """The change that removes all voxels of a label."""
        patches = []
        for index in np.flatnonzero((self.labels == number).any(axis=(1, 2))):
            plane, origin = self.labels[index].copy(), self._label_volume.origins[index].copy()
            cleared = plane == number
            plane[cleared] = 0
            origin[cleared] = Origin.NONE
            patches.append(self._label_volume.patch(SliceRef("z", int(index)), 0, 0, plane, origin))
        return tuple(p for p in patches if p is not None)

    def _put_back(self, indices: tuple[np.ndarray, ...], old: np.ndarray) -> list[np.ndarray]:
        """Set locked voxels back; return z, y, x, old and new labels of the remaining voxels."""
        flat = np.ravel_multi_index(indices, self.labels.shape)
        flat, first = np.unique(flat, return_index=True)  # a stroke may pass a voxel twice
        had, has = old[first], self.labels.reshape(-1)[flat]
        held = self.is_held(had, has)
        self.labels.reshape(-1)[flat[held]] = had[held]
        left = np.unravel_index(flat[~held], self.labels.shape)
        return [*left, had[~held], has[~held]]

    def _painted_patch(
        self, index: int, y: np.ndarray, x: np.ndarray, old: np.ndarray
    ) -> Patch | None:
        """The patch of a brush stroke on slice z=index; the array has the new labels already."""
        y0, x0, y1, x1 = int(y.min()), int(x.min()), int(y.max()) + 1, int(x.max()) + 1
        now = self.labels[index, y0:y1, x0:x1]
        origin = self._label_volume.origins[index, y0:y1, x0:x1]
        before, by_hand = now.copy(), origin.copy()
        # A stroke may pass a voxel twice; the old label is its first value.
        before[y[::-1] - y0, x[::-1] - x0] = old[::-1]
        by_hand[before != now] = Origin.HAND
        return patch_between(SliceRef("z", index), (y0, x0), (before, now), (origin, by_hand))
