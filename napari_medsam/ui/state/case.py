"""`Case`: one image with its annotation, its session with the model, its labels and boxes layers.

Every change of the annotation that needs no model is a method here; each synchronizes the layers
with the annotation before it returns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Layer
from psygnal import Signal

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.annotation.events import Event, PlacedBox
from napari_medsam.engine.annotation.merge import merge_labels
from napari_medsam.engine.annotation.review_index import ReviewIndex
from napari_medsam.engine.data.intensity_window import Window
from napari_medsam.engine.data.labels import Label, LabelState
from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.data.signals import emit
from napari_medsam.engine.data.volume import Axis
from napari_medsam.engine.session import Session
from napari_medsam.formats.common.coded_terms import renamed
from napari_medsam.formats.common.default_window import first_window, window_names
from napari_medsam.formats.common.label_file import LabelFile
from napari_medsam.measure.live_measures import LiveMeasures
from napari_medsam.ui.layers.boxes_layer import BoxesLayer, Later
from napari_medsam.ui.layers.image_layer import (
    AS_SHOWN,
    KEY,
    contrast_limits,
    has_other_pixels,
    image_file_of,
    respaced,
    window_of_layer,
)
from napari_medsam.ui.layers.labels_layer import (
    GRID,
    LabelsLayer,
    Throttle,
    camera_of,
    shown_slice,
    whole_numbers,
)
from napari_medsam.ui.layers.place import NAMES, is_straight, place_of, put
from napari_medsam.ui.state.case_files import CaseFiles
from napari_medsam.ui.state.dock_state import PROPAGATING, Notify, Progress

LOCKED = "{} is locked and was not changed. Untick Lock in the label table to edit it."

TAKEN_OVER = (
    "The labels were changed outside this dock; that is one step now, which Undo takes back."
)
PUT_STRAIGHT = (
    "{} was turned or sheared, which napari cannot cut into its true slices, so it was put back."
)
ONLY_ON_SCREEN = (
    "{} was moved or scaled on the screen only: its labels are measured and saved on the grid of "
    "its file."
)
RESPACED = "Voxels of {} are now {} mm; its labels are measured and saved with that size."
STAYS_OVER = "The labels and boxes stay over {}, so the layer was put back; move the image instead."
KEEPS_TYPE = "The labels layer keeps its data type, uint16; no label was changed."

NO_LABEL = "There is no label. Press Add label below the table first."

REACH = 10
"""Slices that a propagation goes down and up unless the user chooses a range."""


def _nothing() -> None:
    """Undo and redo of a labels layer whose dock is gone; holds no case."""


class Case:
    """An image layer being segmented.

    `session` is None until the model is ready. The `pending` boxes, by id, are drawn but not
    segmented yet. `progress` is that of the case's running job. `not_recorded` is a sentence: why
    changes are not written to the journal; empty if they are.

    Parameters
    ----------
    viewer, layer
        The viewer and the layer of the image.
    show_message
        Shows a message to the user, for example when a stroke was reverted.
    throttle, later
        See `LabelsLayer` and `BoxesLayer`.

    Raises
    ------
    ValueError
        With one sentence, if the layer cannot be segmented.
    """

    painted = Signal()
    """A brush stroke was recorded in the annotation."""

    released = Signal()
    """The case is closed permanently."""

    def __init__(
        self,
        viewer: ViewerModel,
        layer: Image,
        show_message: Notify,
        throttle: Throttle,
        later: Later,
    ) -> None:
        self.image = image_file_of(layer)
        # Whether the geometry is from a file that our reader opened.
        self.has_known_place = self.image is layer.metadata.get(KEY)
        self.viewer = viewer
        self.layer = layer
        self._pixels = layer.data
        self.annotation = Annotation(self.image.volume.shape_zyx)
        self.label = self.annotation.add_label().number
        self._n_initial = len(self.annotation.log)
        self.annotation.mark_saved()
        self.window_name = first_window(self.image)
        self.session: Session | None = None
        self.progress: Progress | None = None
        self.reach = (REACH, REACH)
        self.has_own_range = False  # the user has chosen how far to go
        self.widened: dict[tuple[int, Axis], tuple[int, int]] = {}
        self.is_extent = False  # a box encloses its object on all slices of the range: a 3D box
        self.pending: dict[int, PlacedBox] = {}
        self.reviews = ReviewIndex(self.annotation)
        self.tally = LiveMeasures(self.annotation, self.image.volume)
        self.files = CaseFiles()
        self.is_released = False  # see `released`
        self.is_borrowed = False  # another window writes this image's journal
        self.not_recorded = ""
        self.has_failed_save = False  # the last one; one that the user cancelled does not count
        self._show_message = show_message
        self._later = later
        self.labels = LabelsLayer(self.annotation.shown, layer, self.image.grid, throttle)
        self.labels.watch(self.where)
        self.labels.layer.events.paint.connect(self._painted)
        self.labels.layer.events.data.connect(self._on_labels_set)
        self.boxes = BoxesLayer(layer, later)
        self._place = place_of(layer)
        for place in (self.labels.place, self.boxes.place):
            place.put_back.connect(self._on_put_back)
        for name in NAMES:
            getattr(layer.events, name).connect(self._on_place)

    # --- layers ------------------------------------------------------------------------

    def open(self) -> None:
        """Show the layers, and restore those that the user has removed."""
        for layer in (self.labels.layer, self.boxes.layer):
            if layer not in self.viewer.layers:
                self.viewer.add_layer(layer)
        self.set_visible(True)
        self.fit_lines()
        self.sync()

    @property
    def is_propagating(self) -> bool:
        return self.progress is not None and self.progress.what == PROPAGATING

    @property
    def is_drawing(self) -> bool:
        """Whether the mouse draws boxes; False while another layer is active."""
        return self.boxes.is_drawing and self._is_active

    @property
    def is_selecting(self) -> bool:
        """Whether the mouse selects boxes; see `is_drawing`."""
        return self.boxes.is_selecting and self._is_active

    @property
    def _is_active(self) -> bool:
        return self.viewer.layers.selection.active is self.boxes.layer

    @property
    def shows_same_array(self) -> bool:
        """Whether the image layer shows the array with which the case began, and unchanged."""
        return self.layer.data is self._pixels and not has_other_pixels(self.layer, self.image)

    def fit_lines(self) -> None:
        """Fit the width of the boxes' lines to the zoom."""
        dims = self.viewer.dims
        shown = [axis - dims.ndim for axis in dims.displayed[-2:]]
        if min(shown) >= -self.layer.ndim:
            self.boxes.fit_line(camera_of(self.viewer).zoom, shown)

    def set_visible(self, visible: bool) -> None:
        for layer in (self.layer, self.labels.layer, self.boxes.layer):
            layer.visible = visible

    def release(self) -> None:
        """Close the case: its labels layer becomes an ordinary one, its boxes layer is removed."""
        self.take_over()
        self.is_released = True
        emit(self.released)
        self.labels.release()
        self.boxes.place.close()
        for name in NAMES:
            getattr(self.layer.events, name).disconnect(self._on_place)
        self.labels.layer.events.paint.disconnect(self._painted)
        self.labels.layer.events.data.disconnect(self._on_labels_set)
        if self.boxes.layer in self.viewer.layers:
            self.viewer.layers.remove(self.boxes.layer)

    def disconnect(self) -> None:
        """Report nothing that the user does on the layers, which stay after the dock is gone."""
        self.boxes.changed.disconnect()
        self.painted.disconnect()
        # Not napari's own undo: its history does not have the masks of the model.
        self.labels.take_over_undo(_nothing, _nothing)

    def owns(self, layer: Layer) -> bool:
        return layer in (self.labels.layer, self.boxes.layer)

    def sync(self, event: Event | None = None) -> None:
        """Update the layers from the annotation: after `event`, or completely without it."""
        table = {label.number: label for label in self.annotation.table}
        self.pending = {n: b for n, b in self.pending.items() if b.label in table}
        if self.label not in table:
            self.label = min(table, default=0)
        if event is None or event.table_after is not None:
            self.labels.show_table(self.annotation.table)
        if self.labels.layer.selected_label != self.label and self.label:
            self.labels.layer.selected_label = self.label
        self.boxes.show(self.boxes_there())
        self.boxes.pick(self.label, {n: label.color for n, label in table.items()})
        if event is not None and event.change:
            self.labels.show_change(SliceRef(p.axis, p.index) for p in event.change)

    def boxes_there(self) -> list[PlacedBox]:
        """All boxes as the user left them, segmented or not."""
        answered = {placed.box_id: placed for placed in self.annotation.boxes}
        return list((answered | self.pending).values())

    def where(self) -> SliceRef | None:
        """The slice on screen."""
        return shown_slice(self.viewer, self.layer)

    def keyframes(self, axis: Axis, label: int) -> tuple[int, ...]:
        """The slices along an axis that have a box or a fixed mask of a label."""
        found = (b.box.slice for b in self.boxes_there() if b.label == label)
        boxed = {where.index for where in found if where.axis == axis}
        return tuple(sorted(boxed | set(self.reviews.fixed_masks(axis, label))))

    # --- labels ------------------------------------------------------------------------

    def pick_label(self, number: int) -> None:
        if self.named(number) is not None:
            self.label = number
            self.sync()

    def pick_next_label(self) -> None:
        numbers = [label.number for label in self.annotation.table]
        if numbers:
            later = [n for n in numbers if n > self.label]
            self.pick_label(later[0] if later else numbers[0])

    def add_label(self) -> None:
        self.label = self.annotation.add_label().number
        self.sync()

    def rename_label(self, number: int, name: str) -> None:
        label = next(row for row in self.annotation.table if row.number == number)
        new = renamed(label, name.strip() or label.name)
        self.annotation.load_table((new,))
        self.sync()
        if new.name != label.name:
            self._show_message(f"{label.name} is renamed {new.name}.", for_now=True)

    def recolor_label(self, number: int, color: tuple[float, float, float]) -> None:
        self.annotation.edit_label(number, color=color)
        self.sync()

    def lock_label(self, number: int, locked: bool) -> None:
        """Lock a label against all changes, or unlock it."""
        self.take_over()
        self.annotation.edit_label(number, locked=locked)
        self.sync()

    def set_state(self, number: int, state: LabelState) -> None:
        """Set the state of a label; "done" locks it."""
        self.take_over()
        self.annotation.edit_label(number, state=state)
        self.sync()

    def choose_reach(self, down: int, up: int) -> None:
        """Set how many slices a propagation goes from its boxes, down and up."""
        self.reach = (max(0, down), max(0, up))
        self.has_own_range = True
        self.widened.clear()

    def reach_of(self, number: int, axis: Axis) -> tuple[int, int]:
        """Slices down and up that a propagation of a label along an axis goes.

        That is `reach`, plus the slices added if its object continues beyond (`widened`).
        """
        down, up = self.reach
        further_down, further_up = self.widened.get((number, axis), (0, 0))
        return down + further_down, up + further_up

    def named(self, number: int) -> Label | None:
        """A label in the table; None if it is not there."""
        return next((label for label in self.annotation.table if label.number == number), None)

    def lock_reason(self, number: int) -> str:
        """A sentence: why a label cannot be changed now; empty if it can."""
        label = self.named(number)
        return LOCKED.format(label.name) if label is not None and label.locked else ""

    def refusal_reason(self, number: int) -> str:
        """A sentence: why nothing can be drawn for a label now; empty if it can.

        The label is locked, or it is not in the table: then its mask would be painted nowhere.
        """
        return NO_LABEL if self.named(number) is None else self.lock_reason(number)

    def load_table(self, table: Sequence[Label]) -> None:
        """Load names, colours and coded terms; labels that are not in `table` stay."""
        self.annotation.load_table(table)
        self.sync()

    def load_labels(self, file: LabelFile, *, keep_existing: bool) -> None:
        """Load the labels of a file in place of the existing ones, or beside them."""
        self.take_over()
        labels, table = file.labels, file.table
        if keep_existing:
            labels, table = merge_labels(
                self.annotation.labels, self.annotation.table, labels, table
            )
        event = self.annotation.load_labels(labels, table)
        if not self.annotation.voxel_count(self.label):
            present = (n.number for n in table if self.annotation.voxel_count(n.number))
            self.label = next(present, self.label)
        self.sync(event)

    def replace_annotation(self, annotation: Annotation) -> None:
        """Replace the content by an annotation of the same image, with its undo and redo.

        Boxes that wait get new ids: with those of boxes in `annotation` they would replace them.
        """
        self.annotation.replace_with(annotation)
        new_id = self.annotation.new_box_id
        waiting = [replace(placed, box_id=new_id()) for placed in self.pending.values()]
        self.pending = {placed.box_id: placed for placed in waiting}
        self.sync()
        self.labels.show_all()

    def remove_label(self) -> None:
        """Delete the current label with its voxels and boxes; undo restores them."""
        self.take_over()
        label = self.named(self.label)
        if label is None:
            return
        if why := self.lock_reason(label.number):
            self._show_message(why, is_problem=True, for_now=True)
            return
        self.sync(self.annotation.remove_label(label.number))
        self._show_message(f"{label.name} is deleted; Undo restores it.", for_now=True)

    # --- brush, undo -------------------------------------------------------------------

    def _painted(self, event: Any) -> None:
        painted = self.labels.painted(event)
        if painted is None:
            return
        indices, new = painted
        known = {label.number for label in self.annotation.table}
        for number in sorted({int(n) for n in new} - known - {0}):
            self.annotation.add_label(number=number)
            self.labels.show_table(self.annotation.table)
        old = self.annotation.labels[indices]  # napari's may be what others wrote there
        held = self.annotation.label_volume.holds(old, new)
        self.annotation.labels[indices] = new
        try:
            self.annotation.record_painted(indices, old, new)
        finally:
            # napari 0.9 emits the event of a fill, or of a stroke made in code, before it writes.
            self.annotation.shown[indices] = self.annotation.labels[indices]
        if held.any():
            numbers = {*old[held].tolist(), *new[held].tolist()}
            self._put_back(tuple(i[held] for i in indices))
            why = next(filter(None, map(self.lock_reason, sorted(numbers))))
            self._show_message(why, is_problem=True, for_now=True)
        emit(self.painted)

    def _put_back(self, indices: tuple[np.ndarray, ...]) -> None:
        """Restore voxels of a locked label later: napari writes them after its event."""
        right = self.annotation.labels[indices].copy()

        def put_back() -> None:
            self.annotation.shown[indices] = right
            self.labels.show_change(SliceRef("z", int(z)) for z in set(indices[0]))

        self._later(put_back)

    # --- what others change --------------------------------------------------------------

    def take_over(self, where: SliceRef | None = None) -> None:
        """Log what a script or another plugin has written into the labels layer, as one step.

        Call it before anything else changes or reads the labels. With `where`, all is taken over
        only if something is found on that slice: to compare a whole CT takes 20 ms, too long for
        each box, stroke and accepted slice. `OpenCases` looks at the rest in the next pause.
        """
        self._take_back()  # if napari could not show another array, it told nobody
        if where is not None and not self.annotation.label_volume.shown_otherwise(where):
            return
        event = self.annotation.take_over()
        if event is not None:
            # Not `sync`: it would remove a rectangle that was just drawn and is not taken yet.
            self.labels.show_table(self.annotation.table)
            self.labels.show_change(SliceRef(p.axis, p.index) for p in event.change)
            self._show_message(TAKEN_OVER, is_problem=True)
            emit(self.painted)

    def _on_labels_set(self, _: Any) -> None:
        self.take_over()  # also if our own array was written to and set again

    def _take_back(self) -> None:
        """Take over the labels of another array, or refuse it; the layer's array stays ours."""
        theirs = self.labels.take_back()
        if theirs is None:
            return
        self.take_over()  # what was written into our array before
        try:
            labels = whole_numbers(theirs, self.labels.layer.data.shape)
        except ValueError as error:
            self._show_message(str(error), is_problem=True)
            return
        self.labels.layer.data[...] = labels
        if not self.annotation.label_volume.shown_otherwise():
            self._show_message(KEEPS_TYPE, is_problem=True, for_now=True)
        self.take_over()
        self.labels.show_all()

    def _on_place(self, _: Any) -> None:
        """Follow the image layer to another place or scale; a turned one is put back."""
        layer = self.layer
        if not is_straight(layer):
            if put(layer, self._place):
                self._show_message(PUT_STRAIGHT.format(layer.name), is_problem=True)
            return
        self._place = place_of(layer)
        self.fit_lines()
        if self.has_known_place:
            self._show_message(ONLY_ON_SCREEN.format(layer.name), is_problem=True)
            return
        image = respaced(self.image, layer)
        if image is not self.image:
            self.image = image
            self.labels.layer.metadata[GRID] = image.grid
            self.tally = LiveMeasures(self.annotation, image.volume)
            size = " x ".join(f"{mm:.4g}" for mm in image.volume.spacing_xyz)
            self._show_message(RESPACED.format(layer.name, size), is_problem=True)

    def _on_put_back(self) -> None:
        self._show_message(STAYS_OVER.format(self.layer.name), is_problem=True, for_now=True)

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to undo: neither the initial label nor folded steps can be."""
        return len(self.annotation.log) > max(self._n_initial, self.annotation.n_folded)

    def undo(self) -> Event | None:
        self.take_over()
        event = self.annotation.undo() if self.can_undo else None
        self._after_turn(event)
        return event

    def redo(self) -> Event | None:
        self.take_over()
        event = self.annotation.redo()
        self._after_turn(event)
        return event

    def _after_turn(self, event: Event | None) -> None:
        if event is not None:
            self.labels.show_table(self.annotation.table)
            self.sync(event)

    # --- window ------------------------------------------------------------------------

    def window_names(self) -> tuple[str, ...]:
        if self.image.volume.is_rgb:
            return window_names(self.image)
        return (*window_names(self.image), AS_SHOWN)

    def window(self) -> Window:
        """The intensity window of the model."""
        if self.window_name == AS_SHOWN and not self.image.volume.is_rgb:
            lower, upper = self.layer.contrast_limits
            return Window(float(lower), float(upper))
        return window_of_layer(self.image, self.window_name)

    def choose_window(self, name: str) -> None:
        """Use a preset or "LOWER,UPPER" for model and screen; "as shown" follows the screen.

        Raises
        ------
        ValueError
            With a sentence, if it is neither.
        """
        if name != AS_SHOWN:
            window_of_layer(self.image, name)
        self.window_name = name
        if name != AS_SHOWN and not self.image.volume.is_rgb:
            self.layer.contrast_limits = contrast_limits(self.window())
