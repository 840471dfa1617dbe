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
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal, Unpack

import numpy as np

from napari_medsam.engine.annotation.edit import Edit, EditSettings
from napari_medsam.engine.annotation.events import Event, LabelSlice, PlacedBox, Step
from napari_medsam.engine.annotation.label_patch import Labels
from napari_medsam.engine.annotation.state import AnnotationState
from napari_medsam.engine.annotation.undo_log import UndoLog
from napari_medsam.engine.data.labels import (
    MOST_LABELS,
    Label,
    LabelState,
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
    label_volume
        The labels with the origin of each voxel; read only.
    stepped
        Emitted with a `Step` after each step of the log: an event, an undo, a redo or a save. If a
        listener raises, the step is taken all the same, listeners connected later miss it, and the
        caller gets that exception. A bound method is held weakly.
    """

    def __init__(self, shape_zyx: tuple[int, int, int]) -> None:
        self._state = AnnotationState(shape_zyx)
        self._log = UndoLog(self._state)
        self.label_volume, self.stepped = self._state.label_volume, self._log.stepped
        self._edit: Edit | None = None
        self._next_box_id = 1

    # --- state -------------------------------------------------------------------------

    @property
    def labels(self) -> Labels:
        """(Z, Y, X) uint16, always what the log says.

        Only this class writes to it, and whoever then reports a stroke to `record_painted`. A
        viewer has its own copy (`shown`).
        """
        return self.label_volume.labels

    @property
    def shown(self) -> Labels:
        """(Z, Y, X) uint16 for a viewer: a copy of `labels` that is kept equal to it.

        Others may write to it: the viewer's brush, a plugin, a script. `take_over` logs that.
        """
        return self.label_volume.show()

    def voxel_count(self, label: int) -> int:
        """The number of voxels of a label; updated with each change, not counted here."""
        return self.label_volume.voxel_count(label)

    @property
    def table(self) -> tuple[Label, ...]:
        """The labels, by number."""
        return self._state.table.rows

    @property
    def boxes(self) -> tuple[PlacedBox, ...]:
        """The boxes that exist now, oldest first."""
        return tuple(placed for _, placed in sorted(self._state.boxes.items()))

    @property
    def accepted(self) -> frozenset[LabelSlice]:
        """The slices of labels that a reviewer has accepted."""
        return frozenset(self._state.accepted)

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

    def new_box_id(self) -> int:
        """Return an unused box id."""
        self._next_box_id += 1
        return self._next_box_id - 1

    # --- labels ------------------------------------------------------------------------

    def add_label(self, name: str = "", *, number: int | None = None) -> Label:
        """Add a row to the label table; number and name are chosen if not given.

        Raises
        ------
        ValueError
            The number is taken, or is not 1 to 65535.
        """
        number = self._state.table.next_number if number is None else number
        label = Label.default(number, name.strip() or None)
        self._commit_table(self._state.table.added(label), number)
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
        old = self._state.table[number]
        new = replace(old, name=(name or "").strip() or old.name, color=color or old.color)
        new = new if state is None else with_state(new, state)
        new = new if locked is None else with_lock(new, locked)
        if new != old:
            self._commit_table(self._state.table.with_row(new), number)
        return new

    def remove_label(self, number: int) -> Event:
        """Remove a label with its voxels and boxes, as one event that can be undone.

        Raises
        ------
        ValueError
            There is no such label, or it is locked.
        """
        self._state.table.unlocked(number)
        event = Event(
            "clear",
            time.time(),
            (number,),
            change=self.label_volume.change_to_clear(number),
            boxes_before=tuple(b for b in self.boxes if b.label == number),
            accepted_before=tuple(sorted(p for p in self._state.accepted if p[0] == number)),
            table_before=self.table,
            table_after=self._state.table.without(number),
        )
        return self._commit(event.packed)

    def accept(self, label: int, where: SliceRef, accepted: bool = True) -> Event | None:
        """Mark a slice of a label as reviewed and correct, or withdraw that mark.

        An accepted slice acts as a keyframe, and no propagation changes it. Return None if nothing
        changes.

        Raises
        ------
        ValueError
            There is no such label.
        """
        place = (self._state.table[label].number, where.axis, where.index)
        if (place in self._state.accepted) == accepted:
            return None
        event = Event(
            "review",
            time.time(),
            (label,),
            accepted_before=() if accepted else (place,),
            accepted_after=(place,) if accepted else (),
        )
        return self._commit(event)

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
        numbers = [int(n) for n in np.unique(labels) if n]
        rows = self._state.table.loaded(table, numbers)
        event = Event(
            "import",
            time.time(),
            tuple(label.number for label in rows),
            change=self.label_volume.change_to(enumerate(labels.astype(np.uint16))),
            table_before=self.table,
            table_after=rows,
        )
        return self._commit(event.packed)

    def load_table(self, table: Sequence[Label]) -> None:
        """Take names, colours and terms from a table; locks and labels not in it do not change."""
        rows = self._state.table.loaded(table)
        if rows != self.table:
            self._commit_table(rows, *sorted(label.number for label in table))

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
            self.label_volume,
            Event(kind, time.time(), model=model, window=window, points=points),
            overwrite=overwrite,
            history=self.log,
            boxes=dict(self._state.boxes),
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
        points: tuple[PointPrompt, ...] = (),
        **settings: Unpack[EditSettings],
    ) -> Event:
        """Paint a box's mask as one event, after removing what the same box had painted before.

        What a propagation had painted of the object on that slice is removed too, because the user
        draws a box there to correct it. `points` are the point prompts that gave the mask, if any.
        """
        with self.edit("box", points=points, **settings) as edit:
            edit.place(placed)
            edit.clear(placed.box.slice, placed.label, near=placed.box)
            edit.paint(mask, placed.label)
        return self.log[-1]

    def remove_boxes(self, box_ids: Sequence[int]) -> Event | None:
        """Remove boxes; their masks stay. None if none of the boxes exists."""
        boxes = self._state.boxes
        removed = tuple(boxes[i] for i in box_ids if i in boxes)
        if not removed:
            return None
        labels = tuple(sorted({b.label for b in removed}))
        return self._commit(Event("boxes", time.time(), labels, boxes_before=removed))

    def record_painted(
        self, indices: tuple[np.ndarray, ...], old: np.ndarray, new: int | np.ndarray
    ) -> Event | None:
        """Log voxels that the viewer's brush, eraser or bucket has already changed.

        Voxels whose old or new label is locked are set back (see `LabelVolume.holds`).

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
        stroke = rest = tuple(np.asarray(i, dtype=np.intp) for i in indices)
        if stroke[0].size == 0:
            return None
        before = had = np.broadcast_to(np.asarray(old, dtype=np.uint16), stroke[0].shape)
        event = None
        try:
            if self.label_volume.holds(before, np.asarray(new)).any():
                rest, had = self.label_volume.put_back_locked(stroke, before)
            change = self.label_volume.change_of_stroke(rest, had)
            if not change:
                return None
            labels = tuple(n for n in np.unique(self.labels[rest]).tolist() if n)
            event = Event("paint", time.time(), labels, change=change).packed
            return self._commit(event)
        except Exception:
            # A stroke that is not in the log would be lost later, so it is taken back now.
            # Reversed, because a stroke may pass a voxel twice and the first old value counts.
            if event is None or self._log.last is not event:
                self.labels[tuple(i[::-1] for i in stroke)] = before[::-1]
            raise

    def take_over(self) -> Event | None:
        """Log what others have written to `shown`, as one event painted by hand.

        Numbers that are not in the table get a row. Locked labels are put back in `shown`, and so
        is everything if it cannot be logged. Return None if no voxel changed.
        """
        volume = self.label_volume
        planes = volume.shown_otherwise()
        if not planes:
            return None
        try:
            change = volume.change_to(((z, self.shown[z]) for z in planes), by_hand=True)
            if not change:
                return None
            numbers = sorted({int(n) for patch in change for n in np.unique(patch.new) if n})
            rows = self._state.table.loaded((), numbers)
            is_new = rows != self.table
            event = Event(
                "paint",
                time.time(),
                tuple(numbers),
                change=change,
                table_before=self.table if is_new else None,
                table_after=rows if is_new else None,
            )
            return self._commit(event.packed)
        finally:
            volume.show_again(planes)

    # --- undo --------------------------------------------------------------------------

    def undo(self) -> Event | None:
        """Undo the last event and return it; None if there is none or an edit is open."""
        self.finish_pending_edit()
        return self._log.undo() if self._edit is None else None

    def redo(self) -> Event | None:
        """Redo the last undone event and return it; None if there is none or an edit is open."""
        self.finish_pending_edit()
        return self._log.redo() if self._edit is None else None

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
        self._log.replay(steps)
        self._next_box_id = 1 + self._log.largest_box_id

    def fold(self) -> int:
        """Mark the older half of the log for the journal to store as one event; undo stops there.

        Returns how many of the journal's events that is, or 0 if there are too few. Events that
        were folded earlier count as one.
        """
        return self._log.fold()

    def replace_with(self, other: Annotation) -> None:
        """Take over the state of another annotation of the same shape, log and saves included."""
        self._log.replace_with(other._log)
        self._edit = None  # an edit that could not be closed belonged to the previous content
        self._next_box_id = max(self._next_box_id, other._next_box_id)

    # --- private -----------------------------------------------------------------------

    def _commit_table(self, rows: tuple[Label, ...], *numbers: int) -> None:
        event = Event("table", time.time(), numbers, table_before=self.table, table_after=rows)
        self._commit(event)

    def _commit(self, event: Event) -> Event:
        """Apply an event and log it, after what an open edit has painted so far.

        Pack an event that changes voxels first: if memory runs out then, nothing has changed.
        """
        if self._edit is not None and (so_far := self._edit.finish()) is not None:
            self._log.append(so_far, is_painted=True)
        return self._log.append(event)

    def _close(self, edit: Edit) -> Event | None:
        if self._edit is not edit:
            return None
        event = edit.finish()
        self._edit = None
        return None if event is None else self._log.append(event, is_painted=True)
