"""The commands of Propagate and of the range beside it, on the open case."""

from __future__ import annotations

from napari_medsam.ui.actions.propagation_targets import requested_range, targets, why_no_seeds
from napari_medsam.ui.actions.segment import Segmenter
from napari_medsam.ui.state.workspace import Workspace


class PropagationActions:
    """Propagates the open case's chosen label over a range of slices."""

    def __init__(self, workspace: Workspace, segmenter: Segmenter) -> None:
        self._workspace = workspace
        self._segmenter = segmenter

    def propagate(self, first: int | None = None, last: int | None = None) -> None:
        """Propagate the chosen label's object over the range, and those boxed on the same slice."""
        case = self._workspace.case
        if case is not None and self._segmenter.propagator(case).refuse_while_running():
            return
        shown = requested_range(case) if case is not None else None
        if case is None or shown is None:
            self._workspace.refuse(why_no_seeds(case))
            return
        may_widen = first is None and last is None and not case.has_own_range
        first = shown.first if first is None else first
        last = shown.last if last is None else last
        try:
            self._segmenter.propagator(case).propagate(targets(case), first, last, may_widen)
        except ValueError as error:
            self._workspace.refuse(str(error))

    def choose_range(self, first: int, last: int) -> None:
        """Set how far from its boxes a propagation goes, down and up."""
        case = self._workspace.case
        shown = requested_range(case) if case is not None else None
        if case is not None and shown is not None:
            case.choose_reach(shown.start - first, last - shown.stop)
            self._workspace.refresh()

    def choose_extent(self, is_extent: bool) -> None:
        """Set whether a box encloses its object on all slices of the range: a 3D box."""
        if self._workspace.case is not None:
            self._workspace.case.is_extent = is_extent
