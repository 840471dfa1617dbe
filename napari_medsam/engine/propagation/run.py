"""`PropagationRun`: paints the masks of a plan as one event, and records the propagation in it."""

from __future__ import annotations

from typing import Unpack

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.annotation.edit import EditSettings, Trust
from napari_medsam.engine.annotation.events import PropagationRecord
from napari_medsam.engine.annotation.fixed_masks import nothing_on
from napari_medsam.engine.annotation.review import Confidences, confidences
from napari_medsam.engine.annotation.review_index import extent_along
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.data.volume import Axis, plane_index
from napari_medsam.engine.propagation.plan import PropagationPlan, PropagationTarget, SliceRange


class PropagationRun:
    """A propagation in progress: one open edit, thus one event and one undo step.

    Paint the masks of `Session.run_plan` as they arrive, then call `finish`. If the program ends
    before, the journal has what was painted, and the slices left count as uncertain.

    Parameters
    ----------
    annotation
        The annotation to paint into; no other edit may be open.
    plan
        The work; it has at least one target.
    settings
        As of `Annotation.edit`.

    Attributes
    ----------
    found
        The latest mask of each target, by slice index.
    """

    def __init__(
        self, annotation: Annotation, plan: PropagationPlan, **settings: Unpack[EditSettings]
    ) -> None:
        self.plan = plan
        self.found: dict[PropagationTarget, dict[int, SliceMask]] = {t: {} for t in plan.targets}
        self._annotation = annotation
        self._last_event = annotation.log[-1:]
        self._axis = plan.targets[0].axis
        self._replaced: set[int] = set()
        self._taken_back: set[int] = set()
        self._edit = annotation.edit("propagate", **settings)
        self._edit.if_interrupted = self._if_interrupted

    @property
    def done(self) -> set[int]:
        """The indices of the slices that have a mask."""
        return {index for masks in self.found.values() for index in masks}

    @property
    def confidences(self) -> dict[PropagationTarget, Confidences]:
        """The confidence of each slice from a target's first to its last, by slice index."""
        return {target: confidences(masks) for target, masks in self.found.items()}

    def paint(
        self, target: PropagationTarget, mask: SliceMask, *, replaces_drawn: bool = False
    ) -> None:
        """Paint a mask; it replaces the target's earlier one on that slice.

        With `replaces_drawn` it also replaces the mask that a box of the target painted there when
        it was drawn. The box of an extent is no outline on its own slice, so its mask is always
        replaced.
        """
        index = mask.slice.index
        if index in self.found[target]:
            self._replaced.add(index)
        if replaces_drawn or self.plan.extents:
            for placed in target.boxes:
                if placed.box.slice.index == index and placed.box_id not in self._taken_back:
                    self._taken_back.add(placed.box_id)
                    self._replaced.add(index)
                    self._edit.place(placed)
        self._edit.paint(mask, target.label, key=target.key)
        self.found[target][index] = mask

    def close(self) -> None:
        """Log what was painted without a record; nothing after `finish`."""
        self._edit.close()

    def finish(self, *, completed: bool) -> list[SliceRef]:
        """Log the masks with their confidences and the propagation's record.

        A completed run also clears the slices that it did not reach, because the object ends
        before them. The slices that are cleared or painted again here are returned. A run that was
        stopped is not resumed when a box is moved.
        """
        with self._edit:  # if this fails with the edit open, every later edit is refused
            changed = self._clear_the_rest() if completed else []
            changed += self._paint_shared_again()
            self._edit.set_confidences(self._trust())
            ends = self._ends()
            for slice_range in dict.fromkeys(self.plan.ranges[target] for target in self.found):
                own = [t for t in self.found if self.plan.ranges[t] == slice_range]
                boxes = tuple((t.key, tuple(sorted(t.box_ids))) for t in own) if completed else ()
                labels = dict.fromkeys(target.label for target in own)
                self._edit.record_propagation(
                    PropagationRecord(
                        self._axis, slice_range, boxes, tuple((n, *ends[n]) for n in labels)
                    )
                )
        return changed

    def _clear_the_rest(self) -> list[SliceRef]:
        """Remove the targets from the slices that have no mask, and return these."""
        left = [(t, i) for t, i in sorted(self.plan.places, key=_place) if i not in self.found[t]]
        for target, index in left:
            self._remove(target, index)
            self._edit.set_confidences({(target.label, self._axis, index): None})
        return [SliceRef(self._axis, index) for index in dict.fromkeys(i for _, i in left)]

    def _paint_shared_again(self) -> list[SliceRef]:
        """Paint slices of several targets again if one got a better mask, and return these.

        Its earlier mask may have kept another target out of voxels that nobody has now. As on all
        other slices, the targets come in the order of the plan. If the user has changed anything
        meanwhile, perhaps cleared a label, nothing is painted again.
        """
        if self._edit.overwrite or self._annotation.log[-1:] != self._last_event:
            return []
        changed = []
        for index in sorted(self._replaced):
            here = {target: masks[index] for target, masks in self.found.items() if index in masks}
            if len({target.label for target in here}) > 1:
                for target in here:
                    self._remove(target, index)
                for target, mask in here.items():
                    self._edit.paint(mask, target.label, key=target.key)
                changed.append(SliceRef(self._axis, index))
        return changed

    def _remove(self, target: PropagationTarget, index: int) -> None:
        """Remove what was painted of a target on a slice."""
        where = SliceRef(self._axis, index)
        shape = self._annotation.labels[plane_index(self._axis, index)].shape
        self._edit.paint(nothing_on(where, shape), target.label, key=target.key)

    def _trust(self) -> Trust:
        """The confidence of each label's slices; the lower one if two objects share a slice."""
        trust: dict[tuple[int, Axis, int], float] = {}
        for target, values in self.confidences.items():
            for index, value in values.items():
                place = target.label, self._axis, index
                trust[place] = min(value, trust.get(place, 1.0))
        return dict(trust)

    def _ends(self) -> dict[int, SliceRange]:
        """First and last slice of each label, going outward from its keyframes."""
        found: dict[int, SliceRange] = {}
        for target in self.found:
            slices = list(target.keyframe_boxes)
            known, limits = (slices[0], slices[-1]), self.plan.ranges[target]
            low, high = extent_along(self._annotation, self._axis, target.label, known, limits)
            before = found.get(target.label, (low, high))
            found[target.label] = min(low, before[0]), max(high, before[1])
        return found

    def _if_interrupted(self) -> tuple[Trust, PropagationRecord]:
        """The confidences so far, and the record, which has no ends yet.

        Slices that are not done have confidence 0, so that they count as uncertain after a crash.
        """
        left = {
            (t.label, self._axis, i): 0.0 for t, i in self.plan.places if i not in self.found[t]
        }
        firsts, lasts = zip(*self.plan.ranges.values(), strict=True)
        record = PropagationRecord(self._axis, (min(firsts), max(lasts)))
        return self._trust() | left, record


def _place(place: tuple[PropagationTarget, int]) -> tuple[int, int]:
    target, index = place
    return target.key, index
