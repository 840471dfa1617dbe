"""Builds the `DockState` of the open case: what the dock shows about it."""

from __future__ import annotations

from dataclasses import replace

from napari_medsam.ui.actions.label_rows import rows_of
from napari_medsam.ui.actions.propagation_targets import requested_range, why_no_seeds
from napari_medsam.ui.actions.remaining_slices import place_left
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.dock_state import DockState, PointToolState
from napari_medsam.ui.state.hint import hint


def dock_state_of(panel: DockState, case: Case | None, points: PointToolState) -> DockState:
    """Complete a `DockState` with what the dock shows about the open case, if there is one."""
    if case is None:
        return replace(panel, hint=hint(panel, has_boxes=False))
    where, shown_range = case.where(), requested_range(case)
    panel = replace(
        panel,
        has_case=True,
        is_flat=case.image.volume.is_flat,
        view=where.axis if where else None,
        windows=case.window_names(),
        window=case.window_name,
        labels=rows_of(case),
        label=case.label,
        is_drawing=case.is_drawing,
        is_selecting=case.is_selecting,
        points=points,
        range=shown_range,
        why_no_range="" if shown_range is not None else why_no_seeds(case),
        progress=case.progress or panel.progress,
        can_undo=case.can_undo or bool(case.pending),
        can_redo=case.annotation.can_redo,
        is_dirty=case.annotation.is_dirty,
        has_failed_save=case.has_failed_save,
        n_doubtful=(len(case.reviews.status(where.axis, case.label).to_look_at) if where else 0),
        has_uncertain=bool(case.reviews.left()),
        uncertain_at=place_left(case, where.axis) if where else "",
        is_extent=case.is_extent,
        is_accepted=(
            where is not None and (case.label, where.axis, where.index) in case.annotation.accepted
        ),
    )
    return replace(panel, hint=hint(panel, has_boxes=bool(case.boxes_there())))
