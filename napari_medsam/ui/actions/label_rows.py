"""Builds the rows of the dock's label table, and updates their diameters while idle."""

from __future__ import annotations

from napari_medsam.engine.data.labels import Label, LabelState
from napari_medsam.engine.data.volume import Axis
from napari_medsam.formats.common.coded_terms import code_in_words
from napari_medsam.measure.from_files import units_of
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.dock_state import LabelRow
from napari_medsam.ui.state.workspace import Workspace

AT_A_TIME = 0.02
"""Seconds of measuring before the event loop runs again."""


def rows_of(case: Case) -> tuple[LabelRow, ...]:
    """The rows of a case: each label with its current size and its last measured diameters."""
    where = case.where()
    axis: Axis = where.axis if where else "z"
    return tuple(_row(case, label, axis) for label in case.annotation.table)


def _row(case: Case, label: Label, axis: Axis) -> LabelRow:
    number, measures = label.number, case.tally
    units = units_of(case.image.volume, case.image.grid, case.image.unit)
    n_voxels = case.annotation.voxel_count(number)
    pair = measures.diameters(number)
    begun: LabelState = "in progress" if n_voxels else "not started"
    return LabelRow(
        number,
        label.name,
        label.color,
        n_voxels,
        measures.millilitres(number) if units.has_volume else None,
        code_in_words(label),
        len(case.reviews.status(axis, number).to_look_at),
        label.locked,
        label.state or begun,
        (pair.long_mm, pair.short_mm) if pair and n_voxels else None,
        units.length,
        pair.slice.index if pair else 0,
    )


class RowMeasures:
    """Measures changed labels of the open case in small portions while the program is idle."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._is_scheduled = False
        workspace.changed.connect(self.schedule)

    def schedule(self) -> None:
        """Start to measure if labels have changed."""
        case = self._workspace.case
        if case is not None and not case.tally.is_complete and not self._is_scheduled:
            self._is_scheduled = True
            self._workspace.later(self._measure)

    def _measure(self) -> None:
        self._is_scheduled = False
        case = self._workspace.case
        if case is not None:
            case.tally.refresh(AT_A_TIME)
            self._workspace.refresh()
