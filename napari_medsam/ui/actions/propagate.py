"""`Propagator`: runs propagations on a case, whole ones and the parts that a correction changes.

The worker computes; the annotation is written here, on the GUI thread, as masks arrive. Each run
is one event in the log, so one undo step.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence

from napari_medsam.engine.annotation.events import PlacedBox
from napari_medsam.engine.annotation.fixed_masks import mask_there, part_near
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.data.signals import emit
from napari_medsam.engine.data.volume import VIEW_NAMES, Axis, empty_note
from napari_medsam.engine.propagation.plan import (
    PropagationPlan,
    PropagationTarget,
    plan_beyond,
    plan_end,
    plan_extents,
    plan_span,
    plan_targets,
)
from napari_medsam.engine.propagation.run import PropagationRun
from napari_medsam.ui.actions.propagation_targets import target_for
from napari_medsam.ui.actions.remaining_slices import name_of
from napari_medsam.ui.state.action_table import key_of
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.dock_state import PROPAGATING, Progress
from napari_medsam.ui.state.eta import Eta
from napari_medsam.ui.state.jobs import Job, JobOutcome
from napari_medsam.ui.state.workspace import Workspace


class Propagator:
    """Runs the propagations of one case; its state is in the case and the workspace.

    Parameters
    ----------
    case, workspace
        The case and its window.
    on_done
        Called with the case after each run that was not stopped.
    """

    def __init__(self, case: Case, workspace: Workspace, on_done: Callable[[Case], None]) -> None:
        self.case = case
        self._workspace = workspace
        self._jobs = workspace.lanes.images
        self._show_message = workspace.show_message
        self._on_done = on_done

    def refuse_while_running(self) -> bool:
        """Whether a propagation is running; if so, report it. Starting another would cancel it."""
        if self.case.is_propagating:
            stop = key_of("cancel")
            self._show_message(f"Already propagating; {stop} stops it.", for_now=True)
        return self.case.is_propagating

    def propagate(
        self, targets: Sequence[PropagationTarget], first: int, last: int, may_widen: bool = False
    ) -> None:
        """Propagate targets over the slices first to last, both included.

        Nothing is propagated if the chosen label is locked; other locked labels are left out. With
        `may_widen` the user did not choose this range: if an object continues beyond it, the
        next proposed range extends twice as far on that side, and a message says so.

        Raises
        ------
        ValueError
            If the range excludes a box.
        """
        if self._is_locked(target for target in targets if target.label == self.case.label):
            return
        if not self._workspace.has_same_pixels(self.case):
            return
        targets = [target for target in targets if not self.case.refusal_reason(target.label)]
        if targets:
            plan = plan_extents if self.case.is_extent else plan_targets
            may_widen &= not self.case.is_extent
            self._run(plan([(target, (first, last)) for target in targets]), may_widen)

    def keyframes_changed(self, boxes: Sequence[PlacedBox]) -> bool:
        """Propagate again what moved or new keyframes change; return whether there is any."""
        for placed in boxes:
            target = target_for(self.case, placed)
            slice_range = self.case.reviews.followed(target.key)
            index = placed.box.slice.index
            if (
                len(target.keyframe_boxes) > 1
                and slice_range is not None
                and slice_range[0] <= index <= slice_range[1]
            ):
                return self._run(plan_span(target, index, slice_range))
        return False

    def keyframes_gone(self, boxes: Sequence[PlacedBox]) -> bool:
        """Propagate again around deleted keyframes.

        Returns whether that has begun, or is refused with a message because the label is locked.
        """
        keys = self.case.reviews.keys()
        for placed in boxes:
            key = keys.get(placed.box_id, 0)
            left = [b for b in self.case.annotation.boxes if keys.get(b.box_id) == key]
            slice_range = self.case.reviews.followed(key)
            if slice_range is not None and left:
                target = target_for(self.case, left[0])
                return self._is_locked((target,)) or self._run(
                    plan_span(target, placed.box.slice.index, slice_range)
                )
        return False

    def continue_from(self, target: PropagationTarget, index: int) -> None:
        """Propagate again from a corrected slice to the slices beyond it."""
        slice_range = self.case.reviews.followed(target.key)
        here = self._mask(target, index)
        if slice_range is None or here is None or here.is_empty:
            self._workspace.refuse("Propagate first; then correct a slice and continue from it.")
            return
        if self._is_locked((target,)):
            return
        if not self._run(plan_beyond(target, here, slice_range)):
            self._show_message("Nothing was propagated beyond this slice.", for_now=True)

    def move_end(self, target: PropagationTarget, end: int, to: int) -> None:
        """Move an object's end from slice `end` to `to`: erase or propagate the slices between.

        Painted and accepted slices stay.
        """
        first, last = self.case.reviews.followed(target.key) or (end, end)
        slice_range = min(first, to), max(last, to)
        plan = plan_end(target, end, self._mask(target, end), to, slice_range)
        if not plan.cleared:
            self._run(plan)
        elif not self._is_locked((target,)):
            self._finish(self._begin(plan), completed=True)
            self._show(None)

    def _mask(self, target: PropagationTarget, index: int) -> SliceMask | None:
        """The mask that a target has on a slice now."""
        mask = mask_there(self.case.annotation, SliceRef(target.axis, index), target.label)
        return part_near(mask, target.box_at(index))

    def _begin(self, plan: PropagationPlan) -> PropagationRun:
        self._jobs.cancel()  # only one edit can be open
        self.case.take_over()
        session = self.case.session
        return PropagationRun(
            self.case.annotation,
            plan,
            overwrite=self._workspace.replace,
            model=session.model.identity if session is not None else "",
            window=self.case.window_name,
        )

    def _finish(self, run: PropagationRun, *, completed: bool) -> None:
        self.case.take_over()
        self.case.labels.show_change(run.finish(completed=completed))
        self.case.sync()

    def _run(self, plan: PropagationPlan, may_widen: bool = False) -> bool:
        """Start a plan; False if there is nothing to do, or one of its labels is locked."""
        session, slices = self.case.session, plan.slices
        if session is None or not slices or self._is_locked(plan.targets):
            return False
        run = self._begin(plan)
        eta = Eta(len(slices))

        def work(hand_over: Callable[[tuple[PropagationTarget, SliceMask]], None]) -> None:
            for answer in session.run_plan(plan):
                hand_over(answer)

        def paint(answer: tuple[PropagationTarget, SliceMask]) -> None:
            target, mask = answer
            self.case.take_over(mask.slice)
            run.paint(target, mask)
            self.case.labels.show_change([mask.slice])
            emit(self._workspace.slices_ready, [mask.slice])
            n_done = len(run.done)
            self._show(Progress(PROPAGATING, n_done, len(slices), eta.after(n_done)))

        def ended(outcome: JobOutcome) -> None:
            self.case.progress = None
            self._finish(run, completed=outcome.kind == "done")
            self._report(outcome, run, may_widen)
            if outcome.kind == "done":
                self._on_done(self.case)

        with contextlib.ExitStack() as at_failure:
            at_failure.callback(run.close)
            at_failure.callback(setattr, self.case, "progress", None)
            self._show(Progress(PROPAGATING, 0, len(slices)))
            self._jobs.start(Job(work, paint, ended, session.cancel))
            at_failure.pop_all()
        return True

    def _show(self, progress: Progress | None) -> None:
        self._workspace.show_progress(self.case, progress)

    def _is_locked(self, targets: Iterable[PropagationTarget]) -> bool:
        """Whether a label is locked; if so, show the reason."""
        why = next(filter(None, (self.case.refusal_reason(target.label) for target in targets)), "")
        if why:
            self._workspace.refuse(why)
        return bool(why)

    def _report(self, outcome: JobOutcome, run: PropagationRun, may_widen: bool) -> None:
        n_slices = len(run.done)
        slices = f"{n_slices} slice" + ("" if n_slices == 1 else "s")
        kept = f"Masks on {slices} are kept" if n_slices else "No slice was done"
        if outcome.kind == "failed":
            self._show_message(f"{outcome.sentence} {kept}.", is_problem=True)
        elif outcome.kind == "cancelled":
            undo = "; Undo removes them" if n_slices else ""
            self._show_message(f"Stopped. {kept}{undo}.", for_now=True)
        else:
            more = self._widen(run) if may_widen else ""
            numbers = sorted({target.label for target in run.found})
            names = [label.name for label in map(self.case.named, numbers) if label is not None]
            prefix = f"{', '.join(names)}: " if numbers != [self.case.label] else ""
            left = self._uncertain_left(numbers, next(iter(run.found)).axis)
            session = self.case.session
            without = empty_note(session.left_out(run.plan)) if session is not None else ""
            said = f"Done: {prefix}{slices}{left}.{more} {without}".rstrip()
            self._show_message(said, for_now=True)

    def _uncertain_left(self, numbers: Sequence[int], axis: Axis) -> str:
        """How many uncertain slices labels have along an axis now, as the dock's button counts.

        These may be more than those of the last run. The key is named if it goes to one of them.
        """
        counts = {n: len(self.case.reviews.status(axis, n).to_look_at) for n in numbers}
        if not any(counts.values()):
            return ", none uncertain"
        named = [f"{count} of {name_of(self.case, n)}" for n, count in counts.items() if count]
        left = ", ".join(named) if len(numbers) > 1 else str(counts[numbers[0]])
        where = self.case.where()
        if where is None or where.axis != axis:
            return f". Uncertain slices left in the {VIEW_NAMES[axis]} view: {left}"
        key = f" ({key_of('next_doubtful')})" if counts.get(self.case.label) else ""
        return f". Uncertain slices left: {left}{key}"

    def _widen(self, run: PropagationRun) -> str:
        """Propose more slices if the range cut an object off; returns the sentence about it."""
        (axis,) = {target.axis for target in run.found}
        ((first, last),) = set(run.plan.ranges.values())
        ends = {first: 0, last: self.case.image.volume.n_slices(axis) - 1}
        below, above = (
            end != limit and any(m[end].area for m in run.found.values() if end in m)
            for end, limit in ends.items()
        )
        if not below and not above:
            return ""
        for label in {target.label for target in run.found}:
            down, up = self.case.reach_of(label, axis)
            more_down, more_up = self.case.widened.get((label, axis), (0, 0))
            self.case.widened[label, axis] = more_down + down * below, more_up + up * above
        sides = [f"below slice {first}"] * below + [f"above slice {last}"] * above
        again = f"press {key_of('propagate')} again to follow it"
        return f" The object continues {' and '.join(sides)}: {again}."
