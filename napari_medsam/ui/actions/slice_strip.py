"""Draws the slice strip: which slices along the axis on screen are ready, boxed or uncertain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.data.volume import Axis
from napari_medsam.engine.session import Session
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.dock_state import StripState
from napari_medsam.ui.state.workspace import Workspace


class ReadySlices:
    """Remembers which slices have an embedding, so that a redraw need not check them all.

    `recount` checks all; `add` adds slices that became ready since.
    """

    def __init__(self) -> None:
        self._session: Session | None = None
        self._axis: Axis | None = None
        self._indices: set[int] = set()

    def of(self, session: Session | None, axis: Axis) -> frozenset[int]:
        """The indices along `axis` of slices that have an embedding."""
        if session is not self._session or axis != self._axis:
            self._session, self._axis = session, axis
            self.recount()
        return frozenset(self._indices)

    def add(self, slices: Iterable[SliceRef]) -> None:
        self._indices.update(where.index for where in slices if where.axis == self._axis)

    def recount(self) -> None:
        self._indices.clear()
        if self._session is not None and self._axis is not None:
            every = range(self._session.volume.n_slices(self._axis))
            axis, session = self._axis, self._session
            self._indices.update(i for i in every if session.is_embedded(SliceRef(axis, i)))


class SliceStrip:
    """Draws the strip when it may be different."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._ready = ReadySlices()
        self._draw_soon = workspace.throttle(self._draw)
        for signal in (workspace.session_changed, workspace.scrolled, workspace.changed):
            signal.connect(self._on_changed)
        workspace.slices_ready.connect(self._on_ready)

    def recount(self) -> None:
        """Find out again which slices have an embedding."""
        self._ready.recount()
        self._draw_soon()

    def _on_changed(self) -> None:
        self._draw_soon()

    def _on_ready(self, slices: Sequence[SliceRef]) -> None:
        self._ready.add(slices)
        self._draw_soon()

    def _draw(self) -> None:
        if self._workspace.is_closed:  # a throttled call can come after the dock is gone
            return
        case = self._workspace.case
        self._workspace.view.show_strip(strip_of(case, self._ready) if case is not None else None)


def strip_of(case: Case, ready: ReadySlices) -> StripState | None:
    """The strip of a case; None for a picture and in the 3D view."""
    where = case.where()
    if where is None or case.image.volume.is_flat:
        return None
    status = case.reviews.status(where.axis, case.label)
    return StripState(
        where.axis,
        case.image.volume.n_slices(where.axis),
        where.index,
        ready.of(case.session, where.axis),
        case.keyframes(where.axis, case.label),
        tuple(sorted(status.confidences.items())),
        status.settled,
        status.accepted,
        case.reviews.ends(where.axis, case.label),
    )
