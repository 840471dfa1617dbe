"""Builds the rows of the dock's label table, and updates their diameters while idle."""

from __future__ import annotations

from collections.abc import Callable

from napari_medsam.engine.data.labels import Label, LabelState
from napari_medsam.engine.data.volume import Axis
from napari_medsam.formats.common.coded_terms import code_in_words
from napari_medsam.measure.from_files import units_of
from napari_medsam.ui.layers.boxes_layer import Later
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.dock_state import LabelRow

AT_A_TIME = 0.02
"""Seconds of measuring before the event loop runs again."""


def rows_of(case: Case) -> tuple[LabelRow, ...]:
    """The rows of a case: each label with its current size and its last measured diameters."""
    where = case.where()
    axis: Axis = where.axis if where else "z"
    return tuple(_row(case, label, axis) for label in case.annotation.table)


def _row(case: Case, label: Label, axis: Axis) -> LabelRow:
    number, measures = label.number, case.tally
    units = units_of(case.image.volume, case.image.grid)
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
    """Measures changed labels in small portions while the program is idle.

    Parameters
    ----------
    case
        The open case; None if there is none.
    later
        Runs a function after the current event.
    on_change
        Called when there are new diameters.
    """

    def __init__(
        self, case: Callable[[], Case | None], later: Later, on_change: Callable[[], None]
    ) -> None:
        self._case = case
        self._later = later
        self._on_change = on_change
        self._is_scheduled = False

    def schedule(self) -> None:
        """Start to measure if labels have changed."""
        case = self._case()
        if case is not None and not case.tally.is_complete and not self._is_scheduled:
            self._is_scheduled = True
            self._later(self._measure)

    def _measure(self) -> None:
        self._is_scheduled = False
        case = self._case()
        if case is not None:
            case.tally.refresh(AT_A_TIME)
            self._on_change()
