"""Builds the `StripState`: which slices along the axis on screen are ready, boxed or uncertain."""

from __future__ import annotations

from collections.abc import Iterable

from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.data.volume import Axis
from napari_medsam.engine.session import Session
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.dock_state import StripState


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


def strip_of(case: Case, session: Session | None, ready: ReadySlices) -> StripState | None:
    """The strip of a case; None for a picture and in the 3D view."""
    where = case.where()
    if where is None or case.image.volume.is_flat:
        return None
    status = case.reviews.status(where.axis, case.label)
    return StripState(
        where.axis,
        case.image.volume.n_slices(where.axis),
        where.index,
        ready.of(session, where.axis),
        case.keyframes(where.axis, case.label),
        tuple(sorted(status.confidences.items())),
        status.settled,
        status.accepted,
        case.reviews.ends(where.axis, case.label),
    )
