"""Runs propagations for a case: whole ones, and the parts that a correction changes.

The worker computes; the annotation is written here, on the GUI thread, as masks arrive. Each run
is one event in the log, so one undo.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from napari_medsam.engine.annotation.edit import Edit, Trust
from napari_medsam.engine.annotation.events import PlacedBox, PropagationRecord
from napari_medsam.engine.annotation.fixed_masks import mask_there, nothing_on, part_near
from napari_medsam.engine.annotation.review import Confidences, confidences, doubtful, summary
from napari_medsam.engine.annotation.review_index import extent_along
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.data.volume import Axis
from napari_medsam.engine.propagation.candidates import Seed
from napari_medsam.engine.propagation.plan import (
    PropagationPlan,
    PropagationTarget,
    plan_beyond,
    plan_extents,
    plan_span,
    plan_targets,
)
from napari_medsam.engine.session import Session
from napari_medsam.ui.actions.targets import target_for
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.dock_state import Notify, Progress
from napari_medsam.ui.state.eta import Eta
from napari_medsam.ui.state.jobs import Job, JobOutcome, JobRunner
from napari_medsam.ui.state.shortcuts import key_of

Found = dict[PropagationTarget, dict[int, SliceMask]]
"""The masks of each course, by slice."""

Reach = tuple[int, int]
"""First and last slice that was asked for."""


class Propagator:
    """What is propagated on one case.

    Parameters
    ----------
    case, jobs
        The case, and the lane for work on images.
    tell, show
        How to reach the user, with a sentence and with how far it is.
    on_done
        Called after each run that was not stopped.
    """

    def __init__(
        self,
        case: Case,
        jobs: JobRunner,
        tell: Notify,
        show: Callable[[Progress | None], None],
        on_done: Callable[[], None],
    ) -> None:
        self.case = case
        self.session: Session | None = None
        self.replace = False
        self.is_extent = False
        self.on_ready: Callable[[Sequence[SliceRef]], None] = lambda _: None
        self._jobs = jobs
        self._tell = tell
        self._show = show
        self._on_done = on_done

    def propagate(
        self, courses: Sequence[PropagationTarget], first: int, last: int, may_widen: bool = False
    ) -> None:
        """Carry courses over the slices first to last, both included.

        With `may_widen` nobody chose this range: where an object goes on beyond it, the next
        range that is offered reaches twice as far on that side, and the user is told.

        Raises
        ------
        ValueError
            Where the range leaves out a box.
        """
        free = [course for course in courses if not self.case.lock_reason(course.label)]
        courses = free or courses  # where all are locked, `_run` says so
        if courses:
            plan = plan_extents if self.is_extent else plan_targets
            may_widen &= not self.is_extent
            self._run(plan(courses, first, last), (first, last), may_widen)

    def keyframes_changed(self, boxes: Sequence[PlacedBox]) -> bool:
        """After keyframes were moved or added, redo what they change; whether there is any."""
        for placed in boxes:
            course = target_for(self.case, placed)
            reach = self.case.reviews.followed(course.key)
            index = placed.box.slice.index
            if len(course.stations) > 1 and reach is not None and reach[0] <= index <= reach[1]:
                return self._run(plan_span(course, index, *reach), reach)
        return False

    def keyframes_gone(self, boxes: Sequence[PlacedBox]) -> bool:
        """After keyframes were deleted, redo what lay around them; whether there is any."""
        keys = self.case.reviews.keys()
        for placed in boxes:
            key = keys.get(placed.box_id, 0)
            left = [b for b in self.case.annotation.boxes if keys.get(b.box_id) == key]
            reach = self.case.reviews.followed(key)
            if reach is not None and left:
                course = target_for(self.case, left[0])
                return self._run(plan_span(course, placed.box.slice.index, *reach), reach)
        return False

    def go_on_from(self, course: PropagationTarget, index: int) -> None:
        """Go on from a slice that was put right; what lies beyond it is propagated anew."""
        reach = self.case.reviews.followed(course.key)
        here = self._mask(course, index)
        if reach is None or here is None or here.is_empty:
            self._tell("Propagate first; then correct a slice and continue from it.", True)
            return
        if self._is_locked((course,)):
            return
        if not self._run(plan_beyond(course, here, *reach), reach):
            self._tell("Nothing was propagated beyond this slice.", False)

    def move_end(self, course: PropagationTarget, end: int, to: int) -> None:
        """The object ends on slice `to` and not on `end`: take away, or propagate, what is between.

        What was painted by hand or accepted stays.
        """
        first, last = self.case.reviews.followed(course.key) or (end, end)
        reach = min(first, to), max(last, to)
        start = min(course.stations, key=lambda i: abs(i - end))
        here = self._mask(course, end)
        if abs(to - start) < abs(end - start) or here is None or here.is_empty:
            step = 1 if end > to else -1
            self._take_away(course, range(to + step, end + step, step), reach)
            return
        low, high = sorted((end, to))
        seed = Seed(here.prompt, low, high, course.label, here, until_empty=True)
        self._run(PropagationPlan(seeds=((course, seed),)), reach)

    def _mask(self, course: PropagationTarget, index: int) -> SliceMask | None:
        """What a course has on a slice now."""
        there = mask_there(self.case.annotation, SliceRef(course.axis, index), course.label)
        return part_near(there, course.box_at(index))

    def _take_away(self, course: PropagationTarget, indices: Sequence[int], reach: Reach) -> None:
        if self._is_locked((course,)):
            return
        self._jobs.cancel()  # only one edit can be open
        with self._edit() as edit:
            for index in indices:
                if index not in course.standing:
                    self._paint_nothing(edit, course, index)
            self._keep(edit, {course: {}}, True, reach)
        self._show(None)

    def _paint_nothing(self, edit: Edit, course: PropagationTarget, index: int) -> None:
        where = SliceRef(course.axis, index)
        nothing = nothing_on(where, self.case.image.volume.slice_shape(course.axis))
        edit.paint(nothing, course.label, key=course.key)
        edit.set_confidence(course.label, course.axis, {index: None})
        self.case.labels.show_change([where])

    def _edit(self) -> Edit:
        identity = self.session.model.identity if self.session is not None else ""
        return self.case.annotation.edit(
            "propagate", overwrite=self.replace, model=identity, window=self.case.window_name
        )

    def _run(self, plan: PropagationPlan, reach: Reach, may_widen: bool = False) -> bool:
        """Start a plan; False where there is nothing to do, or a label of it is locked."""
        session, slices = self.session, plan.slices
        if session is None or not slices or self._is_locked(plan.courses):
            return False
        self._jobs.cancel()
        edit = self._edit()
        eta = Eta(len(slices))
        found: Found = {course: {} for course in plan.courses}

        def work(hand_over: Callable[[tuple[PropagationTarget, SliceMask]], None]) -> None:
            for answer in propagation_answers(session, plan):
                hand_over(answer)

        def paint(answer: tuple[PropagationTarget, SliceMask]) -> None:
            course, mask = answer
            edit.paint(mask, course.label, key=course.key)
            found[course][mask.slice.index] = mask
            self.case.labels.show_change([mask.slice])
            self.on_ready([mask.slice])
            n_done = len({index for masks in found.values() for index in masks})
            self._show(Progress("Propagating", n_done, len(slices), eta.after(n_done)))

        def ended(outcome: JobOutcome) -> None:
            with edit:  # left open where this fails, it would refuse all that comes after
                if outcome.kind == "done":
                    for course, index in plan.places:
                        if index not in found[course]:  # the object ended before
                            self._paint_nothing(edit, course, index)
                self._ended(outcome, edit, found, reach, may_widen)

        edit.if_interrupted = lambda: _if_interrupted(plan, found, reach)
        with contextlib.ExitStack() as at_failure:
            at_failure.enter_context(edit)
            self._show(Progress("Propagating", 0, len(slices)))
            self._jobs.start(Job(work, paint, ended, session.cancel))
            at_failure.pop_all()
        return True

    def _is_locked(self, courses: Iterable[PropagationTarget]) -> bool:
        """Whether a label is locked, which is told."""
        why = next(filter(None, (self.case.lock_reason(course.label) for course in courses)), "")
        if why:
            self._tell(why, True)
        return bool(why)

    def _ended(
        self, outcome: JobOutcome, edit: Edit, found: Found, reach: Reach, may_widen: bool
    ) -> None:
        self._show(None)
        trust = _trust(found)
        for (label, axis), values in trust.items():
            edit.set_confidence(label, axis, values)
        # A run that was stopped is not gone on with when a box is moved.
        self._keep(edit, found, outcome.kind == "done", reach)
        n_slices = len({index for masks in found.values() for index in masks})
        slices = f"{n_slices} slice" + ("" if n_slices == 1 else "s")
        if outcome.kind == "failed":
            self._tell(f"{outcome.sentence} Masks on {slices} are kept.", True)
        elif outcome.kind == "cancelled":
            self._tell(f"Stopped. Masks on {slices} are kept; Undo removes them.", False)
        else:
            key = f" ({key_of('next_doubtful')})" if any(map(doubtful, trust.values())) else ""
            more = self._widen(found, reach) if may_widen else ""
            numbers = sorted({course.label for course in found})
            names = [label.name for label in map(self.case.named, numbers) if label is not None]
            of_whom = f"{', '.join(names)}: " if numbers != [self.case.label] else ""
            self._tell(f"Done: {of_whom}{summary(trust.values(), n_slices)}{key}.{more}", False)
        if outcome.kind == "done":
            self._on_done()

    def _widen(self, found: Found, reach: Reach) -> str:
        """Offer more slices where an object was cut off by the range; what to tell of it."""
        axis = next(iter(found)).axis
        ends = {reach[0]: 0, reach[1]: self.case.image.volume.n_slices(axis) - 1}
        below, above = (
            end != last and any(m[end].area for m in found.values() if end in m)
            for end, last in ends.items()
        )
        if not below and not above:
            return ""
        for label in {course.label for course in found}:
            down, up = self.case.reach_of(label, axis)
            more_down, more_up = self.case.widened.get((label, axis), (0, 0))
            wider = more_down + down * below, more_up + up * above
            self.case.widened[label, axis] = wider
        sides = [f"below slice {reach[0]}"] * below + [f"above slice {reach[1]}"] * above
        return f" The object continues {' and '.join(sides)}: press {key_of('propagate')} again to follow it."

    def _keep(self, edit: Edit, found: Found, followed: bool, reach: Reach) -> None:
        """Close the edit, and keep with it what was run."""
        if found:
            courses = tuple((c.key, tuple(sorted(c.box_ids))) for c in found) if followed else ()
            edit.record_propagation(
                PropagationRecord(
                    next(iter(found)).axis, reach, courses, self._ends(list(found), reach)
                )
            )
        edit.close()
        self.case.sync()

    def _ends(
        self, courses: Sequence[PropagationTarget], reach: Reach
    ) -> tuple[tuple[int, int, int], ...]:
        """First and last slice of what each label has, going outward from the keyframes."""
        found: dict[int, Reach] = {}
        for course in courses:
            stations = list(course.stations)
            low, high = extent_along(
                self.case.annotation, course.axis, course.label, (stations[0], stations[-1]), reach
            )
            before = found.get(course.label, (low, high))
            found[course.label] = min(low, before[0]), max(high, before[1])
        return tuple((label, *ends) for label, ends in found.items())


def propagation_answers(
    session: Session, plan: PropagationPlan
) -> Iterator[tuple[PropagationTarget, SliceMask]]:
    """What the session finds for a plan; a later mask of a course on a slice is better."""
    ways = (
        (plan.tracks, session.segment_tracks(*plan.tracked)),
        (plan.seeds, session.propagate([seed for _, seed in plan.seeds])),
        (plan.extents, session.segment_box3d([seed for _, seed in plan.extents])),
    )
    for asked, masks in ways:
        with contextlib.closing(masks):
            yield from ((asked[n][0], mask) for n, mask in masks)


def _if_interrupted(
    plan: PropagationPlan, found: Found, reach: Reach
) -> tuple[Trust, PropagationRecord]:
    """How far to trust a run's slices while it runs, and the run: it has no ends yet.

    Slices that it has not come to have 0, so that who goes on after a crash is sent there.
    """
    trust: Trust = {
        (label, axis, index): value
        for (label, axis), known in _trust(found).items()
        for index, value in known.items()
    }
    trust |= {(c.label, c.axis, i): 0.0 for c, i in plan.places if i not in found[c]}
    return trust, PropagationRecord(plan.courses[0].axis, reach)


def _trust(
    found: Mapping[PropagationTarget, Mapping[int, SliceMask]],
) -> dict[tuple[int, Axis], Confidences]:
    """How far to trust each label's slices: where two objects share a slice, the lesser."""
    trust: dict[tuple[int, Axis], Confidences] = {}
    for course, masks in found.items():
        known = trust.setdefault((course.label, course.axis), {})
        for index, value in confidences(masks).items():
            known[index] = min(value, known.get(index, 1.0))
    return trust
