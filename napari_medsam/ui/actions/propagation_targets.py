"""Reads placed boxes from the rectangles on screen; finds the propagation's targets and range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from napari_medsam.engine.annotation.events import PlacedBox
from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.data.volume import AXES, VIEW_NAMES, Axis
from napari_medsam.engine.propagation.plan import PropagationTarget, targets_of
from napari_medsam.ui.layers.boxes_layer import DrawnBox, box_from_shape
from napari_medsam.ui.state.action_table import with_key
from napari_medsam.ui.state.case import NO_LABEL, Case
from napari_medsam.ui.state.dock_state import Range

BOX_OUTSIDE = "The box is outside the image. Draw it on the image."
BOX_ACROSS = "A box is on one slice; this one lies across several, or nowhere."
BOX_TOO_SMALL = "Drag from corner to corner of the object to draw a box."


@dataclass(frozen=True)
class DrawnBoxes:
    """The user's changes of a case's boxes.

    Parameters
    ----------
    changed
        Boxes that need a mask.
    deleted
        Boxes that were deleted.
    problem
        A sentence: why a rectangle is no box; empty if each is one.
    """

    changed: list[PlacedBox]
    deleted: list[PlacedBox]
    problem: str = ""


def take_drawn_boxes(case: Case) -> DrawnBoxes:
    """Read the user's changes of a case's boxes.

    Deleted boxes are removed from the annotation; their masks stay. A rectangle that is too small
    or beside the image is ignored. So are changes made by others than the mouse during a drag: the
    screen does not show them yet.
    """
    known = {placed.box_id: placed for placed in case.boxes_there()}
    where = case.where()
    changed: list[PlacedBox] = []
    left: set[int] = set()
    problem = ""
    for drawn in case.boxes.drawn():
        old = known.get(drawn.box_id)
        if old is None and case.boxes.was_shown(drawn.box_id):
            continue
        axis = old.box.slice.axis if old else where.axis if where else "z"
        box = box_from_shape(drawn.vertices, axis, case.image.volume)
        if old is not None:
            left.add(old.box_id)
        if box is None:
            problem = _why_no_box(drawn, is_new=old is None)
            continue
        if old is not None and old.box == box:
            continue
        box_id = old.box_id if old else case.annotation.new_box_id()
        changed.append(PlacedBox(box_id, old.label if old else case.label, box))
    deleted = [n for n in known if n not in left and case.boxes.was_shown(n)]
    for box_id in deleted:
        case.pending.pop(box_id, None)
    case.annotation.remove_boxes(deleted)
    return DrawnBoxes(changed, [known[box_id] for box_id in deleted], problem)


def _why_no_box(drawn: DrawnBox, *, is_new: bool) -> str:
    if not drawn.is_on_one_slice:
        return BOX_ACROSS
    if is_new:
        return BOX_OUTSIDE if drawn.has_size else BOX_TOO_SMALL
    why = "outside the image" if drawn.has_size else "too small"
    return f"The box would be {why}, so it was put back."


def seeds(case: Case) -> list[PlacedBox]:
    """The boxes a propagation starts from: those of one slice on which the chosen label has a box.

    That is the slice on screen, else the slice of the label's latest box in this view (in any view
    if no slice is on screen). Boxes of other labels on that slice are included. Empty if the chosen
    label has no box: then no other label is propagated in its place.
    """
    boxes, where = case.annotation.boxes, case.where()
    in_view = [b for b in boxes if _is_in_view(b, where)]
    own = {b.box_id: b for b in in_view if b.label == case.label}
    if not own:
        return []
    is_here = any(placed.box.slice == where for placed in own.values())
    start = where if is_here else _latest(case, own).box.slice
    return [placed for placed in in_view if placed.box.slice == start]


def _latest(case: Case, boxes: Mapping[int, PlacedBox]) -> PlacedBox:
    """Of these boxes (by id) the one that was placed or moved last."""
    for event in reversed(case.annotation.log):
        for placed in event.boxes_after:
            if boxes.get(placed.box_id) == placed:
                return placed
    return boxes[max(boxes)]  # the log was folded


def why_no_seeds(case: Case | None) -> str:
    """A sentence: why nothing can be propagated while `requested_range` is None, and what to do."""
    label = None if case is None else case.named(case.label)
    if case is None:
        return "Draw a box first; propagation starts from it."
    if label is None:
        return NO_LABEL
    if case.image.volume.is_flat:
        return "This image has one slice; there is nothing to propagate to."
    where = case.where()
    place = " in this view" if where is not None else ""
    if any(b.label == label.number and _is_in_view(b, where) for b in case.pending.values()):
        return f"The box of {label.name} is not segmented yet; propagation starts from its mask."
    axes = {b.box.slice.axis for b in case.annotation.boxes if b.label == label.number}
    if axes:
        axis = next(axis for axis in AXES if axis in axes)
        view = with_key(f"{VIEW_NAMES[axis]} view", VIEW_NAMES[axis])
        return f"Draw a box for {label.name}{place} first, or go to its box in the {view}."
    return f"Draw a box for {label.name}{place} first; propagation starts from it."


def _is_in_view(placed: PlacedBox, where: SliceRef | None) -> bool:
    return where is None or placed.box.slice.axis == where.axis


def targets(case: Case) -> list[PropagationTarget]:
    """The objects a propagation starts from, with all their boxes, each object once."""
    return targets_of(seeds(case), case.annotation.boxes, case.reviews)


def target_for(case: Case, placed: PlacedBox) -> PropagationTarget:
    """The object that a box belongs to, with its other boxes and its fixed masks."""
    return targets_of([placed], case.annotation.boxes, case.reviews)[0]


def target_on(case: Case, axis: Axis, index: int) -> PropagationTarget | None:
    """The current label's object along an axis whose keyframe is nearest to a slice."""
    own = [b for b in case.annotation.boxes if (b.label, b.box.slice.axis) == (case.label, axis)]
    if not own:
        return None
    return target_for(case, min(own, key=lambda b: abs(b.box.slice.index - index)))


def requested_range(case: Case) -> Range | None:
    """The slices that a propagation would visit now; None without a box, or on a picture."""
    found = targets(case)
    if not found or case.image.volume.is_flat:
        return None
    axis = found[0].boxes[0].box.slice.axis
    low, high = min(c.low for c in found), max(c.high for c in found)
    n = case.image.volume.n_slices(axis)
    down, up = case.reach_of(case.label, axis)
    return Range(axis, n, low, high, max(0, low - down), min(n - 1, high + up))


def slices_of(boxes: Sequence[PlacedBox]) -> list[tuple[SliceRef, list[PlacedBox]]]:
    """Boxes grouped by slice, the latest box's slice first: the last request is answered first."""
    by_slice: dict[SliceRef, list[PlacedBox]] = {}
    for placed in reversed(boxes):
        by_slice.setdefault(placed.box.slice, []).append(placed)
    return list(by_slice.items())
