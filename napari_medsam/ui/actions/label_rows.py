"""The label table of a case, as the dock shows it, and its diameters kept up in spare moments."""

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
"""Seconds that diameters may take before the screen gets its turn."""


def rows_of(case: Case) -> tuple[LabelRow, ...]:
    """The table, with each label's size as it is now and its diameters as last measured."""
    where = case.where()
    axis: Axis = where.axis if where else "z"
    return tuple(_row(case, label, axis) for label in case.annotation.table)


def _row(case: Case, label: Label, axis: Axis) -> LabelRow:
    number, tally = label.number, case.tally
    units = units_of(case.image.volume, case.image.grid)
    n_voxels = case.annotation.voxel_count(number)
    pair = tally.diameters(number)
    begun: LabelState = "in progress" if n_voxels else "not started"
    return LabelRow(
        number,
        label.name,
        label.color,
        n_voxels,
        tally.millilitres(number) if units.has_volume else None,
        code_in_words(label),
        len(case.reviews.status(axis, number).to_look_at),
        label.locked,
        label.state or begun,
        (pair.long_mm, pair.short_mm) if pair and n_voxels else None,
        units.length,
        pair.slice.index if pair else 0,
    )


class RowMeasures:
    """Measures what was changed, a little at a time, when the program has a moment.

    Parameters
    ----------
    case
        The open case; None where there is none.
    later
        Runs a function when what is happening now is over.
    on_change
        Whom to tell that there are new diameters.
    """

    def __init__(
        self, case: Callable[[], Case | None], later: Later, on_change: Callable[[], None]
    ) -> None:
        self._case = case
        self._later = later
        self._on_change = on_change
        self._is_asked = False

    def schedule(self) -> None:
        """Something may have changed."""
        case = self._case()
        if case is not None and not case.tally.is_complete and not self._is_asked:
            self._is_asked = True
            self._later(self._measure)

    def _measure(self) -> None:
        self._is_asked = False
        case = self._case()
        if case is not None:
            case.tally.refresh(AT_A_TIME)
            self._on_change()
